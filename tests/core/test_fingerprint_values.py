"""Canonical JSON, cache keys and the sentences that explain a miss."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from millrace.core.errors import UsageError
from millrace.core.fingerprint import CacheKey, canonical_json, digest_json, explain

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=20,
)


def shuffled(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: shuffled(item) for key, item in reversed(value.items())}
    return [shuffled(item) for item in value] if isinstance(value, list) else value


@given(json_values)
def test_key_order_and_a_round_trip_do_not_matter(value: Any) -> None:
    written = canonical_json(value)
    assert canonical_json(shuffled(value)) == written
    assert canonical_json(json.loads(written)) == written
    assert written.isascii()


small_values = st.recursive(
    st.sampled_from([None, False, True, 0, 1, 0.0, -0.0, 1.0, math.nan, "", "0", "a"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["", "a", "0"]), inner, max_size=2),
    max_leaves=4,
)


def same(one: Any, other: Any) -> bool:
    """Equal in value and in type, all the way down; every NaN is one, and so is every zero of a type."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other) or (one != one and other != other)


@given(small_values, small_values)
@settings(max_examples=500)
def test_digests_are_equal_exactly_when_the_values_are(one: Any, other: Any) -> None:
    assert (digest_json(one) == digest_json(other)) == same(one, other)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"b": 1, "a": [True, None]}, b'{"a":[true,null],"b":1}'),
        ((1, 2), b"[1,2]"),
        (1, b"1"),
        (1.0, b"1.0"),
        (-0.0, b"0.0"),
        (math.nan, b"NaN"),
        (-math.inf, b"-Infinity"),
        ("é\ud800", b'"\\u00e9\\ud800"'),
        (0.1, b"0.1"),
        (1e22, b"1e+22"),
    ],
)
def test_the_spelling_of_values(value: Any, text: bytes) -> None:
    assert canonical_json(value) == text


@pytest.mark.parametrize(
    ("value", "place"),
    [
        (b"x", "the value"),
        ({"a": {"b": [1, b"x"]}}, r"a\.b\[1\]"),
        ({1: 2}, "a key of the value"),
        ({"a": {True: 2}}, "a key of a"),
        ([{1, 2}], r"\[0\]"),
        (object(), "the value"),
    ],
)
def test_what_has_no_json_form_is_refused_where_it_stands(value: Any, place: str) -> None:
    with pytest.raises(UsageError, match=place):
        canonical_json(value)


KEY = CacheKey(
    interface="i1",
    code={"pipeline:train": "function:aa", "pipeline:clean": "function:bb", "pipeline:LIMIT": "value:cc"},
    parameters={"lr": 0.1, "name": "a", "none": None},
    inputs={"examples": "ab12ef0099"},
    environment={"python": "3.11"},
)


def test_a_key_survives_json() -> None:
    again = CacheKey.from_json(json.loads(json.dumps(KEY.to_json())))
    assert again == KEY
    assert again.key == KEY.key
    assert explain(KEY, again) == []


def test_the_key_is_the_same_in_another_process_with_another_hash_seed() -> None:
    program = (
        "import json, sys; from millrace.core.fingerprint import CacheKey;"
        "print(CacheKey.from_json(json.loads(sys.argv[1])).key)"
    )
    shown = subprocess.run(
        [sys.executable, "-c", program, json.dumps(shuffled(KEY.to_json()))],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONHASHSEED": "7"},
    )
    assert shown.stdout.strip() == KEY.key


CHANGES: list[tuple[dict[str, Any], str]] = [
    ({"parameters": {"lr": 0.2, "name": "a", "none": None}}, "parameter lr changed from 0.1 to 0.2"),
    ({"parameters": {"lr": 0.1, "name": "b", "none": None}}, 'parameter name changed from "a" to "b"'),
    ({"parameters": {"lr": 0.1, "name": "a"}}, "parameter none was removed (it was null)"),
    ({"parameters": {"lr": 0.1, "name": "a", "none": None, "x": 1}}, "parameter x is new (1)"),
    ({"inputs": {"examples": "cd34ef0099"}}, "input examples changed (sha256 ab12ef00… -> cd34ef00…)"),
    ({"inputs": {"examples": "ab12ef0099", "model": "sha256:0123456789"}}, "input model is new (sha256 01234567…)"),
    ({"code": dict(KEY.code) | {"pipeline:clean": "function:b2"}}, "code: function pipeline:clean changed"),
    ({"code": dict(KEY.code) | {"pipeline:LIMIT": "value:c2"}}, "code: value pipeline:LIMIT changed"),
    ({"code": dict(KEY.code) | {"pipeline:helper": "function:dd"}}, "code: function pipeline:helper is new"),
    ({"code": dict(KEY.code) | {"tools:*": "module:dd"}}, "code: module tools is new"),
    (
        {"code": {"pipeline:train": "function:aa", "pipeline:LIMIT": "value:cc"}},
        "code: function pipeline:clean is no longer used",
    ),
    ({"interface": "i2"}, "the task's interface changed (its inputs, outputs, parameters or their types)"),
    ({"environment": {"python": "3.12"}}, "environment python changed from 3.11 to 3.12"),
]


@pytest.mark.parametrize(("parts", "sentence"), CHANGES)
def test_each_change_is_said_in_words_and_changes_the_key(parts: dict[str, Any], sentence: str) -> None:
    new = CacheKey.from_json(KEY.to_json() | parts)
    assert [change.sentence() for change in explain(KEY, new)] == [sentence]
    assert new.key != KEY.key


def test_every_change_is_named() -> None:
    new = CacheKey(interface="i2", code=KEY.code, parameters={"lr": 1}, inputs={}, environment={"python": "3.11"})
    assert [(change.part, change.name, change.kind) for change in explain(KEY, new)] == [
        ("parameter", "lr", "changed"),
        ("parameter", "name", "removed"),
        ("parameter", "none", "removed"),
        ("input", "examples", "removed"),
        ("interface", "interface", "changed"),
    ]


def test_one_and_one_point_zero_are_a_change() -> None:
    new = CacheKey.from_json(KEY.to_json() | {"parameters": {"lr": 0.1, "name": "a", "none": None} | {"lr": True}})
    other = CacheKey.from_json(new.to_json() | {"parameters": {"lr": 1, "name": "a", "none": None}})
    assert [change.sentence() for change in explain(new, other)] == ["parameter lr changed from true to 1"]


def test_a_long_value_is_cut() -> None:
    new = CacheKey.from_json(KEY.to_json() | {"parameters": {"lr": 0.1, "name": "x" * 500, "none": None}})
    assert len(explain(KEY, new)[0].sentence()) < 120


def test_what_is_nested_too_deeply_is_said_and_not_raised_from_the_interpreter() -> None:
    value: object = 0
    for _ in range(5_000):
        value = [value]
    with pytest.raises(UsageError, match="nested too deeply"):
        digest_json(value)
