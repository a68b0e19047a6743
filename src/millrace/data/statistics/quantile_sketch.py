"""A mergeable, deterministic sketch of a numeric distribution.

It holds weighted points, exact as long as there are at most `CAPACITY` distinct values. Beyond that, points are
merged into at most `CAPACITY` neighbours of about equal weight, and `rank_error` adds up by how many rows any
rank may be off: a bound that holds, not one that holds with some probability. Summaries of like height are
merged with each other (as in Manku, Rajagopalan, Lindsay 1998), so the error of n rows from s shards stays
below n (1 + log2 s) / CAPACITY, in whatever order they are merged.

The sketches of the Apache DataSketches library draw random bits: equal data would give unequal bytes, and no
step that keeps statistics could be taken from the cache by its content. That is why this one is ours.
"""

from __future__ import annotations

import base64
import functools
from collections.abc import Mapping, Sequence
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

CAPACITY = 2048

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]


@attrs.frozen(eq=False)
class _Points:
    """Values in ascending order with the number of rows that each stands for."""

    values: F64
    weights: I64

    def joined(self, other: _Points) -> _Points:
        values = np.concatenate([self.values, other.values])
        weights = np.concatenate([self.weights, other.weights])
        distinct, place = np.unique(values, return_inverse=True)
        sums = np.zeros(len(distinct), dtype=np.int64)
        np.add.at(sums, place, weights)
        return _Points(distinct, sums)

    def thinned(self) -> tuple[_Points, int]:
        """At most `CAPACITY` points of about equal weight, and the most rows by which a rank has moved.

        Each point stands for the rows around it, so ranks move by about half a point's weight either way.
        """
        ends = np.cumsum(self.weights)
        starts = ends - self.weights
        total = int(ends[-1])
        bucket = (starts * CAPACITY) // total
        first = np.flatnonzero(np.diff(bucket, prepend=-1))
        last = np.append(first[1:], len(bucket)) - 1
        middle = (starts[first] + ends[last]) // 2
        chosen = np.clip(np.searchsorted(ends, middle), first, last)
        moved = np.maximum(starts[chosen] - starts[first], ends[last] - ends[chosen])
        return _Points(self.values[chosen], ends[last] - starts[first]), int(moved.max())


@attrs.frozen(eq=False, slots=False)  # a cached property needs a dictionary
class QuantileSketch:
    """Ranks and quantiles of finite numbers; see the module for the error."""

    levels: tuple[_Points | None, ...] = ()
    rank_error: int = 0

    @classmethod
    def of(cls, distinct: F64, weights: I64) -> QuantileSketch:
        """From ascending distinct finite values and how often each occurs."""
        if not len(distinct):
            return cls()
        return _insert(cls(), _Points(distinct, weights), 0)

    def merge(self, other: QuantileSketch) -> QuantileSketch:
        merged = attrs.evolve(self, rank_error=self.rank_error + other.rank_error)
        for level, points in enumerate(other.levels):
            if points is not None:
                merged = _insert(merged, points, level)
        return merged

    @property
    def rows(self) -> int:
        return sum(int(points.weights.sum()) for points in self.levels if points is not None)

    @property
    def exact(self) -> bool:
        return self.rank_error == 0

    @functools.cached_property
    def points(self) -> tuple[F64, I64]:
        """All values in ascending order and the rows that each stands for."""
        joined = _Points(np.empty(0), np.empty(0, dtype=np.int64))
        for points in self.levels:
            if points is not None:
                joined = joined.joined(points)
        return joined.values, joined.weights

    def quantiles(self, fractions: Sequence[float] | F64) -> F64:
        """For each fraction q the smallest value whose rank reaches q of the rows (the inverse distribution)."""
        values, weights = self.points
        wanted = np.asarray(fractions, dtype=np.float64)
        if not len(values):
            return np.full(len(wanted), np.nan)
        ends = np.cumsum(weights)
        place = np.searchsorted(ends, np.ceil(wanted * ends[-1] - 1e-9), side="left")
        found: F64 = values[np.clip(place, 0, len(values) - 1)]
        return found

    def median(self) -> float:
        """The middle value; of an even number of rows the mean of the middle two."""
        values, weights = self.points
        if not len(values):
            return float("nan")
        ends = np.cumsum(weights)
        total = int(ends[-1])
        lower, upper = np.searchsorted(ends, [(total + 1) // 2, total // 2 + 1])
        return float((values[lower] + values[upper]) / 2)

    def to_json(self) -> dict[str, Any]:
        return {
            "rank_error": self.rank_error,
            "levels": [
                points and {"values": _encode(points.values), "weights": _encode(points.weights)}
                for points in self.levels
            ],
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> QuantileSketch:
        levels = tuple(
            level and _Points(_decode(level["values"], "<f8"), _decode(level["weights"], "<i8"))
            for level in document["levels"]
        )
        return cls(levels, document["rank_error"])


def _insert(sketch: QuantileSketch, points: _Points, level: int) -> QuantileSketch:
    """`sketch` and `points`: joined with what lies at their level; what is too much is thinned and goes one up."""
    levels = list(sketch.levels)
    error = sketch.rank_error
    while True:
        levels.extend([None] * (level + 1 - len(levels)))
        resident = levels[level]
        if resident is not None:
            points = resident.joined(points)
        if len(points.values) <= CAPACITY:
            levels[level] = points
            return QuantileSketch(tuple(levels), error)
        levels[level] = None
        points, moved = points.thinned()
        error += moved
        level += 1


def _encode(array: NDArray[Any]) -> str:
    little = array.astype(array.dtype.newbyteorder("<"), copy=False)
    return base64.b64encode(little.tobytes()).decode("ascii")


def _decode(text: str, dtype: str) -> NDArray[Any]:
    array = np.frombuffer(base64.b64decode(text), dtype=dtype)
    return array.astype(array.dtype.newbyteorder("="))
