"""Count, mean and spread that merge: Chan, Golub, LeVeque 1979, which stays exact where sums of squares do not."""

from __future__ import annotations

import math

import attrs
import numpy as np
from numpy.typing import NDArray


@attrs.frozen
class Moments:
    """Of finite numbers. `squares` is the sum of the squared distances from the mean."""

    count: int = 0
    mean: float = 0.0
    squares: float = 0.0
    minimum: float = math.inf
    maximum: float = -math.inf

    @classmethod
    def of(cls, values: NDArray[np.float64]) -> Moments:
        if not len(values):
            return cls()
        mean = float(values.mean())
        if not math.isfinite(mean):  # the sum of very large numbers overflows; their mean does not
            mean = float((values / len(values)).sum())
        with np.errstate(over="ignore"):
            squares = float(np.square(values - mean).sum())
        return cls(len(values), mean, squares, float(values.min()), float(values.max()))

    def merge(self, other: Moments) -> Moments:
        if not self.count or not other.count:
            return self if self.count else other
        count = self.count + other.count
        difference = other.mean - self.mean
        share = other.count / count
        return Moments(
            count,
            self.mean + difference * share,
            self.squares + other.squares + difference * difference * self.count * share,
            min(self.minimum, other.minimum),
            max(self.maximum, other.maximum),
        )

    @property
    def variance(self) -> float:
        """Of the population (divided by the count), as TFDV and TFT have it."""
        return self.squares / self.count if self.count else 0.0

    @property
    def std_dev(self) -> float:
        return math.sqrt(self.variance)
