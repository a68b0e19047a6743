"""Metrics of a classifier of several classes, from true and predicted classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs
import numpy as np
from numpy.typing import ArrayLike, NDArray

from millrace.core.errors import DataError
from millrace.data.evaluation.inputs import ratio


@attrs.frozen(eq=False)
class ConfusionMatrix:
    """`counts[i, j]` rows of class `classes[i]` were predicted as `classes[j]`."""

    classes: tuple[Any, ...]
    counts: NDArray[np.int64]


def confusion_matrix(labels: ArrayLike, predicted: ArrayLike) -> ConfusionMatrix:
    y, p = np.asarray(labels).ravel(), np.asarray(predicted).ravel()
    if len(y) != len(p):
        raise DataError(f"there are {len(y)} labels and {len(p)} predictions")
    try:
        classes, place = np.unique(np.concatenate([y, p]), return_inverse=True)
    except TypeError as error:
        raise DataError(
            "labels and predictions are of different kinds, or some are missing",
            remedy="Use one kind for both, and leave rows without a label out.",
        ) from error
    size = len(classes)
    cells = np.bincount(place[: len(y)] * size + place[len(y) :], minlength=size * size)
    return ConfusionMatrix(tuple(classes.tolist()), cells.reshape(size, size).astype(np.int64))


def multiclass_metrics(
    labels: ArrayLike,
    predicted: ArrayLike,
    *,
    probabilities: ArrayLike | None = None,
    classes: Sequence[Any] | None = None,
) -> dict[str, float]:
    """Accuracy, precision, recall and F1 as the plain mean over classes that occur (macro) and by rows (micro).

    A class that is never predicted has precision 0 in the mean. With `probabilities` (rows by classes, in the order
    of `classes`) also `log_loss`.
    """
    matrix = confusion_matrix(labels, predicted)
    counts = matrix.counts
    right, actual, guessed = np.diag(counts), counts.sum(axis=1), counts.sum(axis=0)
    occurs = (actual + guessed) > 0
    precision = np.divide(right, guessed, out=np.zeros(len(right)), where=guessed > 0)
    recall = np.divide(right, actual, out=np.zeros(len(right)), where=actual > 0)
    f1 = np.divide(2 * right, actual + guessed, out=np.zeros(len(right)), where=occurs)
    total = int(counts.sum())
    metrics = {
        "example_count": float(total),
        "accuracy": ratio(int(right.sum()), total),
        "macro_precision": ratio(float(precision.sum()), len(right)),
        "macro_recall": ratio(float(recall.sum()), len(right)),
        "macro_f1": ratio(float(f1.sum()), len(right)),
        "weighted_f1": ratio(float((f1 * actual).sum()), total),
        "class_count": float(len(right)),
    }
    if probabilities is not None:
        metrics["log_loss"] = _log_loss(
            np.asarray(labels).ravel(), np.asarray(probabilities, dtype=np.float64), classes
        )
    return metrics


def _log_loss(labels: NDArray[Any], probabilities: NDArray[np.float64], classes: Sequence[Any] | None) -> float:
    if classes is None or probabilities.ndim != 2 or probabilities.shape != (len(labels), len(classes)):
        raise DataError(
            "the probabilities do not fit", remedy="Give one row for each label and one column for each of `classes`."
        )
    place = {value: index for index, value in enumerate(classes)}
    values, inverse = np.unique(labels, return_inverse=True)
    unknown = [value for value in values.tolist() if value not in place]
    if unknown:
        raise DataError(f"the label {unknown[0]!r} is none of the classes")
    columns = np.asarray([place[value] for value in values.tolist()])[inverse]
    tiny = np.finfo(np.float64).eps
    given = probabilities[np.arange(len(labels)), columns]
    return float(-np.log(np.clip(given, tiny, 1.0)).mean()) if len(labels) else float("nan")
