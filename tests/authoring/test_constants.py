"""Constants in a graph: whatever is let through equals itself after a trip through JSON."""

from __future__ import annotations

import enum
import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace.authoring.constants import constant, is_constant, microseconds
from millrace.core.canonical_json import canonical_json
from millrace.core.errors import GraphError
from tests.core.graph_strategies import json_values


class Colour(enum.StrEnum):
    RED = "red"


anything = st.recursive(
    json_values | st.floats() | st.binary() | st.dates() | st.just(Path("x")) | st.just(Colour.RED),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.sets(st.integers(), max_size=2)
        | st.dictionaries(st.text() | st.integers(), inner, max_size=2)
    ),
    max_leaves=6,
)


@given(anything)
def test_what_is_let_through_survives_json(value: Any) -> None:
    if not is_constant(value):
        return
    kept = constant(value, "x")
    assert json.loads(canonical_json(kept)) == kept
    assert constant(kept, "x") == kept


@given(json_values)
def test_json_is_let_through_as_it_is(value: Any) -> None:
    assert constant(value, "x") == value


@pytest.mark.parametrize(
    ("value", "kept"), [((1, (2,)), [1, [2]]), (Colour.RED, "red"), ({"a": (1,)}, {"a": [1]}), (True, True), (1.0, 1.0)]
)
def test_what_becomes_plain(value: Any, kept: Any) -> None:
    found = constant(value, "x")
    assert found == kept
    assert type(found) is type(kept)


@pytest.mark.parametrize(
    ("value", "message", "remedy"),
    [
        (float("inf"), "x is inf, which JSON cannot say", "Use None."),
        ([float("nan")], "x is nan", "Use None."),
        (Path("a"), "x is a PosixPath", "Pass str(path)."),
        (date(2026, 1, 1), "x is a date", "Pass value.isoformat()."),
        (np.int64(1), "x is a int64", "Pass value.tolist()."),
        ({1: 2}, "keys are not all strings", ""),
        ({1, 2}, "x is a set", "Values are int, float"),
    ],
)
def test_what_is_no_json(value: Any, message: str, remedy: str) -> None:
    with pytest.raises(GraphError) as caught:
        constant(value, "x", "file.py:3")
    assert message in caught.value.message
    assert remedy in (caught.value.remedy or "")
    assert caught.value.where == "file.py:3"


@pytest.mark.parametrize(
    ("value", "kept"), [(1, 1_000_000), (0.5, 500_000), (timedelta(days=1, microseconds=1), 86_400_000_001)]
)
def test_durations(value: Any, kept: int) -> None:
    assert microseconds(value, "x") == kept


@pytest.mark.parametrize("value", [True, "1s", None, float("nan")])
def test_what_is_no_duration(value: Any) -> None:
    with pytest.raises(GraphError, match="must be a timedelta or a number of seconds"):
        microseconds(value, "x")
