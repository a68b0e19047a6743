"""The values that kernels compute with: NumPy arrays with a mask of missing cells; strings are dictionary-encoded.

A string function thus runs once for each distinct value, not for each row. One representation serves a million rows
and a single one, so a data set and a request go through the same code, and a row costs microseconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs
import numpy as np
import polars as pl
from numpy.typing import NDArray

from millrace.core.errors import DataError
from millrace.data.column_types import parse
from millrace.data.manifest import FLOAT, INT, POLARS_TYPES, STRING, Column

Mask = NDArray[np.bool_]
_FEW = 32
_NUMPY = {INT: np.int64, FLOAT: np.float64}
_PLAIN: Mapping[str, set[type]] = {
    INT: {int, type(None)},
    FLOAT: {int, float, type(None)},
    STRING: {str, type(None)},
}


@attrs.define(eq=False)
class Vector:
    """`data` holds numbers, or with `categories` their places in it; a 0-dimensional array stands for all rows.

    `missing` is None where nothing is missing; what `data` holds under the mask means nothing.
    """

    data: NDArray[Any]
    missing: Mask | None = None
    categories: list[str] | None = None

    def stretched(self, rows: int) -> Vector:
        """With one entry for each row, if it was one for all."""
        if self.data.ndim:
            return self
        missing = None if self.missing is None else np.broadcast_to(self.missing, rows)
        return Vector(np.broadcast_to(self.data, rows), missing, self.categories)

    def present(self) -> NDArray[Any]:
        return self.data if self.missing is None else self.data[~self.missing]


def vector_of_series(values: pl.Series, column: Column) -> Vector:
    """A series as the type that the transform was fitted on, or `DataError` with the first cell that does not fit."""
    wanted = POLARS_TYPES[column.type]
    if values.dtype != wanted:
        values = _cast(values, column, wanted)
    if len(values) <= _FEW:
        return _of_few(values.to_list(), column)
    nulls = values.null_count()
    missing = values.is_null().to_numpy() if nulls else None
    if column.type == STRING:
        return _encode(values, missing)
    filled = values.fill_null(0) if nulls else values
    return Vector(filled.to_numpy(), missing)


def _cast(values: pl.Series, column: Column, wanted: pl.DataType) -> pl.Series:
    if not (values.dtype.is_numeric() or values.dtype in {pl.String, pl.Boolean, pl.Null, pl.Categorical, pl.Enum}):
        raise DataError(
            f"column {column.name!r} holds {values.dtype}, the transform takes {column.type}",
            remedy="Give the column in the type that the transform was fitted on.",
        )
    try:
        text = values.dtype == pl.String
        cast = parse(values, column.type) if text else values.cast(wanted, strict=False)
    except pl.exceptions.PolarsError as error:
        raise DataError(f"column {column.name!r} holds {values.dtype}, the transform takes {column.type}") from error
    bad = values.is_not_null() & cast.is_null()
    if values.dtype.is_float() and column.type == INT:
        bad |= (cast.cast(pl.Float64) != values.cast(pl.Float64)).fill_null(value=False)
    if bad.any():
        row = int(bad.arg_max() or 0)
        raise DataError(
            f"column {column.name!r}, row {row + 1}: {values[row]!r} is no {column.type}",
            remedy="Give the column in the type that the transform was fitted on.",
        )
    return cast


def _of_few(values: Sequence[Any], column: Column) -> Vector:
    """Values of the column's own type; for a handful of rows plain lists are faster than whole-column kernels."""
    missing = np.array([value is None for value in values], dtype=np.bool_) if None in values else None
    if column.type == STRING:
        places: dict[str, int] = {}
        codes = [places.setdefault(value or "", len(places)) for value in values]
        return Vector(np.array(codes, dtype=np.int64), missing, list(places) or [""])
    return Vector(np.array([value or 0 for value in values], dtype=_NUMPY[column.type]), missing)


def _encode(values: pl.Series, missing: Mask | None) -> Vector:
    # By Polars where it can be: pyarrow's fill_null and to_numpy import pandas where it is installed.
    encoded = (values if missing is None else values.fill_null("")).to_arrow().dictionary_encode()
    indices = pl.Series(pl.from_arrow(encoded.indices)).to_numpy().astype(np.int64)
    return Vector(indices, missing, encoded.dictionary.to_pylist() or [""])


def vector_of_values(values: Sequence[Any] | NDArray[Any], column: Column) -> Vector:
    """Plain Python values (None is missing) or an array; the fast way for the few rows of a request."""
    if isinstance(values, np.ndarray) and values.dtype.kind in "fiub":
        return _of_array(values, column)
    plain: Sequence[Any] = values.tolist() if isinstance(values, np.ndarray) else values
    if len(plain) <= _FEW and {type(value) for value in plain} <= _PLAIN[column.type]:
        try:
            return _of_few(plain, column)
        except OverflowError as error:
            raise DataError(f"column {column.name!r} holds an integer beyond 64 bits") from error
    try:
        series = pl.Series(column.name, plain, strict=True)
    except (TypeError, pl.exceptions.PolarsError):
        try:  # integers among floats
            series = pl.Series(column.name, plain, dtype=POLARS_TYPES[column.type], strict=True)
        except (TypeError, OverflowError, pl.exceptions.PolarsError) as error:
            raise DataError(
                f"column {column.name!r} holds values that are no {column.type}",
                remedy="Give the column in the type that the transform was fitted on.",
            ) from error
    return vector_of_series(series, column)


def _of_array(values: NDArray[Any], column: Column) -> Vector:
    if column.type == FLOAT:
        return Vector(values.astype(np.float64, copy=False))
    if column.type == INT and values.dtype.kind in "iub":
        return Vector(values.astype(np.int64, copy=False))
    return vector_of_series(pl.Series(column.name, values), column)


def series_of_vector(name: str, vector: Vector) -> pl.Series:
    """A series of Int64, Float64 or String; booleans become 0 and 1."""
    if len(vector.data) <= _FEW:
        return _series_of_few(name, vector)
    # Not by way of pyarrow.array, which imports pandas, where it is installed, to look at a NumPy array.
    if vector.categories is not None:
        series = pl.Series(name, vector.categories, dtype=pl.String).gather(pl.Series(vector.data))
    elif vector.data.dtype.kind in "bu":
        series = pl.Series(name, vector.data.astype(np.int64))
    else:
        series = pl.Series(name, np.ascontiguousarray(vector.data))
    if vector.missing is None or not vector.missing.any():
        return series
    return series.set(pl.Series(np.ascontiguousarray(vector.missing)), None)


def _series_of_few(name: str, vector: Vector) -> pl.Series:
    values = vector.data.tolist()
    kind: pl.DataType = pl.Float64() if vector.data.dtype.kind == "f" else pl.Int64()
    if vector.categories is not None:
        kind = pl.String()
        values = [vector.categories[code] for code in values]
    if vector.missing is not None:
        values = [None if gone else value for value, gone in zip(values, vector.missing.tolist(), strict=True)]
    return pl.Series(name, values, dtype=kind, strict=False)


def array_of_vector(vector: Vector) -> NDArray[Any]:
    """Numbers as float64 or int64, NaN where missing (then float64); strings as objects, None where missing."""
    some = vector.missing is not None and bool(vector.missing.any())
    if vector.categories is not None:
        text: NDArray[Any] = np.array(vector.categories, dtype=object)[vector.data]
        if some:
            text[vector.missing] = None
        return text
    data = vector.data.astype(np.int64) if vector.data.dtype.kind in "bu" else vector.data
    if some:
        data = data.astype(np.float64)
        data[vector.missing] = np.nan
    return data
