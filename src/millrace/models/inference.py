"""Infer a signature from example data, with the types that MLflow would give the same columns.

Invariant: data that a signature was inferred from passes that signature's enforcement unchanged.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from millrace.core.errors import ModelError
from millrace.models.inputs import as_frame
from millrace.models.signature import ColumnSpec, ModelSignature, Schema, TensorSpec

_SHORT_INTEGERS = (pl.Int8, pl.Int16, pl.Int32, pl.UInt8, pl.UInt16)


def infer_signature(model_input: Any, predictions: Any = None) -> ModelSignature:
    """The signature of a frame (or array) and of what the model predicted for it.

    A column with missing values becomes optional; an integer column with missing values becomes ``double``,
    because MLflow's own readers hand it over as floating point.
    """
    inputs = _schema(model_input, nullable_integers=False)
    return ModelSignature(inputs, None if predictions is None else _schema(predictions, nullable_integers=False))


def _schema(data: Any, *, nullable_integers: bool) -> Schema:
    if isinstance(data, np.ndarray):
        if data.dtype.kind in "OUS":
            return Schema((_text_output(data),)) if data.ndim == 1 else _schema(as_frame(data), nullable_integers=True)
        return Schema((TensorSpec(data.dtype.name, (-1, *data.shape[1:])),))
    if isinstance(data, pl.Series):
        spec = _column(data, nullable_integers=nullable_integers)
        return Schema((ColumnSpec(spec.type, data.name or None, spec.required, spec.nested),))
    frame = as_frame(data)
    assert isinstance(frame, pl.DataFrame), "only arrays stay arrays"
    return Schema(tuple(_column(column, nullable_integers=nullable_integers) for column in frame))


def _text_output(data: np.ndarray[Any, Any]) -> ColumnSpec:
    required = not any(value is None for value in data.tolist())
    return ColumnSpec("string", None, required)


def _column(column: pl.Series, *, nullable_integers: bool) -> ColumnSpec:
    required = column.null_count() == 0
    if isinstance(column.dtype, pl.List | pl.Array):
        inner = _scalar_type(column.name, column.dtype.inner)
        return ColumnSpec("array", column.name, required, {"type": inner})
    kind = _scalar_type(column.name, column.dtype)
    if kind in {"integer", "long"} and not required and not nullable_integers:
        kind = "double"
    return ColumnSpec(kind, column.name, required)


def _scalar_type(name: str, dtype: Any) -> str:
    if dtype.is_integer():
        return "integer" if isinstance(dtype, _SHORT_INTEGERS) else "long"
    if dtype == pl.Float32:
        return "float"
    if dtype.is_float() or dtype.is_decimal():
        return "double"
    if isinstance(dtype, pl.String | pl.Categorical | pl.Enum | pl.Null):
        return "string"
    if isinstance(dtype, pl.Datetime | pl.Date):
        return "datetime"
    if isinstance(dtype, pl.Boolean | pl.Binary):
        return "boolean" if dtype == pl.Boolean else "binary"
    raise ModelError(
        f"column {name!r} has the type {dtype}, which a model signature cannot express",
        remedy="Cast it to a number, a string, a boolean, bytes or a datetime, or drop it.",
    )
