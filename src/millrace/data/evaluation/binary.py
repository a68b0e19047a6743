"""Metrics of a binary classifier from labels (0, 1) and scores (0 to 1), by the names that TFMA and Keras use."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from millrace.core.errors import DataError
from millrace.data.evaluation.inputs import aligned, ratio

F64 = NDArray[np.float64]


def binary_metrics(labels: ArrayLike, scores: ArrayLike, threshold: float = 0.5) -> dict[str, float]:
    """All metrics; what is not defined for these rows (AUC of one class) is NaN.

    A row counts as positive when its score is at or above `threshold`. `auc_precision_recall` is the average
    precision, which steps and does not interpolate.
    """
    y, p = aligned(labels, scores)
    if not np.isin(y, (0.0, 1.0)).all():
        raise DataError("the labels of a binary classifier are 0 and 1", remedy="Use t.label(column, positive=...).")
    positive, predicted = y == 1, p >= threshold
    tp, fp = int((positive & predicted).sum()), int((~positive & predicted).sum())
    fn, tn = int((positive & ~predicted).sum()), int((~positive & ~predicted).sum())
    precision, recall = ratio(tp, tp + fp), ratio(tp, tp + fn)
    return {
        "example_count": float(len(y)),
        "auc": area_under_roc(positive, p),
        "auc_precision_recall": average_precision(positive, p),
        "binary_accuracy": ratio(tp + tn, len(y)),
        "precision": precision,
        "recall": recall,
        "f1": ratio(2 * tp, 2 * tp + fp + fn),
        "specificity": ratio(tn, tn + fp),
        "balanced_accuracy": (recall + ratio(tn, tn + fp)) / 2,
        "log_loss": log_loss(positive, p),
        "brier_score": float(np.square(p - y).mean()) if len(y) else float("nan"),
        "true_positives": float(tp),
        "false_positives": float(fp),
        "true_negatives": float(tn),
        "false_negatives": float(fn),
        "calibration": ratio(float(p.sum()), float(y.sum())),
        "mean_label": ratio(float(y.sum()), len(y)),
        "mean_prediction": ratio(float(p.sum()), len(y)),
    }


def area_under_roc(positive: NDArray[np.bool_], scores: F64) -> float:
    """The chance that a positive row scores above a negative one, ties counted half (Mann, Whitney 1947)."""
    positives = int(positive.sum())
    negatives = len(positive) - positives
    if not positives or not negatives:
        return float("nan")
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    ranks = (ends - (counts - 1) / 2)[place]
    return float((ranks[positive].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def average_precision(positive: NDArray[np.bool_], scores: F64) -> float:
    """The precision at each threshold, weighted by the recall gained there."""
    if not positive.any():
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(positive[order])
    last_of_ties = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)
    precision = hits[last_of_ties] / (last_of_ties + 1)
    gained = np.diff(hits[last_of_ties], prepend=0) / hits[-1]
    return float((precision * gained).sum())


def log_loss(positive: NDArray[np.bool_], scores: F64) -> float:
    """Binary cross-entropy in nats; scores are kept away from 0 and 1 by the precision of doubles."""
    if not len(scores):
        return float("nan")
    tiny = np.finfo(np.float64).eps
    clipped = np.clip(scores, tiny, 1 - tiny)
    return float(-np.where(positive, np.log(clipped), np.log1p(-clipped)).mean())
