"""Turn what callers hand a model (polars, pandas, Arrow, NumPy, dicts, lists) into one frame or array.

Invariant: a missing value is null, whichever of None, NaN and NaT the source had. A column whose values are
of different kinds is refused with the row and the value, never silently made text.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
import polars.selectors as cs

from millrace.core.errors import ModelError


def as_frame(value: Any, names: Sequence[str] = ()) -> pl.DataFrame | np.ndarray[Any, Any]:
    """A frame; or, for nameless data while ``names`` is empty, the array itself.

    Takes a polars or pandas frame or series, an Arrow table, a NumPy array, a dict of columns (or of scalars:
    one row), a list of records, or a list of rows. Nameless data of the right width gets ``names`` by position.
    """
    if isinstance(value, pl.DataFrame):
        return value
    if isinstance(value, pl.Series):
        return value.to_frame()
    if (foreign := _from_loaded_library(value)) is not None:
        return foreign
    if isinstance(value, Mapping):
        return frame_of_columns(value)
    if isinstance(value, np.ndarray):
        return _named(value, names)
    if isinstance(value, list | tuple):
        if value and all(isinstance(row, Mapping) for row in value):
            return frame_of_records(value)
        return _frame_of_rows(value, names) if names else array_of(value)
    raise ModelError(
        f"a model cannot take {type(value).__name__} as its input",
        remedy="Pass a polars or pandas frame, a NumPy array, a dict of columns or a list of records.",
    )


def frame_of_columns(columns: Mapping[str, Any]) -> pl.DataFrame:
    """Columns by name; scalars make one row."""
    if columns and not any(isinstance(values, list | tuple | np.ndarray | pl.Series) for values in columns.values()):
        columns = {name: [value] for name, value in columns.items()}
    series = [column_of(str(name), values) for name, values in columns.items()]
    lengths = {column.name: len(column) for column in series}
    if len(set(lengths.values())) > 1:
        shown = ", ".join(f"{name!r}: {length}" for name, length in lengths.items())
        raise ModelError(f"the columns have different lengths ({shown})", remedy="Give every column one value a row.")
    return pl.DataFrame(series)


def frame_of_records(records: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    """One record a row; a key that a record lacks is a missing value there."""
    names = dict.fromkeys(name for record in records for name in record)
    return pl.DataFrame([column_of(str(name), [record.get(name) for record in records]) for name in names])


def frame_of_split(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> pl.DataFrame:
    """Column names beside rows of values, as pandas' orientation ``split``."""
    names = [str(name) for name in columns]
    if len(set(names)) < len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise ModelError(f"the column {twice[0]!r} is given twice", remedy="Give every column one name of its own.")
    for index, row in enumerate(rows):
        if not isinstance(row, list | tuple) or len(row) != len(names):
            found = f"{len(row)} values" if isinstance(row, list | tuple) else repr(row)
            raise ModelError(f"row {index} has {found} for {len(names)} columns", remedy="Give one value a column.")
    values = zip(*rows, strict=True) if rows else ([] for _ in names)
    return pl.DataFrame([column_of(name, list(column)) for name, column in zip(names, values, strict=True)])


def column_of(name: str, values: Any) -> pl.Series:
    """One column of the natural type of its values: numbers, booleans, text ..., never a mixture."""
    if isinstance(values, np.ndarray):
        return _nan_to_null(pl.Series(name, values if values.dtype.kind != "O" else values.tolist()))
    if isinstance(values, pl.Series):
        return values.alias(name)
    if not isinstance(values, list | tuple):
        raise ModelError(f"column {name!r} holds {values!r}, not a list of values", remedy="Give a list of values.")
    kinds = {_kind(value) for value in values} - {None}
    if len(kinds) > 1:
        raise _mixture(name, values)
    numeric = kinds == {"number"}
    dtype = pl.Float64 if numeric and any(isinstance(value, float) for value in values) else None
    if dtype is not None:  # in Python: on the few values of a request an expression engine costs more than it saves
        values = [None if value != value else value for value in values]  # noqa: PLR0124 - only NaN differs from itself
    try:
        return pl.Series(name, values, dtype=dtype, strict=not numeric)
    except (TypeError, OverflowError, pl.exceptions.PolarsError) as error:
        reason = str(error).splitlines()[0]
        raise ModelError(f"column {name!r} cannot be read: {reason}", remedy="Give values of one type.") from error


def array_of(values: Any) -> np.ndarray[Any, Any]:
    """An array of nested lists of one shape."""
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise ModelError("the rows have different lengths", remedy="Give every row the same shape.") from error
    if array.dtype.kind == "U" and any(not isinstance(item, str) for item in _leaves(values)):
        raise ModelError("the array mixes text and numbers", remedy="Give values of one type, or named columns.")
    return array


def _leaves(values: Any) -> Any:
    for value in values:
        if isinstance(value, list | tuple):
            yield from _leaves(value)
        else:
            yield value


def _named(array: np.ndarray[Any, Any], names: Sequence[str]) -> pl.DataFrame | np.ndarray[Any, Any]:
    if not names:
        return array
    rows = array.reshape(-1, 1) if array.ndim == 1 and len(names) == 1 else array
    if rows.ndim != 2 or rows.shape[1] != len(names):
        raise ModelError(
            f"the array has the shape {array.shape} for {len(names)} named columns",
            remedy=f"Give one column each for {', '.join(map(repr, names[:8]))}{', ...' if len(names) > 8 else ''}.",
        )
    return pl.DataFrame([column_of(name, rows[:, index]) for index, name in enumerate(names)])


def _frame_of_rows(rows: Sequence[Any], names: Sequence[str]) -> pl.DataFrame:
    if len(names) == 1 and not any(isinstance(row, list | tuple) for row in rows):
        return frame_of_split(names, [[row] for row in rows])
    return frame_of_split(names, rows)


def _from_loaded_library(value: Any) -> pl.DataFrame | None:
    """A pandas or Arrow object. Nobody can hold one unless its library is loaded, so none is imported here."""
    pandas, arrow = sys.modules.get("pandas"), sys.modules.get("pyarrow")
    if pandas is not None and isinstance(value, pandas.Series):
        value = value.to_frame()
    if pandas is not None and isinstance(value, pandas.DataFrame):
        frame = pl.from_pandas(value.rename(columns=str))
    elif arrow is not None and isinstance(value, arrow.Table):
        converted = pl.from_arrow(value)
        assert isinstance(converted, pl.DataFrame), "a table has columns"
        frame = converted
    else:
        return None
    return frame.with_columns(cs.float().fill_nan(None))


def _nan_to_null(column: pl.Series) -> pl.Series:
    return column.fill_nan(None) if column.dtype.is_float() else column


def _kind(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float | np.number):
        return "number"
    return "text" if isinstance(value, str) else type(value).__name__


def _mixture(name: str, values: Sequence[Any]) -> ModelError:
    first = next(value for value in values if value is not None)
    row, odd = next((i, v) for i, v in enumerate(values) if v is not None and _kind(v) != _kind(first))
    return ModelError(
        f"column {name!r} mixes {_kind(first)} and {_kind(odd)}: row {row} has {odd!r}",
        remedy="Give every row a value of one type, or null.",
    )
