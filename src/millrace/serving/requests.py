"""Read the body of ``POST /invocations`` as MLflow's scoring server does: JSON, CSV or Parquet.

Invariant: what comes out is ready for ``LoadedModel.predict``; anything else raised ``ModelError`` (400) or
``UnsupportedMediaType`` (415) with the row, column or key at fault.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from email.message import Message
from typing import Any

import attrs
import orjson
import polars as pl

from millrace.core.errors import ModelError
from millrace.models import ModelSignature
from millrace.models.inputs import frame_of_records, frame_of_split

JSON, CSV, PARQUET = "application/json", "text/csv", "application/vnd.apache.parquet"
FORMATS = ("dataframe_split", "dataframe_records", "instances", "inputs")
_TRUE, _FALSE = ("true", "True", "TRUE", "1"), ("false", "False", "FALSE", "0")


class UnsupportedMediaType(ModelError):
    http_status = 415


@attrs.frozen
class Invocation:
    """One request: the model's input and its inference parameters."""

    model_input: Any
    params: Mapping[str, Any] | None = None


def read_invocation(body: bytes, content_type: str | None, signature: ModelSignature | None) -> Invocation:
    """The request in ``body``. The signature tells CSV cells' types and names nameless JSON rows."""
    media_type = _media_type(content_type)
    if media_type == JSON:
        return _json_invocation(body)
    try:
        if media_type == CSV:
            return Invocation(_csv_frame(body, signature))
        return Invocation(pl.read_parquet(io.BytesIO(body)))
    except pl.exceptions.PolarsError as error:
        reason = str(error).splitlines()[0]
        raise ModelError(
            f"the body is not {'CSV with a header' if media_type == CSV else 'a Parquet file'}: {reason}",
            remedy="Send what a data frame's to_csv or to_parquet writes.",
        ) from error


def _media_type(content_type: str | None) -> str:
    message = Message()
    message["content-type"] = content_type or ""
    media_type = message.get_content_type() if content_type else "none"
    params = dict(message.get_params(failobj=[])[1:]) if content_type else {}
    charset = params.pop("charset", "utf-8")
    if charset.lower() not in {"utf-8", "utf8"}:
        raise UnsupportedMediaType(f"the charset {charset} is not supported", remedy="Send UTF-8.")
    if params:
        raise UnsupportedMediaType(
            f"the content type has the unknown parameters {', '.join(params)}", remedy="Send only charset=utf-8."
        )
    if media_type not in {JSON, CSV, PARQUET}:
        raise UnsupportedMediaType(
            f"the content type {content_type!r} is not supported", remedy=f"Send one of {JSON}, {CSV}, {PARQUET}."
        )
    return media_type


def _json_invocation(body: bytes) -> Invocation:
    document = _parse_json(body)
    if not isinstance(document, dict):
        raise ModelError(
            f"the body is a JSON {type(document).__name__}, not an object",
            remedy=f"Send an object with exactly one of {', '.join(FORMATS)}.",
        )
    given = [name for name in FORMATS if name in document]
    if len(given) != 1:
        found = ", ".join(map(repr, document)) or "nothing"
        raise ModelError(
            f"the body must have exactly one of {', '.join(FORMATS)}; it has {found}", remedy="Send one of them."
        )
    params = document.get("params")
    if params is not None and not isinstance(params, dict):
        raise ModelError("`params` is not an object", remedy='Send {"params": {"name": value}}.')
    data = document[given[0]]
    if given[0] == "dataframe_split":
        return Invocation(_split_frame(data), params)
    if given[0] == "dataframe_records":
        if not isinstance(data, list) or not all(isinstance(record, dict) for record in data):
            raise ModelError("`dataframe_records` is not a list of objects", remedy='Send [{"column": value}, ...].')
        return Invocation(frame_of_records(data), params)
    if not isinstance(data, list | dict):
        raise ModelError(f"`{given[0]}` is neither a list nor an object", remedy="Send rows, or columns by name.")
    return Invocation(data, params)


def _parse_json(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as strict:
        # MLflow's own client writes a missing number as NaN, which only the standard library reads
        try:
            return json.loads(body)
        except (ValueError, RecursionError):
            raise ModelError(f"the body is not JSON: {strict}", remedy="Send valid JSON in UTF-8.") from strict


def _split_frame(data: Any) -> pl.DataFrame:
    shape = '{"columns": [names], "data": [[values of a row], ...]}'
    if not isinstance(data, dict) or not isinstance(data.get("data"), list):
        raise ModelError("`dataframe_split` has no `data` list", remedy=f"Send {shape}.")
    if not isinstance(data.get("columns"), list):
        raise ModelError("`dataframe_split` has no `columns` list", remedy=f"Send {shape}.")
    return frame_of_split(data["columns"], data["data"])


def _csv_frame(body: bytes, signature: ModelSignature | None) -> pl.DataFrame:
    """Cells get the types of the signature; columns it does not name, and all without one, are inferred."""
    schema = None if signature is None else signature.inputs
    kinds = {spec.name: spec.type for spec in schema.columns} if schema else {}
    if not kinds:
        return pl.read_csv(body, infer_schema_length=None)
    text = pl.read_csv(body, infer_schema=False)
    return text.select([_parsed(column, kinds[column.name]) for column in text if column.name in kinds])


def _parsed(column: pl.Series, kind: str) -> pl.Series:
    if kind in {"string", "datetime", "binary"}:
        return column
    cells = column.str.strip_chars()
    cells = cells.set(cells.is_in(["", "NaN", "nan", "NA", "null", "NULL"]), None)
    if kind == "boolean":
        parsed = cells.replace_strict(
            [*_TRUE, *_FALSE], [True] * 4 + [False] * 4, default=None, return_dtype=pl.Boolean
        )
    else:  # whole numbers may exceed what a float holds exactly
        parsed = cells.cast(pl.Int64, strict=False) if kind in {"integer", "long"} else cells
        if parsed.null_count() > cells.null_count() or kind in {"float", "double"}:
            parsed = cells.cast(pl.Float64, strict=False)
    bad = parsed.is_null() & cells.is_not_null()
    if bad.any():
        row = int(bad.arg_max() or 0)
        raise ModelError(
            f"column {column.name!r} takes {kind}, but row {row} has {column[row]!r}", remedy="Mend the value."
        )
    return parsed
