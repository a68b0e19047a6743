"""Make a request fit the signature, or say which column and which value does not.

Casts are safe only: a value is changed in type, never in meaning. Columns that the signature does not name
are dropped; optional ones that are missing come back as nulls, so what follows sees every column.
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any, NoReturn

import numpy as np
import polars as pl

from millrace.core.errors import ModelError, did_you_mean
from millrace.models.inputs import array_of, as_frame
from millrace.models.signature import ColumnSpec, ModelSignature, Schema, TensorSpec

POLARS_TYPES: Mapping[str, Any] = {
    "boolean": pl.Boolean(),
    "integer": pl.Int32(),
    "long": pl.Int64(),
    "float": pl.Float32(),
    "double": pl.Float64(),
    "string": pl.String(),
    "binary": pl.Binary(),
    "datetime": pl.Datetime("us"),
}
_CANNOT_BE_MISSING = ("boolean", "integer", "long")

ModelInput = pl.DataFrame | np.ndarray[Any, Any] | dict[str, np.ndarray[Any, Any]]


def enforce_signature(value: Any, signature: ModelSignature | None) -> ModelInput:
    """The input as the model wants it: a frame in the signature's order, an array, or named arrays."""
    inputs = None if signature is None else signature.inputs
    if inputs is None:
        return as_frame(value)
    if inputs.tensors:
        return _tensors(value, inputs)
    names = inputs.names
    frame = as_frame(value, names)
    if isinstance(frame, np.ndarray):  # unnamed columns: by position
        frame = as_frame(frame, [f"column_{index}" for index in range(len(inputs.specs))])
        assert isinstance(frame, pl.DataFrame), "named data is a frame"
    return enforce_columns(frame, inputs)


def enforce_columns(frame: pl.DataFrame, schema: Schema) -> pl.DataFrame:
    """The columns of ``schema``, in its order and types. Raises ``ModelError`` naming every missing column."""
    if not schema.names:
        return frame
    missing = [spec.name for spec in schema.columns if spec.required and spec.name not in frame.columns]
    if missing:
        surplus = [name for name in frame.columns if name not in schema.names]
        shown = ", ".join(repr(name) for name in missing[:10]) + (", ..." if len(missing) > 10 else "")
        near = did_you_mean(str(missing[0]), surplus) if surplus else None
        raise ModelError(
            f"{'columns' if len(missing) > 1 else 'the column'} {shown} "
            f"{'are' if len(missing) > 1 else 'is'} missing ({len(missing)} of {len(schema.names)})",
            remedy=near or f"The model takes: {', '.join(map(repr, schema.names[:10]))}.",
        )
    columns = []
    for spec in schema.columns:
        assert spec.name is not None, "schema.names holds them all"
        absent = spec.name not in frame.columns
        empty = pl.Series(spec.name, [None] * frame.height, dtype=POLARS_TYPES.get(spec.type))
        columns.append(empty if absent else cast_column(frame[spec.name], spec))
    return pl.DataFrame(columns)


def cast_column(column: pl.Series, spec: ColumnSpec) -> pl.Series:
    """``column`` in the type of ``spec``. Raises ``ModelError`` with the first value that does not fit."""
    if column.dtype == pl.Null and spec.type in POLARS_TYPES:
        column = column.cast(POLARS_TYPES[spec.type])
    if column.dtype != POLARS_TYPES.get(spec.type):  # the same already is usual, and each expression costs 0.1 ms
        column = _CASTS.get(spec.type, _same)(column, spec)
    if spec.required and spec.type in _CANNOT_BE_MISSING and column.null_count():
        row = column.is_null().arg_max()
        raise ModelError(
            f"column {column.name!r} has no value in row {row}; a required {spec.type} cannot be missing",
            remedy="Send a value, or save the model with a signature in which the column is optional.",
        )
    return column


def _integral(column: pl.Series, spec: ColumnSpec) -> pl.Series:
    if column.dtype.is_float():
        column = column.fill_nan(None)
        _refuse(column, spec, column.is_finite().not_() | (column != column.round(0)))
    elif not column.dtype.is_integer():
        _refuse(column, spec, column.is_not_null())
    cast = column.cast(POLARS_TYPES[spec.type], strict=False)
    _refuse(column, spec, cast.is_null() & column.is_not_null())
    return cast


def _floating(column: pl.Series, spec: ColumnSpec) -> pl.Series:
    if not column.dtype.is_numeric():
        _refuse(column, spec, column.is_not_null())
    cast = column.cast(POLARS_TYPES[spec.type], strict=False)
    if column.dtype.is_float():  # beyond the range of float32
        _refuse(column, spec, cast.is_infinite() & column.is_finite())
    return cast


