"""Metrics of a regression from labels and predictions."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from millrace.data.evaluation.inputs import aligned, ratio

F64 = NDArray[np.float64]


def regression_metrics(labels: ArrayLike, predictions: ArrayLike) -> dict[str, float]:
    """Errors are prediction minus label; what is not defined for these rows is NaN.

    `mean_absolute_percentage_error` is over rows whose label is not 0, in percent. `r2` is the coefficient of
    determination, `squared_pearson_correlation` the square of the linear correlation.
    """
    y, p = aligned(labels, predictions)
    with np.errstate(over="ignore"):
        return _measured(y, p)


def _measured(y: F64, p: F64) -> dict[str, float]:
    n = len(y)
    errors = p - y
    absolute = np.abs(errors)
    squared = float(np.square(errors).sum())
    spread = float(np.square(y - y.mean()).sum()) if n else 0.0
    predicted_spread = float(np.square(p - p.mean()).sum()) if n else 0.0
    together = float(((y - y.mean()) * (p - p.mean())).sum()) if n else 0.0
    nonzero = y != 0
    mse = ratio(squared, n)
    return {
        "example_count": float(n),
        "mean_squared_error": mse,
        "root_mean_squared_error": float(np.sqrt(mse)),
        "mean_absolute_error": ratio(float(absolute.sum()), n),
        "median_absolute_error": float(np.median(absolute)) if n else float("nan"),
        "max_error": float(absolute.max()) if n else float("nan"),
        "mean_absolute_percentage_error": 100
        * ratio(float((absolute[nonzero] / np.abs(y[nonzero])).sum()), int(nonzero.sum())),
        "r2": 1 - ratio(squared, spread),
        "squared_pearson_correlation": ratio(together * together, spread * predicted_spread),
        "calibration": ratio(float(p.sum()), float(y.sum())),
        "mean_label": ratio(float(y.sum()), n),
        "mean_prediction": ratio(float(p.sum()), n),
    }
