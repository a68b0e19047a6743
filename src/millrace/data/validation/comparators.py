"""Drift and skew: a column's distribution beside that of earlier or of serving data."""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from millrace.data.schema.model import Feature, FeatureComparator
from millrace.data.statistics.features import FeatureStatistics
from millrace.data.validation import distances
from millrace.data.validation.anomalies import DriftMeasure
from millrace.data.validation.distances import Distance
from millrace.data.validation.findings import Finding, number, percent

_OTHER = {"previous": "the previous data", "serving": "the serving data"}


@attrs.frozen
class _Measured:
    """A distance beside its limit; `detail` says what moved most."""

    measure: str
    words: str
    distance: Distance
    limit: float
    detail: str

    @property
    def anomaly_type(self) -> str:
        named = {"infinity_norm": "L_INFTY", "normalized_abs_difference": "NORMALIZED_ABSOLUTE_DIFFERENCE"}
        return f"COMPARATOR_{named.get(self.measure, self.measure.upper())}_HIGH"


def compare(
    feature: Feature,
    comparator: FeatureComparator,
    now: FeatureStatistics,
    other: FeatureStatistics | None,
    against: str,
) -> Iterator[Finding | DriftMeasure]:
    """Each distance that the comparator limits, as a measure, and as a finding where it is above its limit."""
    if other is None or not other.num_non_missing:
        lacking = "lacks it" if other is None else "has no value in it"
        yield Finding(
            "COMPARATOR_CONTROL_DATA_MISSING",
            feature.name,
            f"column {feature.name!r} cannot be compared: {_OTHER[against]} {lacking}",
        )
        return
    if not now.num_non_missing:
        return
    for measured in _measure(comparator, now, other):
        yield DriftMeasure(feature.name, against, measured.measure, measured.distance.value, measured.limit)
        if measured.distance.value > measured.limit:
            yield Finding(
                measured.anomaly_type,
                feature.name,
                f"column {feature.name!r} shifted: {measured.words} {measured.distance.value:.2f} "
                f"to {_OTHER[against]}, the limit is {measured.limit:.2f}; {measured.detail}",
                measured.distance.value,
                measured.limit,
            )


def _measure(comparator: FeatureComparator, now: FeatureStatistics, other: FeatureStatistics) -> Iterator[_Measured]:
    if now.partial.numeric is not None and other.partial.numeric is not None:
        yield from _measure_numbers(comparator, now, other)
    elif now.partial.string is not None and other.partial.string is not None:
        yield from _measure_strings(comparator, now, other)


def _measure_numbers(
    comparator: FeatureComparator, now: FeatureStatistics, other: FeatureStatistics
) -> Iterator[_Measured]:
    assert now.partial.numeric is not None
    assert other.partial.numeric is not None
    assert now.numeric is not None
    assert other.numeric is not None
    ours, theirs = now.partial.numeric.quantiles, other.partial.numeric.quantiles
    if not ours.rows or not theirs.rows:
        return
    detail = f"mean {number(other.numeric.mean)} -> {number(now.numeric.mean)}"
    if now.numeric.median is not None and other.numeric.median is not None:
        detail += f", median {number(other.numeric.median)} -> {number(now.numeric.median)}"
    if comparator.kolmogorov_smirnov is not None:
        distance = distances.kolmogorov_smirnov(ours, theirs)
        limit = _limit(comparator, comparator.kolmogorov_smirnov, distance)
        yield _Measured("kolmogorov_smirnov", "Kolmogorov-Smirnov distance", distance, limit, detail)
    p, q = distances.quantile_bins(ours, theirs)
    if comparator.jensen_shannon_divergence is not None:
        distance = distances.jensen_shannon(p, q, ours.rows, theirs.rows)
        limit = _limit(comparator, comparator.jensen_shannon_divergence, distance)
        yield _Measured("jensen_shannon_divergence", "Jensen-Shannon divergence", distance, limit, detail)
    if comparator.psi is not None:
        distance = distances.population_stability(p, q, ours.rows, theirs.rows)
        limit = _limit(comparator, comparator.psi, distance)
        yield _Measured("psi", "population stability index", distance, limit, detail)


def _measure_strings(
    comparator: FeatureComparator, now: FeatureStatistics, other: FeatureStatistics
) -> Iterator[_Measured]:
    assert now.partial.string is not None
    assert other.partial.string is not None
    ours, theirs = now.partial.string.frequencies, other.partial.string.frequencies
    shares = distances.ValueShares.of(ours, theirs)
    p, q, n, m = shares.now, shares.before, shares.rows_now, shares.rows_before
    if not n or not m:
        return
    largest, place = distances.infinity_norm(shares)
    value = shares.values[place]
    detail = f"the share of {value!r} went from {percent(q[place])} to {percent(p[place])}"
    if comparator.infinity_norm is not None:
        limit = _limit(comparator, comparator.infinity_norm, largest)
        yield _Measured("infinity_norm", "L-infinity distance", largest, limit, detail)
    if comparator.jensen_shannon_divergence is not None:
        distance = distances.jensen_shannon(p, q, n, m)
        limit = _limit(comparator, comparator.jensen_shannon_divergence, distance)
        yield _Measured("jensen_shannon_divergence", "Jensen-Shannon divergence", distance, limit, detail)
    if comparator.psi is not None:
        distance = distances.population_stability(p, q, n, m)
        limit = _limit(comparator, comparator.psi, distance)
        yield _Measured("psi", "population stability index", distance, limit, detail)
    if comparator.normalized_abs_difference is not None:
        distance, place = distances.normalized_abs_difference(shares)
        limit = _limit(comparator, comparator.normalized_abs_difference, distance)
        yield _Measured(
            "normalized_abs_difference",
            "normalised absolute difference of counts",
            distance,
            limit,
            f"most by {shares.values[place]!r}",
        )


def _limit(comparator: FeatureComparator, threshold: float, distance: Distance) -> float:
    return max(threshold, distance.noise) if comparator.allow_sampling_noise else threshold
