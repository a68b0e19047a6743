"""The mergeable half of statistics: what one shard tells of each column, and how two such tellings add up.

`DatasetPartial.of(frame)` looks at every cell once, with whole-column kernels. `merge` is associative up to the
error bounds of the sketches; where no sketch has overflowed it is exact. A column that one part lacks counts as
missing in all its rows.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

import attrs
import numpy as np
import polars as pl
from numpy.typing import NDArray

from millrace.core.errors import DataError
from millrace.data.stable_hash import hash_doubles, hash_strings, hash_values
from millrace.data.statistics.distinct_sketch import DistinctSketch
from millrace.data.statistics.frequency_sketch import FrequencySketch
from millrace.data.statistics.moments import Moments
from millrace.data.statistics.quantile_sketch import QuantileSketch

INT: Final = "INT"
FLOAT: Final = "FLOAT"
STRING: Final = "STRING"


@attrs.frozen
class Valency:
    """How many values the cells of a column hold: one each, except in list columns. Missing cells count apart."""

    num_non_missing: int = 0
    num_missing: int = 0
    min_num_values: int = 0
    max_num_values: int = 0
    tot_num_values: int = 0

    def merge(self, other: Valency) -> Valency:
        seen = [part for part in (self, other) if part.num_non_missing]
        return Valency(
            self.num_non_missing + other.num_non_missing,
            self.num_missing + other.num_missing,
            min((part.min_num_values for part in seen), default=0),
            max((part.max_num_values for part in seen), default=0),
            self.tot_num_values + other.tot_num_values,
        )


@attrs.frozen(eq=False)
class NumericPartial:
    moments: Moments
    quantiles: QuantileSketch
    num_zeros: int = 0
    num_nan: int = 0
    num_inf: int = 0

    @classmethod
    def of(cls, values: pl.Series) -> tuple[NumericPartial, DistinctSketch]:
        numbers = values.cast(pl.Float64).to_numpy()
        finite = numbers
        nans = infinities = 0
        if values.dtype.is_float():
            good = np.isfinite(numbers)
            if not good.all():
                nans = int(np.isnan(numbers).sum())
                finite = numbers[good]
                infinities = len(numbers) - len(finite) - nans
        distinct, counts = _runs(np.sort(finite))
        zeros = int(counts[distinct == 0].sum())
        hashes = hash_doubles(distinct)
        if values.dtype.is_integer() and len(distinct) and max(-distinct[0], distinct[-1]) > 2.0**53:
            hashes = hash_values(values.cast(pl.Int64).unique())  # doubles cannot tell these apart
        partial = cls(Moments.of(finite), QuantileSketch.of(distinct, counts), zeros, nans, infinities)
        return partial, DistinctSketch.of(hashes)

    def merge(self, other: NumericPartial) -> NumericPartial:
        return NumericPartial(
            self.moments.merge(other.moments),
            self.quantiles.merge(other.quantiles),
            self.num_zeros + other.num_zeros,
            self.num_nan + other.num_nan,
            self.num_inf + other.num_inf,
        )

    def to_json(self) -> dict[str, Any]:
        moments = attrs.asdict(self.moments)
        if not self.moments.count:
            moments["minimum"] = moments["maximum"] = None
        if math.isinf(self.moments.squares):  # overflowed; JSON has no infinity
            moments["squares"] = None
        return {
            "moments": moments,
            "quantiles": self.quantiles.to_json(),
            "num_zeros": self.num_zeros,
            "num_nan": self.num_nan,
            "num_inf": self.num_inf,
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> NumericPartial:
        figures = document["moments"]
        if figures["squares"] is None:
            figures = {**figures, "squares": math.inf}
        moments = Moments(**figures) if figures["count"] else Moments()
        return cls(
            moments,
            QuantileSketch.from_json(document["quantiles"]),
            document["num_zeros"],
            document["num_nan"],
            document["num_inf"],
        )


@attrs.frozen(eq=False)
class StringPartial:
    frequencies: FrequencySketch
    total_bytes: int = 0

    @classmethod
    def of(cls, values: pl.Series) -> tuple[StringPartial, DistinctSketch]:
        counted = values.rename("value").value_counts(name="count")
        total = int(values.str.len_bytes().sum())
        frequencies = FrequencySketch.of(counted["value"], counted["count"].to_numpy().astype(np.int64))
        return cls(frequencies, total), DistinctSketch.of(hash_strings(counted["value"].to_arrow()))

    def merge(self, other: StringPartial) -> StringPartial:
        return StringPartial(self.frequencies.merge(other.frequencies), self.total_bytes + other.total_bytes)

    def to_json(self) -> dict[str, Any]:
        return {"frequencies": self.frequencies.to_json(), "total_bytes": self.total_bytes}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> StringPartial:
        return cls(FrequencySketch.from_json(document["frequencies"]), document["total_bytes"])


@attrs.frozen(eq=False)
class FeaturePartial:
    """One column of one part of the data. `type` is INT, FLOAT or STRING; exactly one of the two halves is set."""

    name: str
    type: str
    valency: Valency
    distinct: DistinctSketch
    numeric: NumericPartial | None = None
    string: StringPartial | None = None

    @classmethod
    def of(cls, column: pl.Series) -> FeaturePartial:
        present = column.drop_nulls()
        missing = column.len() - present.len()
        if isinstance(column.dtype, pl.List):
            lengths = present.list.len()
            values = present.explode(empty_as_null=False).drop_nulls()
            valency = Valency(
                present.len(), missing, _as_int(lengths.min()), _as_int(lengths.max()), _as_int(lengths.sum())
            )
        else:
            values = present
            one = int(present.len() > 0)
            valency = Valency(present.len(), missing, one, one, present.len())
        if values.dtype in {pl.String, pl.Categorical, pl.Enum, pl.Null}:
            string, distinct = StringPartial.of(values.cast(pl.String))
            return cls(column.name, STRING, valency, distinct, string=string)
        if values.dtype == pl.Boolean:
            values = values.cast(pl.Int64)
        if not values.dtype.is_numeric():
            raise DataError(
                f"column {column.name!r} has the type {column.dtype}, of which no statistics can be made",
                remedy="Cast it to integers, floats or strings.",
            )
        numeric, distinct = NumericPartial.of(values)
        feature_type = INT if values.dtype.is_integer() else FLOAT
        return cls(column.name, feature_type, valency, distinct, numeric=numeric)

    def merge(self, other: FeaturePartial) -> FeaturePartial:
        """Integers and floats merge to floats. Strings and numbers do not, unless one side has no value at all."""
        valency = self.valency.merge(other.valency)
        if (self.numeric is None) != (other.numeric is None):
            if self.valency.num_non_missing and other.valency.num_non_missing:
                raise DataError(
                    f"column {self.name!r} holds {self.type} in one part and {other.type} in another",
                    remedy="Ingest all parts together, or give the column one type.",
                )
            return attrs.evolve(self if self.valency.num_non_missing else other, valency=valency)
        return FeaturePartial(
            self.name,
            self.type if self.type == other.type else FLOAT,
            valency,
            self.distinct.merge(other.distinct),
            self.numeric.merge(other.numeric) if self.numeric and other.numeric else None,
            self.string.merge(other.string) if self.string and other.string else None,
        )

    def with_missing(self, rows: int) -> FeaturePartial:
        return attrs.evolve(self, valency=self.valency.merge(Valency(num_missing=rows)))

    def to_json(self) -> dict[str, Any]:
        return {
            "valency": attrs.asdict(self.valency),
            "distinct": self.distinct.to_json(),
            "numeric": self.numeric and self.numeric.to_json(),
            "string": self.string and self.string.to_json(),
        }

    @classmethod
    def from_json(cls, name: str, feature_type: str, document: Mapping[str, Any]) -> FeaturePartial:
        return cls(
            name,
            feature_type,
            Valency(**document["valency"]),
            DistinctSketch.from_json(document["distinct"]),
            document["numeric"] and NumericPartial.from_json(document["numeric"]),
            document["string"] and StringPartial.from_json(document["string"]),
        )


@attrs.frozen(eq=False)
class DatasetPartial:
    """What one part of the data tells; columns in the order they were first seen."""

    rows: int
    features: Mapping[str, FeaturePartial]

    @classmethod
    def of(cls, frame: pl.DataFrame) -> DatasetPartial:
        return cls(frame.height, {column.name: FeaturePartial.of(column) for column in frame.iter_columns()})

    def merge(self, other: DatasetPartial) -> DatasetPartial:
        features = {}
        for name in [*self.features, *(name for name in other.features if name not in self.features)]:
            mine, theirs = self.features.get(name), other.features.get(name)
            if mine is not None and theirs is not None:
                features[name] = mine.merge(theirs)
            elif mine is not None:
                features[name] = mine.with_missing(other.rows)
            elif theirs is not None:
                features[name] = theirs.with_missing(self.rows)
        return DatasetPartial(self.rows + other.rows, features)


def _runs(ascending: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The distinct values of a sorted array and how often each occurs."""
    if not len(ascending):
        return ascending, np.empty(0, dtype=np.int64)
    first = np.flatnonzero(np.concatenate([[True], ascending[1:] != ascending[:-1]]))
    return ascending[first], np.diff(np.append(first, len(ascending)))


def _as_int(value: Any) -> int:
    return int(value or 0)
