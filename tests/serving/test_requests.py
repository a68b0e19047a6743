"""Bodies no client should send: whatever comes, the answer is predictions or a ModelError, never a crash."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from millrace.core.errors import ModelError
from millrace.models import ColumnSpec, LoadedModel, ModelMetadata, ModelSignature, Schema
from millrace.serving.replies import predictions_body
from millrace.serving.requests import CSV, FORMATS, JSON, PARQUET, read_invocation

leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
names = st.sampled_from(["n", "b", "d", "s", "t", "x", "columns", "data"]) | st.text()
values = st.recursive(leaves, lambda inner: st.lists(inner) | st.dictionaries(names, inner), max_leaves=12)
splits = st.fixed_dictionaries({"columns": values, "data": values})
documents = st.dictionaries(st.sampled_from([*FORMATS, "params", "x"]), values | splits)

TYPES = Schema(
    (
        ColumnSpec("long", "n"),
        ColumnSpec("boolean", "b"),
        ColumnSpec("double", "d", required=False),
        ColumnSpec("string", "s", required=False),
        ColumnSpec("datetime", "t", required=False),
        ColumnSpec("binary", "x", required=False),
    )
)


class EchoModel:
    """Answers with its input, so that every accepted value also goes through the reply."""

    def predict(self, model_input: Any, params: Mapping[str, Any] | None = None) -> Any:
        return model_input.drop("x")

    def scores(
        self, model_input: Any, positive_class: str | None = None, params: Mapping[str, Any] | None = None
    ) -> Any:
        raise NotImplementedError


ECHO = LoadedModel(Path(), ModelMetadata(flavors={}, signature=ModelSignature(TYPES)), EchoModel())


def answered(body: bytes, content_type: str) -> list[dict[str, Any]] | None:
    """The rows that came back, or None for a request that was refused with a message."""
    try:
        invocation = read_invocation(body, content_type, ECHO.signature)
        predictions = ECHO.predict(invocation.model_input, invocation.params)
    except ModelError as error:
        return None if error.message else []
    rows: list[dict[str, Any]] = json.loads(predictions_body(predictions))["predictions"]
    return rows


row = st.fixed_dictionaries(
    {"n": st.integers(-(2**63), 2**63 - 1), "b": st.booleans()},
    optional={"d": st.floats() | st.integers(-(2**53), 2**53), "s": st.text(), "t": st.datetimes().map(str)},
)


@given(st.lists(row, min_size=1))
def test_values_of_the_right_types_come_back_as_they_were_sent(sent: list[dict[str, Any]]) -> None:
    rows = answered(json.dumps({"dataframe_records": sent}).encode(), JSON)
    assert rows is not None
    for one, back in zip(sent, rows, strict=True):
        assert (back["n"], back["b"], back["s"]) == (one["n"], one["b"], one.get("s"))
        number = one.get("d")
        assert back["d"] == (number if number is not None and math.isfinite(number) else None)
        assert back["t"] == (None if "t" not in one else one["t"].replace(" ", "T"))


@given(documents)
@example({"dataframe_split": {"columns": [[1]], "data": [[2]]}})
@example({"dataframe_records": []})
@example({"instances": []})
@example({"inputs": {}})
@example({"inputs": [[10**400]]})
@example({"inputs": {"n": [10**400], "b": [True]}})
@example({"inputs": {"n": [1], "b": [True], "d": [10**400]}})
@example({"instances": [{"n": [1]}, {"n": {"a": 1}}]})
def test_any_json_document_is_answered_or_refused(document: dict[str, Any]) -> None:
    rows = answered(json.dumps(document).encode(), JSON)
    assert rows is None or all(set(row) == {"n", "b", "d", "s", "t"} for row in rows)


@given(st.binary() | st.text().map(str.encode))
@example(b"n,b\n\n")
@example(b'n,b\n"1,true\n')
@example(b"[" * 100_000)
def test_any_bytes_are_answered_or_refused(body: bytes) -> None:
    for content_type in (JSON, CSV, PARQUET):
        assert answered(body, content_type) in (None, [])


def test_csv_cells_get_the_types_of_the_signature() -> None:
    body = b'n,b,d,s,t,x,more\n9007199254740993,true,1e3,007,2026-01-02,eA==,?\n2.0,FALSE,NA,"",,,\n'
    invocation = read_invocation(body, CSV, ModelSignature(TYPES))
    frame = invocation.model_input
    assert isinstance(frame, pl.DataFrame)
    assert frame["s"].to_list()[0] == "007"
    assert frame["d"].to_list() == [1000.0, None]
    assert frame["b"].to_list() == [True, False]
    assert frame.columns == ["n", "b", "d", "s", "t", "x"]


def test_big_whole_numbers_of_csv_stay_exact() -> None:
    frame = read_invocation(b"n,b\n9007199254740993,1\n", CSV, ModelSignature(TYPES)).model_input
    assert frame["n"].to_list() == [9007199254740993]


def test_csv_without_a_signature_is_inferred() -> None:
    frame = read_invocation(b"n,s\n1,x\n2,y\n", CSV, None).model_input
    assert frame.schema == {"n": pl.Int64, "s": pl.String}


@pytest.mark.parametrize("cell", ["x", "1.5.2", "tru"])
def test_a_csv_cell_of_the_wrong_type_is_named(cell: str) -> None:
    with pytest.raises(ModelError, match=f"'b' takes boolean, but row 1 has '{cell}'"):
        read_invocation(f"n,b\n1,true\n2,{cell}\n".encode(), CSV, ModelSignature(TYPES))
