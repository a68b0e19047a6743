"""Frames survive any cut of the stream; errors survive the way."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace.core.errors import ConflictError, MillraceError, NotFoundError, UsageError
from millrace.core.messages import FrameDecoder, encode, error_from_json, error_to_json


@given(
    st.lists(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), st.integers(-(2**53), 2**53))),
    st.lists(st.integers(0, 400)),
)
def test_any_cut_gives_the_same_documents(documents: list[dict[str, int]], cuts: list[int]) -> None:
    stream = b"".join(encode(d) for d in documents)
    edges = [0, *sorted(c for c in cuts if c < len(stream)), len(stream)]
    decoder = FrameDecoder()
    found = [d for a, b in itertools.pairwise(edges) for d in decoder.feed(stream[a:b])]
    assert found == documents


@pytest.mark.parametrize("value", [float("inf"), 2**70, "\ud800", [None, [float("-inf")]]])
def test_every_value_comes_through_a_frame_as_it_is(value: object) -> None:
    assert list(FrameDecoder().feed(encode({"value": value}))) == [{"value": value}]


@pytest.mark.parametrize(
    "error",
    [
        NotFoundError("model", "a", ["b", "aa"]),
        UsageError("wrong", where="file:1", remedy="do this"),
        ConflictError("there already"),
    ],
)
def test_errors_come_back_as_themselves(error: MillraceError) -> None:
    again = error_from_json(error_to_json(error))
    assert type(again) is type(error)
    assert str(again) == str(error)


def test_a_foreign_error_keeps_its_name() -> None:
    again = error_from_json(error_to_json(KeyError("x")))
    assert type(again) is MillraceError
    assert str(again) == "KeyError: 'x'"


def test_a_class_that_is_not_known_here() -> None:
    document = {**error_to_json(UsageError("wrong")), "class": "NoSuchError"}
    assert type(error_from_json(document)) is MillraceError
