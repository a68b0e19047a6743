"""Distances between two distributions, and how large each gets by chance between two samples of one distribution.

Numbers are compared through their quantile sketches, strings through their frequency sketches. `noise` is the value
that the distance exceeds about once in 100,000 times when nothing changed, by the asymptotic law of each.
"""

from __future__ import annotations

import math

import attrs
import numpy as np
from numpy.typing import NDArray

from millrace.data.statistics.frequency_sketch import FrequencySketch
from millrace.data.statistics.quantile_sketch import QuantileSketch

BINS = 10
FALSE_ALARMS = 1e-5
_NORMAL_QUANTILE = 4.42  # two-sided, at FALSE_ALARMS
_ONE_SIDED_QUANTILE = 4.26  # one-sided, at FALSE_ALARMS
_SMALLEST_SHARE = 1e-4

F64 = NDArray[np.float64]


@attrs.frozen
class Distance:
    value: float
    noise: float


def kolmogorov_smirnov(now: QuantileSketch, before: QuantileSketch) -> Distance:
    """The largest gap of the cumulative distributions. Noise: Kolmogorov's law, and what the sketches are off."""
    points = np.union1d(now.points[0], before.points[0])
    gap = float(np.abs(_cumulative(now, points) - _cumulative(before, points)).max())
    n, m = now.rows, before.rows
    chance = math.sqrt(-math.log(FALSE_ALARMS / 2) / 2) * math.sqrt(1 / n + 1 / m)
    return Distance(gap, chance + now.rank_error / n + before.rank_error / m)


def _cumulative(sketch: QuantileSketch, points: F64) -> F64:
    values, weights = sketch.points
    ends = np.concatenate([[0], np.cumsum(weights)])
    shares: F64 = ends[np.searchsorted(values, points, side="right")] / ends[-1]
    return shares


def quantile_bins(now: QuantileSketch, before: QuantileSketch) -> tuple[F64, F64]:
    """Both distributions over ten bins of equal share in the earlier data; ties share a bin."""
    edges = np.unique(before.quantiles(np.arange(1, BINS) / BINS))
    return _shares(now, edges), _shares(before, edges)


def _shares(sketch: QuantileSketch, edges: F64) -> F64:
    return np.diff(np.concatenate([[0.0], _cumulative(sketch, edges), [1.0]]))


@attrs.frozen(eq=False)
class ValueShares:
    """The shares of all values that either side holds, now and before, and how many rows each has in all."""

    values: list[str]
    now: F64
    before: F64
    rows_now: float
    rows_before: float

    @classmethod
    def of(cls, now: FrequencySketch, before: FrequencySketch) -> ValueShares:
        mine, theirs = now.values.to_list(), before.values.to_list()
        place = {value: index for index, value in enumerate(dict.fromkeys([*mine, *theirs]))}
        counts_now, counts_before = np.zeros(len(place)), np.zeros(len(place))
        counts_now[: len(mine)] = now.counts
        counts_before[[place[value] for value in theirs]] = before.counts
        rows_now, rows_before = float(counts_now.sum()), float(counts_before.sum())
        return cls(
            list(place), counts_now / max(rows_now, 1), counts_before / max(rows_before, 1), rows_now, rows_before
        )


def infinity_norm(shares: ValueShares) -> tuple[Distance, int]:
    """The largest change in any value's share, and the value's place. Noise: a share of one half, normal."""
    change = np.abs(shares.now - shares.before)
    largest = int(change.argmax())
    noise = _NORMAL_QUANTILE * 0.5 * math.sqrt(1 / shares.rows_now + 1 / shares.rows_before)
    return Distance(float(change[largest]), noise), largest


def normalized_abs_difference(shares: ValueShares) -> tuple[Distance, int]:
    """The largest change in any value's count, over the sum of all counts; and the value's place."""
    rows = shares.rows_now + shares.rows_before
    change = np.abs(shares.now * shares.rows_now - shares.before * shares.rows_before) / rows
    largest = int(change.argmax())
    return Distance(float(change[largest]), _NORMAL_QUANTILE / math.sqrt(rows)), largest


def jensen_shannon(p: F64, q: F64, n: float, m: float) -> Distance:
    """In bits, 0 to 1. Noise: near equality the divergence is a chi-square over 8 ln 2, scaled by 1/n + 1/m."""
    mean = (p + q) / 2
    value = (_divergence(p, mean) + _divergence(q, mean)) / 2
    return Distance(max(value, 0.0), _chi_square(len(p)) * (1 / n + 1 / m) / (8 * math.log(2)))


def _divergence(p: F64, q: F64) -> float:
    some = p > 0
    return float((p[some] * np.log2(p[some] / q[some])).sum())


def population_stability(p: F64, q: F64, n: float, m: float) -> Distance:
    """Sum of (p - q) ln(p / q); empty bins count as 0.0001. Noise: a chi-square scaled by 1/n + 1/m."""
    p, q = np.maximum(p, _SMALLEST_SHARE), np.maximum(q, _SMALLEST_SHARE)
    value = float(((p - q) * np.log(p / q)).sum())
    return Distance(value, _chi_square(len(p)) * (1 / n + 1 / m))


def _chi_square(bins: int) -> float:
    """The value that chi-square with bins - 1 degrees of freedom exceeds at FALSE_ALARMS (Wilson, Hilferty 1931)."""
    freedom = max(bins - 1, 1)
    spread = 2 / (9 * freedom)
    return freedom * (1 - spread + _ONE_SIDED_QUANTILE * math.sqrt(spread)) ** 3