def _datetime(column: pl.Series, spec: ColumnSpec) -> pl.Series:
    if column.dtype == pl.String:
        column = pl.Series(
            column.name, list(map(partial(_instant, column, spec), range(len(column)))), pl.Datetime("us")
        )
    elif column.dtype == pl.Date:
        column = column.cast(pl.Datetime("us"))
    elif column.dtype != pl.Datetime:
        _refuse(column, spec, column.is_not_null())
    if isinstance(column.dtype, pl.Datetime) and column.dtype.time_zone is not None:
        column = column.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    return column.cast(pl.Datetime("us"))


def _instant(column: pl.Series, spec: ColumnSpec, row: int) -> datetime | None:
    """ISO 8601, the only spelling JSON and CSV agree on; one with an offset is converted to UTC."""
    if (text := column[row]) is None:
        return None
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        _refuse_row(column, spec, row)
    return instant if instant.tzinfo is None else instant.astimezone(UTC).replace(tzinfo=None)


def _binary(column: pl.Series, spec: ColumnSpec) -> pl.Series:
    """JSON has no bytes: there they travel as base64."""
    if column.dtype != pl.String:
        _refuse(column, spec, column.is_not_null())
    decoded: list[bytes | None] = []
    for row, text in enumerate(column):
        try:
            decoded.append(None if text is None else b64decode(text, validate=True))
        except (binascii.Error, ValueError):
            _refuse_row(column, spec, row)
    return pl.Series(column.name, decoded, dtype=pl.Binary)


def _array(column: pl.Series, spec: ColumnSpec) -> pl.Series:
    element = spec.nested.get("type") if isinstance(spec.nested, dict) else None
    if not isinstance(column.dtype, pl.List | pl.Array):
        _refuse(column, spec, column.is_not_null())
    return column.cast(pl.List(POLARS_TYPES[str(element)])) if element in POLARS_TYPES else column


def _text(column: pl.Series, spec: ColumnSpec) -> pl.Series:
    if not isinstance(column.dtype, pl.Categorical | pl.Enum):
        _refuse(column, spec, column.is_not_null())
    return column.cast(pl.String)


def _boolean(column: pl.Series, spec: ColumnSpec) -> pl.Series:
    _refuse(column, spec, column.is_not_null())
    return column.cast(pl.Boolean)


def _same(column: pl.Series, _spec: ColumnSpec) -> pl.Series:
    """Objects, maps and the type `any` are the model's own business."""
    return column


_CASTS: Mapping[str, Callable[[pl.Series, ColumnSpec], pl.Series]] = {
    "boolean": _boolean,
    "integer": _integral,
    "long": _integral,
    "float": _floating,
    "double": _floating,
    "string": _text,
    "binary": _binary,
    "datetime": _datetime,
    "array": _array,
}


def _refuse(column: pl.Series, spec: ColumnSpec, bad: pl.Series) -> None:
    """Raise for the first row where ``bad`` holds; nulls in ``bad`` do not count."""
    if bad.fill_null(value=False).any():
        _refuse_row(column, spec, int(bad.fill_null(value=False).arg_max() or 0))


def _refuse_row(column: pl.Series, spec: ColumnSpec, row: int) -> NoReturn:
    raise ModelError(
        f"column {column.name!r} takes {spec.type}, but row {row} has {column[row]!r} ({column.dtype})",
        remedy=f"Send values of type {spec.type} for {column.name!r}.",
    )


def _tensors(value: Any, schema: Schema) -> np.ndarray[Any, Any] | dict[str, np.ndarray[Any, Any]]:
    if not schema.names:
        return _tensor(value, schema.tensors[0])
    if isinstance(value, list) and value and all(isinstance(row, Mapping) for row in value):
        value = {name: [row.get(name) for row in value] for name in value[0]}
    if not isinstance(value, Mapping):
        raise ModelError("the model takes named arrays", remedy=f"Send an object with {', '.join(schema.names)}.")
    if missing := [name for name in schema.names if name not in value]:
        raise ModelError(f"the array {missing[0]!r} is missing", remedy=did_you_mean(missing[0], value))
    return {str(spec.name): _tensor(value[str(spec.name)], spec) for spec in schema.tensors}


def _tensor(value: Any, spec: TensorSpec) -> np.ndarray[Any, Any]:
    frame = value if isinstance(value, np.ndarray | list | tuple) else as_frame(value)
    array = frame.to_numpy() if isinstance(frame, pl.DataFrame) else array_of(frame)
    wanted = np.dtype(spec.dtype)
    where = f"the array {spec.name!r}" if spec.name else "the array"
    # lists hold int64 and float64 whatever was meant: within a kind the narrower type is the caller's wish
    if array.size and not (np.can_cast(array.dtype, wanted, casting="same_kind")):
        raise ModelError(f"{where} is {array.dtype.name}; the model takes {wanted.name}", remedy="Convert it first.")
    fits = len(array.shape) == len(spec.shape) and all(
        want in {-1, have} for want, have in zip(spec.shape, array.shape, strict=True)
    )
    if not fits:
        raise ModelError(
            f"{where} has the shape {array.shape}; the model takes {spec.shape}", remedy="-1 stands for any length."
        )
    return array.astype(wanted)
