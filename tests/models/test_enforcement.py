"""Requests against signatures: safe casts pass, everything else names the column and the value."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace.core.errors import ModelError
from millrace.models import ColumnSpec, ModelSignature, ParamSpec, Schema, TensorSpec, enforce_signature
from millrace.models.enforcement import cast_column, enforce_columns
from millrace.models.parameters import enforce_params


def cast(values: Any, kind: str, *, required: bool = True, dtype: Any = None) -> list[Any]:
    return cast_column(pl.Series("c", values, dtype=dtype), ColumnSpec(kind, "c", required)).to_list()


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        ([1, 2], "double", [1.0, 2.0]),
        ([1, 2], "float", [1.0, 2.0]),
        ([1.0, 2.0], "long", [1, 2]),
        ([1, 2], "integer", [1, 2]),
        ([True, False], "boolean", [True, False]),
        (["a"], "string", ["a"]),
        (["eA=="], "binary", [b"x"]),
        ([b"x"], "binary", [b"x"]),
        (["2026-01-02T03:04:05"], "datetime", [datetime(2026, 1, 2, 3, 4, 5)]),
        (["2026-01-02T03:04:05+01:00"], "datetime", [datetime(2026, 1, 2, 2, 4, 5)]),
        (["2026-01-02", None, "2026-01-02T00:00:00Z"], "datetime", [datetime(2026, 1, 2), None, datetime(2026, 1, 2)]),
        ([date(2026, 1, 2)], "datetime", [datetime(2026, 1, 2)]),
        ([None, None], "double", [None, None]),
        ([[1, 2]], "array", [[1, 2]]),
    ],
)
def test_safe_casts(values: Any, kind: str, expected: Any) -> None:
    assert cast(values, kind) == expected


@pytest.mark.parametrize(
    ("values", "kind", "message"),
    [
        ([1.0, 2.5], "long", r"'c' takes long, but row 1 has 2\.5"),
        ([1.0, float("inf")], "long", "row 1 has inf"),
        ([1, 2**40], "integer", "row 1 has 1099511627776"),
        ([2**70], "long", "row 0 has 1180591620717411303424"),
        (["1"], "double", "takes double, but row 0 has '1'"),
        ([None, "1"], "long", "takes long, but row 1 has '1'"),
        ([True], "double", "row 0 has True"),
        ([True], "long", "row 0 has True"),
        ([1], "boolean", "row 0 has 1"),
        ([1], "string", "takes string, but row 0 has 1"),
        ([1e300], "float", r"row 0 has 1e\+300"),
        (["2026-13-01"], "datetime", "row 0 has '2026-13-01'"),
        ([5], "datetime", "row 0 has 5"),
        (["%"], "binary", "row 0 has '%'"),
        ([1], "array", "takes array, but row 0 has 1"),
        ([1, None], "long", "no value in row 1; a required long cannot be missing"),
        ([None], "boolean", "no value in row 0"),
    ],
)
def test_unsafe_casts_name_the_column_and_the_value(values: Any, kind: str, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        cast(values, kind)


def test_categories_are_strings() -> None:
    for dtype in (pl.Categorical(), pl.Enum(["a", "b"])):
        assert cast(["a", "b"], "string", dtype=dtype) == ["a", "b"]


def test_an_optional_integer_may_be_missing() -> None:
    assert cast([1, None], "long", required=False) == [1, None]


@given(st.lists(st.integers(-(2**31), 2**31 - 1) | st.none()))
def test_integers_keep_their_value_through_every_wider_type(values: list[int | None]) -> None:
    for kind in ("integer", "long", "double"):
        column = cast(values, kind, required=False, dtype=pl.Int64)
        assert column == values


INPUTS = Schema(
    (
        ColumnSpec("double", "mean radius"),
        ColumnSpec("long", "lobes"),
        ColumnSpec("string", "site", required=False),
    )
)


def test_order_extra_columns_and_optional_ones() -> None:
    frame = pl.DataFrame({"extra": [1], "lobes": [3], "mean radius": [1]})
    enforced = enforce_columns(frame, INPUTS)
    assert enforced.to_dict(as_series=False) == {"mean radius": [1.0], "lobes": [3], "site": [None]}
    assert enforced.schema["site"] == pl.String


def test_missing_columns_are_all_named_with_near_matches() -> None:
    with pytest.raises(ModelError, match="columns 'mean radius', 'lobes' are missing") as caught:
        enforce_columns(pl.DataFrame({"mean_radius": [1.0]}), INPUTS)
    assert caught.value.remedy == "Did you mean 'mean_radius'?"


def test_nameless_rows_are_taken_by_position() -> None:
    two = ModelSignature(Schema(INPUTS.columns[:2]))
    for value in ([[1.5, 2]], np.array([[1.5, 2.0]])):
        enforced = enforce_signature(value, two)
        assert isinstance(enforced, pl.DataFrame)
        assert enforced.rows() == [(1.5, 2)]
    with pytest.raises(ModelError, match=r"shape \(1, 3\) for 2 named columns"):
        enforce_signature(np.zeros((1, 3)), two)
    with pytest.raises(ModelError, match="row 0 has 3 values for 2 columns"):
        enforce_signature([[1.5, 2, 3]], two)


TENSOR = ModelSignature(Schema((TensorSpec("float32", (-1, 2)),)))
NAMED = ModelSignature(Schema((TensorSpec("int64", (-1,), "a"), TensorSpec("float64", (-1, 2), "b"))))


def test_tensors_are_cast_within_their_kind() -> None:
    array = enforce_signature([[1, 2], [3, 4.5]], TENSOR)
    assert isinstance(array, np.ndarray)
    assert array.dtype == np.float32
    arrays = enforce_signature([{"a": 1, "b": [1, 2]}, {"a": 2, "b": [3, 4]}], NAMED)
    assert isinstance(arrays, dict)
    assert arrays["b"].tolist() == [[1.0, 2.0], [3.0, 4.0]]


@pytest.mark.parametrize(
    ("value", "signature", "message"),
    [
        ([[1, 2, 3]], TENSOR, r"shape \(1, 3\); the model takes \(-1, 2\)"),
        ([["a", "b"]], TENSOR, "the array is str"),
        ([[1, 2], [3]], TENSOR, "different lengths"),
        ([[1, "b"]], TENSOR, "mixes text and numbers"),
        ({"a": [1.5], "b": [[1, 2]]}, NAMED, "the array 'a' is float64; the model takes int64"),
        ({"a": [1]}, NAMED, "the array 'b' is missing"),
        ([1], NAMED, "named arrays"),
    ],
)
def test_wrong_tensors(value: Any, signature: ModelSignature, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        enforce_signature(value, signature)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"a": [1, 2], "b": [1]}, "different lengths"),
        ([{"a": 1}, {"a": "x"}], "mixes number and text: row 1 has 'x'"),
        ([{"a": None}, {"a": True}, {"a": 2}], "mixes boolean and number: row 2 has 2"),
        ({"a": [1], "b": 5}, "column 'b' holds 5"),
        (object(), "cannot take object"),
    ],
)
def test_data_that_is_no_frame(value: Any, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        enforce_signature(value, None)


def test_scalars_make_one_row_and_nan_is_missing() -> None:
    frame = enforce_signature({"a": 1.5, "b": "x"}, None)
    assert isinstance(frame, pl.DataFrame)
    assert frame.rows() == [(1.5, "x")]
    frame = enforce_signature([{"a": float("nan")}, {"a": 1}], None)
    assert isinstance(frame, pl.DataFrame)
    assert frame.rows() == [(None,), (1.0,)]


PARAMS = ModelSignature(params=(ParamSpec("k", "long", 5), ParamSpec("names", "string", ["a"], (-1,))))


def test_params_get_defaults_and_unknown_ones_are_left_out(caplog: pytest.LogCaptureFixture) -> None:
    assert enforce_params({"k": 3, "kk": 4}, PARAMS) == {"k": 3, "names": ["a"]}
    assert "no parameter 'kk'" in caplog.text
    assert "Did you mean 'k'" in caplog.text or "There is" in caplog.text
    assert enforce_params(None, None) == {}


@pytest.mark.parametrize("params", [{"k": "3"}, {"k": True}, {"k": 1.5}, {"names": "a"}, {"names": [1]}])
def test_params_of_the_wrong_type_are_named(params: dict[str, Any]) -> None:
    with pytest.raises(ModelError, match=f"parameter {next(iter(params))!r} takes"):
        enforce_params(params, PARAMS)
