"""Signatures in MLflow's JSON, inferred as mlflow infers them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace.core.errors import ModelError
from millrace.models import ColumnSpec, ModelSignature, ParamSpec, Schema, TensorSpec, infer_signature
from millrace.models.enforcement import enforce_columns
from millrace.models.signature import SCALAR_TYPES

MIXED = pl.DataFrame(
    {
        "flag": [True, False],
        "small": pl.Series([1, 2], dtype=pl.Int16),
        "whole": [1, 2],
        "single": pl.Series([1.5, 2.5], dtype=pl.Float32),
        "ratio": [0.5, 1.5],
        "name": ["a", "b"],
        "blob": [b"x", b"y"],
        "at": [
            datetime(2026, 1, 1, tzinfo=UTC).replace(tzinfo=None),
            datetime(2026, 1, 2, tzinfo=UTC).replace(tzinfo=None),
        ],
    }
)

columns = st.builds(ColumnSpec, st.sampled_from(SCALAR_TYPES), st.text(min_size=1), st.booleans())
tensors = st.builds(
    TensorSpec, st.sampled_from(["float32", "int64"]), st.lists(st.integers(-1, 9), max_size=4).map(tuple), st.text()
)
schemas = st.one_of(st.lists(columns).map(tuple), st.lists(tensors).map(tuple)).map(Schema)
params = st.lists(st.builds(ParamSpec, st.text(), st.sampled_from(SCALAR_TYPES), st.integers())).map(tuple)


@given(st.builds(ModelSignature, schemas | st.none(), schemas | st.none(), params.filter(bool) | st.none()))
def test_a_signature_survives_the_way_through_mlmodel(signature: ModelSignature) -> None:
    assert ModelSignature.from_dict(signature.to_dict()) == signature


def test_column_types_are_mlflows() -> None:
    inputs = infer_signature(MIXED).inputs
    assert inputs is not None
    assert [spec.type for spec in inputs.columns] == [
        "boolean", "integer", "long", "float", "double", "string", "binary", "datetime"
    ]  # fmt: skip


def test_missing_values_make_a_column_optional_and_an_integer_one_double() -> None:
    inputs = infer_signature(pl.DataFrame({"n": [1, None], "s": ["a", None]})).inputs
    assert inputs == Schema((ColumnSpec("double", "n", required=False), ColumnSpec("string", "s", required=False)))


def test_outputs_of_arrays_are_tensors_and_of_labels_strings() -> None:
    numbers = infer_signature(MIXED, np.zeros((2, 3))).outputs
    labels = infer_signature(MIXED, np.array(["a", "b"], dtype=object)).outputs
    assert numbers == Schema((TensorSpec("float64", (-1, 3)),))
    assert labels == Schema((ColumnSpec("string"),))


def test_what_a_signature_was_inferred_from_passes_it_unchanged() -> None:
    inputs = infer_signature(MIXED).inputs
    assert inputs is not None
    assert enforce_columns(MIXED, inputs).equals(MIXED)


def test_lists_are_arrays_and_structs_are_refused() -> None:
    inputs = infer_signature(pl.DataFrame({"v": [[1.0, 2.0]]})).inputs
    assert inputs is not None
    assert inputs.columns[0].to_json() == {"type": "array", "items": {"type": "double"}, "name": "v", "required": True}
    with pytest.raises(ModelError, match="'s' has the type Struct"):
        infer_signature(pl.DataFrame({"s": [{"a": 1}]}))


def test_nested_types_and_the_old_optional_key_are_read() -> None:
    text = json.dumps(
        [
            {"type": "object", "name": "o", "properties": {"a": {"type": "long"}}, "required": True},
            {"type": "double", "name": "x", "optional": True},
        ]
    )
    schema = Schema.from_json(text)
    assert schema.columns[0].nested == {"a": {"type": "long"}}
    assert not schema.columns[1].required
    assert Schema.from_json(schema.to_json()) == schema


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not JSON"),
        ("{}", "not a JSON list"),
        ('[{"type": "number"}]', "unknown column type 'number'"),
        ('[{"type": "tensor"}]', "no dtype and shape"),
        ('[{"type": "long", "name": "a"}, {"type": "tensor", "tensor-spec": {"dtype": "i8", "shape": []}}]', "mixes"),
    ],
)
def test_a_broken_signature_is_named(text: str, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        Schema.from_json(text)


def test_dictionaries_of_arrays_are_inferred_too() -> None:
    source: Any = {"a": [1, 2], "b": np.array([0.5, np.nan])}
    inputs = infer_signature(source).inputs
    assert inputs == Schema((ColumnSpec("long", "a"), ColumnSpec("double", "b", required=False)))
