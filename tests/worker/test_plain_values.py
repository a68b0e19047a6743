"""What counts as a value, and how the error says where it is not one."""

from __future__ import annotations

import enum
import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace.core.errors import TaskFailure
from millrace.worker.plain_values import plain

JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
)


class Colour(enum.StrEnum):
    RED = "red"


@given(JSON_VALUES)
def test_json_stays_as_it_is(value: object) -> None:
    assert plain(value, "it") == value
    assert json.loads(json.dumps(plain(value, "it"))) == value


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ((1, (2,)), [1, [2]]),
        (Colour.RED, "red"),
        (np.float64(0.5), 0.5),
        (np.float32(0.5), 0.5),
        (np.int64(3), 3),
        (np.bool_(True), True),
        ({"a": np.int8(1)}, {"a": 1}),
    ],
)
def test_what_is_nearly_json_becomes_json(value: object, expected: object) -> None:
    found = plain(value, "it")
    assert found == expected
    assert json.dumps(found) == json.dumps(expected)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"a": [1, {2}]}, ["it['a'][1] is of type set", "not JSON"]),
        (math.nan, ["it is nan"]),
        ([-math.inf], ["it[0] is -inf"]),
        ({1: 2}, ["the key 1", "JSON keys are strings"]),
        (2**64, ["more than 64 bits"]),
        (b"x", ["it is of type bytes"]),
        (np.zeros(3), ["it is of type numpy.ndarray"]),
        (object(), ["it is of type object"]),
        ("\ud800", ["surrogate"]),
        ({"\ud800": 1}, ["surrogate"]),
    ],
)
def test_what_is_not_json_is_refused(value: object, words: list[str]) -> None:
    with pytest.raises(TaskFailure) as caught:
        plain(value, "it")
    for word in words:
        assert word in str(caught.value)
