"""Analyzers: what a transform has to know of all rows, as reductions that merge.

Each has `partial` (of one shard's column), `merge` and `finalize` (to a JSON value). Moments, counts and vocabularies
are exact; quantiles are exact up to 2,048 distinct values and then within the bound of the quantile sketch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray

from millrace.core.errors import DataError
from millrace.data.statistics.moments import Moments
from millrace.data.statistics.quantile_sketch import QuantileSketch
from millrace.data.transform.vectors import Vector

Value = dict[str, Any]


class Analyzer(Protocol):
    def partial(self, values: Vector) -> Any: ...

    def merge(self, left: Any, right: Any) -> Any: ...

    def finalize(self, partial: Any, params: Mapping[str, Any]) -> Value: ...


def _finite(values: Vector) -> NDArray[np.float64]:
    numbers = values.present().astype(np.float64)
    return numbers[np.isfinite(numbers)]


class MomentsAnalyzer:
    """Count, mean, variance, minimum and maximum of the finite values."""

    def partial(self, values: Vector) -> Moments:
        return Moments.of(_finite(values))

    def merge(self, left: Moments, right: Moments) -> Moments:
        return left.merge(right)

    def finalize(self, partial: Moments, params: Mapping[str, Any]) -> Value:
        del params
        _check_some(partial.count)
        return {
            "count": partial.count,
            "mean": partial.mean,
            "variance": partial.variance,
            "minimum": partial.minimum,
            "maximum": partial.maximum,
        }


class QuantilesAnalyzer:
    """The boundaries between buckets of about equal share; equal boundaries are kept, so their number is fixed."""

    def partial(self, values: Vector) -> QuantileSketch:
        distinct, counts = np.unique(_finite(values), return_counts=True)
        return QuantileSketch.of(distinct, counts.astype(np.int64))

    def merge(self, left: QuantileSketch, right: QuantileSketch) -> QuantileSketch:
        return left.merge(right)

    def finalize(self, partial: QuantileSketch, params: Mapping[str, Any]) -> Value:
        _check_some(partial.rows)
        buckets = int(params["num_buckets"])
        boundaries = partial.quantiles(np.arange(1, buckets) / buckets)
        return {"boundaries": boundaries.tolist(), "rank_error": partial.rank_error}


class MedianAnalyzer(QuantilesAnalyzer):
    def finalize(self, partial: QuantileSketch, params: Mapping[str, Any]) -> Value:
        del params
        _check_some(partial.rows)
        return {"median": partial.median(), "rank_error": partial.rank_error}


class VocabularyAnalyzer:
    """All values by falling count, equal counts by value. The counts are exact: memory grows with distinct values."""

    def partial(self, values: Vector) -> pl.DataFrame:
        present = values.present()
        if values.categories is not None:
            counts = np.bincount(present, minlength=len(values.categories))
            table = pl.DataFrame({"value": values.categories, "count": counts.astype(np.int64)})
            # Two categories may be one value by now, after lower() for instance; some may not occur.
            return table.filter(pl.col("count") > 0).group_by("value").agg(pl.col("count").sum())
        distinct, counts = np.unique(present, return_counts=True)
        return pl.DataFrame({"value": distinct, "count": counts.astype(np.int64)})

    def merge(self, left: pl.DataFrame, right: pl.DataFrame) -> pl.DataFrame:
        return pl.concat([left, right]).group_by("value").agg(pl.col("count").sum())

    def finalize(self, partial: pl.DataFrame, params: Mapping[str, Any]) -> Value:
        ordered = partial.filter(pl.col("count") >= params["frequency_threshold"]).sort(
            ["count", "value"], descending=[True, False]
        )
        if params["top_k"] is not None:
            ordered = ordered.head(params["top_k"])
        return {"values": ordered["value"].to_list()}


class ModeAnalyzer(VocabularyAnalyzer):
    """The most frequent value; of several the smallest."""

    def finalize(self, partial: pl.DataFrame, params: Mapping[str, Any]) -> Value:
        del params
        _check_some(partial.height)
        return {"mode": partial.sort(["count", "value"], descending=[True, False])["value"][0]}


def _check_some(rows: int) -> None:
    if not rows:
        raise DataError(
            "has no value in the analysed rows, so nothing can be learned from it",
            remedy="Leave the column out, or analyse a split that has values in it.",
        )


ANALYZERS: Mapping[str, Analyzer] = {
    "moments": MomentsAnalyzer(),
    "quantiles": QuantilesAnalyzer(),
    "median": MedianAnalyzer(),
    "vocabulary": VocabularyAnalyzer(),
    "mode": ModeAnalyzer(),
}
