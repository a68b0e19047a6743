"""Ids grow, JSON comes back as it went, text is storable."""

from __future__ import annotations

import re
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

from hypothesis import given
from hypothesis import strategies as st

from millrace.storage.clock import SystemClock
from millrace.storage.ids import UuidIds
from millrace.storage.sql.json_text import decode, encode, storable


def test_ids_are_uuids_of_version_7_and_of_now() -> None:
    before = time.time_ns() // 1_000_000
    made = uuid.UUID(UuidIds().new())
    assert (made.version, made.variant) == (7, uuid.RFC_4122)
    assert before <= made.int >> 80 <= time.time_ns() // 1_000_000


def test_ids_grow_also_from_several_threads() -> None:
    ids = UuidIds()
    made = [ids.new() for _ in range(5000)]
    assert made == sorted(set(made))
    with ThreadPoolExecutor(4) as pool:
        batches = list(pool.map(lambda _: [ids.new() for _ in range(2000)], range(4)))
    assert all(b == sorted(b) for b in batches)
    assert len({i for b in batches for i in b}) == 8000


def test_ids_grow_when_the_clock_is_set_back() -> None:
    ids = UuidIds()
    ids._last = (time.time_ns() // 1_000_000 + 60_000) << 12
    first = ids.new()
    assert first < ids.new()


def test_tracking_ids_are_32_hex_digits() -> None:
    ids = UuidIds()
    assert re.fullmatch("[0-9a-f]{32}", ids.new_tracking())
    assert ids.new_tracking() != ids.new_tracking()


def test_the_clock_is_in_microseconds() -> None:
    assert abs(SystemClock().now() - time.time() * 1e6) < 60e6


numbers = st.integers() | st.integers(2**62, 2**80) | st.floats(allow_nan=False)
texts = st.text(st.characters())
documents = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


@given(documents)
def test_json_comes_back_equal(document: object) -> None:
    text = encode(document)
    again = decode(text)
    assert again == document
    assert repr(again) == repr(document), "an integer stays one"
    text.encode()  # SQLite and PostgreSQL take UTF-8
    assert "\0" not in text


@given(st.text(st.characters(codec=None)))
def test_storable_text(text: str) -> None:
    stored = storable(text)
    stored.encode()
    assert "\0" not in stored
    if text.isprintable():
        assert stored == text
