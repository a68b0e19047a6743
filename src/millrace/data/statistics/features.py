"""Finished statistics, in the fields and words of TensorFlow Data Validation, derived from mergeable partials.

A `FeatureStatistics` keeps the partial it came from, so any number of saved statistics merge later without the
data. Fractions and counts are over rows; `num_values` speaks of the values in a cell, which is 1 but for lists.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence

import attrs
import numpy as np

from millrace.core.errors import DataError, NotFoundError
from millrace.data.statistics.partials import DatasetPartial, FeaturePartial, NumericPartial, StringPartial

HISTOGRAM_BUCKETS = 10
TOP_VALUES = 20
RANK_BUCKETS = 1000


@attrs.frozen
class Bucket:
    """Rows whose value lies in [low, high); the last bucket of a histogram includes `high`."""

    low: float
    high: float
    count: float


@attrs.frozen
class NumericStatistics:
    """Over finite values; NaN and infinities are counted apart. `std_dev` is the population's.

    `rank_error` bounds by how many rows the median and the histograms may be off; 0 means exact.
    """

    mean: float
    std_dev: float
    num_zeros: int
    min: float | None
    median: float | None
    max: float | None
    num_nan: int
    num_inf: int
    rank_error: int
    standard_histogram: tuple[Bucket, ...]
    quantile_histogram: tuple[Bucket, ...]


@attrs.frozen
class StringStatistics:
    """`top_values` by falling count; each count is too low by `count_error` at most. Lengths are in bytes."""

    top_values: tuple[tuple[str, int], ...]
    avg_length: float
    rank_histogram: tuple[int, ...]
    count_error: int


@attrs.frozen(eq=False)
class FeatureStatistics:
    """One column's statistics. `unique` is exact when `unique_exact`, else within about 2 %."""

    name: str
    type: str
    num_non_missing: int
    num_missing: int
    min_num_values: int
    max_num_values: int
    avg_num_values: float
    tot_num_values: int
    unique: int
    unique_exact: bool
    numeric: NumericStatistics | None
    string: StringStatistics | None
    partial: FeaturePartial = attrs.field(repr=False)

    @property
    def num_rows(self) -> int:
        return self.num_non_missing + self.num_missing

    @property
    def fraction_present(self) -> float:
        return self.num_non_missing / self.num_rows if self.num_rows else 0.0

    @classmethod
    def of(cls, partial: FeaturePartial) -> FeatureStatistics:
        valency = partial.valency
        present = valency.num_non_missing
        return cls(
            name=partial.name,
            type=partial.type,
            num_non_missing=present,
            num_missing=valency.num_missing,
            min_num_values=valency.min_num_values,
            max_num_values=valency.max_num_values,
            avg_num_values=valency.tot_num_values / present if present else 0.0,
            tot_num_values=valency.tot_num_values,
            unique=partial.distinct.count(),
            unique_exact=partial.distinct.exact,
            numeric=_numeric(partial.numeric) if partial.numeric else None,
            string=_string(partial.string, valency.tot_num_values) if partial.string else None,
            partial=partial,
        )


@attrs.frozen(eq=False, slots=False)  # a cached property needs a dictionary
class DatasetStatistics:
    """The statistics of one split, or of any other set of rows."""

    num_examples: int
    features: tuple[FeatureStatistics, ...]
    partial: DatasetPartial = attrs.field(repr=False)

    @classmethod
    def of(cls, partial: DatasetPartial) -> DatasetStatistics:
        return cls(partial.rows, tuple(FeatureStatistics.of(one) for one in partial.features.values()), partial)

    @property
    def feature_names(self) -> list[str]:
        return [feature.name for feature in self.features]

    @functools.cached_property
    def _by_name(self) -> dict[str, FeatureStatistics]:
        return {feature.name: feature for feature in self.features}

    def feature(self, name: str) -> FeatureStatistics:
        """Raises `NotFoundError`, with near names, where there is none."""
        found = self.get(name)
        if found is None:
            raise NotFoundError("column", name, self.feature_names)
        return found

    def get(self, name: str) -> FeatureStatistics | None:
        return self._by_name.get(name)


def merge_statistics(parts: Iterable[DatasetStatistics]) -> DatasetStatistics:
    """The statistics of all rows of the parts together, without reading any row again."""
    partials = [part.partial for part in parts]
    if not partials:
        raise DataError("there are no statistics to merge", remedy="Give at least one.")
    merged = partials[0]
    for partial in partials[1:]:
        merged = merged.merge(partial)
    return DatasetStatistics.of(merged)


def _numeric(partial: NumericPartial) -> NumericStatistics:
    moments = partial.moments
    some = moments.count > 0
    return NumericStatistics(
        mean=moments.mean,
        std_dev=moments.std_dev,
        num_zeros=partial.num_zeros,
        min=moments.minimum if some else None,
        median=partial.quantiles.median() if some else None,
        max=moments.maximum if some else None,
        num_nan=partial.num_nan,
        num_inf=partial.num_inf,
        rank_error=partial.quantiles.rank_error,
        standard_histogram=_standard_histogram(partial) if some else (),
        quantile_histogram=_quantile_histogram(partial) if some else (),
    )


def _standard_histogram(partial: NumericPartial) -> tuple[Bucket, ...]:
    values, weights = partial.quantiles.points
    low, high = partial.moments.minimum, partial.moments.maximum
    if low == high:
        return (Bucket(low, high, int(weights.sum())),)
    # Weighted ends, not steps from one end: the distance of two huge numbers may be no number.
    share = np.arange(HISTOGRAM_BUCKETS + 1) / HISTOGRAM_BUCKETS
    edges = np.maximum.accumulate(low * (1 - share) + high * share)
    place = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, HISTOGRAM_BUCKETS - 1)
    counts = np.bincount(place, weights=weights, minlength=HISTOGRAM_BUCKETS)
    return _buckets(edges, counts)


def _quantile_histogram(partial: NumericPartial) -> tuple[Bucket, ...]:
    edges = partial.quantiles.quantiles(np.arange(HISTOGRAM_BUCKETS + 1) / HISTOGRAM_BUCKETS)
    edges[0], edges[-1] = partial.moments.minimum, partial.moments.maximum
    return _buckets(edges, np.full(HISTOGRAM_BUCKETS, partial.moments.count / HISTOGRAM_BUCKETS))


def _buckets(edges: Sequence[float] | np.ndarray, counts: np.ndarray) -> tuple[Bucket, ...]:
    return tuple(
        Bucket(float(low), float(high), float(count))
        for low, high, count in zip(edges[:-1], edges[1:], counts, strict=True)
    )


def _string(partial: StringPartial, values: int) -> StringStatistics:
    return StringStatistics(
        top_values=tuple(partial.frequencies.top(TOP_VALUES)),
        avg_length=partial.total_bytes / values if values else 0.0,
        rank_histogram=tuple(partial.frequencies.counts[:RANK_BUCKETS].tolist()),
        count_error=partial.frequencies.error,
    )
