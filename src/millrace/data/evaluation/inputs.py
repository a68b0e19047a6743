"""Labels and predictions as arrays that fit together, and the division that metrics need."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from millrace.core.errors import DataError


def aligned(labels: ArrayLike, predictions: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Two arrays of equally many finite numbers."""
    try:
        y = np.asarray(labels, dtype=np.float64).ravel()
        p = np.asarray(predictions, dtype=np.float64).ravel()
    except (TypeError, ValueError) as error:
        raise DataError(f"labels and predictions must be numbers: {error}") from error
    if len(y) != len(p):
        raise DataError(f"there are {len(y)} labels and {len(p)} predictions")
    for name, values in (("label", y), ("prediction", p)):
        bad = ~np.isfinite(values)
        if bad.any():
            raise DataError(
                f"the {name} of row {int(bad.argmax()) + 1} is missing or not finite ({int(bad.sum())} such rows)",
                remedy="Leave rows without a label out, and see why the model gave no number.",
            )
    return y, p


def ratio(above: float, below: float) -> float:
    """NaN where there is nothing to divide by: not defined, which is neither good nor bad."""
    return above / below if below else float("nan")
