"""How often each string occurs, and which occur most (Misra, Gries 1982; merging by Agarwal et al. 2012).

Exact up to `CAPACITY` distinct values. Beyond it the rarest are dropped and every count that is left is a lower
bound: too low by `error` rows at most, and `error` is at most the number of rows divided by `CAPACITY`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
import numpy as np
import polars as pl
from numpy.typing import NDArray

CAPACITY = 4096


@attrs.frozen(eq=False)
class FrequencySketch:
    """`values` by falling `counts`, equal counts in the order of the values."""

    values: pl.Series
    counts: NDArray[np.int64]
    error: int = 0

    @classmethod
    def of(cls, values: pl.Series, counts: NDArray[np.int64], error: int = 0) -> FrequencySketch:
        """From distinct strings and how often each occurs."""
        table = pl.DataFrame({"value": values, "count": counts}).sort(["count", "value"], descending=[True, False])
        kept, numbers = table["value"], table["count"].to_numpy().astype(np.int64)
        if len(numbers) > CAPACITY:
            threshold = int(numbers[CAPACITY])
            staying = int(np.searchsorted(-numbers, -threshold, side="left"))
            kept, numbers = kept.head(staying), numbers[:staying] - threshold
            error += threshold
        return cls(kept, numbers, error)

    def merge(self, other: FrequencySketch) -> FrequencySketch:
        both = pl.DataFrame(
            {
                "value": pl.concat([self.values, other.values]),
                "count": np.concatenate([self.counts, other.counts]),
            }
        )
        sums = both.group_by("value").agg(pl.col("count").sum())
        return self.of(sums["value"], sums["count"].to_numpy(), self.error + other.error)

    @classmethod
    def empty(cls) -> FrequencySketch:
        return cls(pl.Series("value", [], dtype=pl.String), np.empty(0, dtype=np.int64))

    @property
    def exact(self) -> bool:
        return self.error == 0

    def top(self, number: int) -> list[tuple[str, int]]:
        return list(zip(self.values.head(number).to_list(), self.counts[:number].tolist(), strict=True))

    def to_json(self) -> dict[str, Any]:
        return {"values": self.values.to_list(), "counts": self.counts.tolist(), "error": self.error}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> FrequencySketch:
        return cls(
            pl.Series("value", document["values"], dtype=pl.String),
            np.asarray(document["counts"], dtype=np.int64),
            document["error"],
        )
