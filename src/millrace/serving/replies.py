"""Bodies of the scoring server's answers: ``{"predictions": ...}`` and MLflow's error object."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
import orjson
import polars as pl

from millrace.core.errors import MillraceError

_ERROR_CODES: Mapping[int, str] = {
    400: "BAD_REQUEST",
    404: "ENDPOINT_NOT_FOUND",
    405: "BAD_REQUEST",
    415: "BAD_REQUEST",
    500: "INTERNAL_ERROR",
    503: "TEMPORARILY_UNAVAILABLE",
}


def predictions_body(predictions: Any) -> bytes:
    """JSON of arrays, frames (as records), series, lists and dicts. What is not a finite number becomes null."""
    return orjson.dumps({"predictions": _plain(predictions)}, default=_plain, option=orjson.OPT_SERIALIZE_NUMPY)


def error_body(message: str, status: int) -> bytes:
    return orjson.dumps({"error_code": _ERROR_CODES.get(status, "INTERNAL_ERROR"), "message": message})


def error_message(error: MillraceError) -> str:
    """The message and the remedy on one line, without paths of the server."""
    return f"{error.message}. {error.remedy}" if error.remedy else error.message


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        native = value.dtype.kind in "biuf" and value.dtype.isnative and value.dtype.itemsize <= 8
        return np.ascontiguousarray(value) if native else value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, pl.DataFrame):
        return value.to_dicts()
    if isinstance(value, pl.Series):
        return value.to_list()
    pandas = sys.modules.get("pandas")  # a model that answers in pandas has loaded it
    if pandas is not None and isinstance(value, pandas.DataFrame):
        return value.to_dict(orient="records")
    if pandas is not None and isinstance(value, pandas.Series):
        return value.tolist()
    if isinstance(value, str | int | float | list | tuple | dict | type(None)):
        return value
    raise TypeError(f"a {type(value).__name__} cannot be sent as JSON")
