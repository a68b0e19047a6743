"""Lines and their attempts, however the reads fall."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace.executors.attempt_logs import AttemptLogs
from millrace.executors.local.log_stream import LogStream
from millrace.executors.log_stamps import LINE_LIMIT, as_shown, pending, stamp
from millrace.executors.output_tee import OutputTee
from millrace.storage.logs import FileLogStore
from millrace.worker.surroundings import MARKER


class CountingClock:
    def __init__(self) -> None:
        self._now = 0

    def now(self) -> int:
        self._now += 1
        return self._now


class Logs:
    """What was appended, without stamps."""

    def __init__(self) -> None:
        self.lines: dict[str, list[str]] = {}
        self.stream = LogStream(self._append, CountingClock())

    def _append(self, attempt_id: str, lines: list[str]) -> None:
        self.lines.setdefault(attempt_id, []).extend(line.split("Z ", 1)[1] for line in lines)


TEXTS = st.lists(st.text("ab \u00e9\0", max_size=5), max_size=4)


@given(st.lists(TEXTS, min_size=1, max_size=5), st.booleans(), st.lists(st.integers(0, 300)), st.lists(st.booleans()))
def test_every_attempt_gets_its_lines(
    texts: list[list[str]], newline: bool, cuts: list[int], early: list[bool]
) -> None:
    """The worker runs one attempt after another; what it says of them may be read before or after what they print."""
    pieces = [("\n".join(lines) + ("\n" if newline and lines else "")).encode() for lines in texts]
    names = [f"a{i}" for i in range(len(texts))]
    written = b"".join(p + MARKER % n.encode() for p, n in zip(pieces, names, strict=True))
    logs = Logs()
    ended: list[str] = []
    waiting = names[1:]
    logs.stream.begin(names[0])
    edges = [0, *sorted(c for c in cuts if c < len(written)), len(written)]
    for start, stop in itertools.pairwise(edges):
        if waiting and early and early.pop():
            ended += logs.stream.begin(waiting.pop(0), at_once=True)
        ended += logs.stream.feed(written[start:stop])
    while waiting:
        ended += logs.stream.begin(waiting.pop(0), at_once=True)
    assert ended == names
    for name, piece in zip(names, pieces, strict=True):
        lines = piece.decode().split("\n")
        assert logs.lines.get(name, []) == (lines if lines[-1] else lines[:-1])


def test_what_was_printed_before_the_first_attempt_is_kept_apart() -> None:
    logs = Logs()
    logs.stream.feed(b"Traceback\n")
    logs.stream.feed(b"ImportError: x")
    logs.stream.end()
    assert logs.lines == {}
    assert list(logs.stream.tail) == ["Traceback", "ImportError: x"]


def test_the_last_line_needs_no_newline() -> None:
    logs = Logs()
    logs.stream.begin("a")
    logs.stream.feed(b"one\ntwo")
    assert logs.lines == {"a": ["one"]}
    logs.stream.end()
    assert logs.lines == {"a": ["one", "two"]}


def test_an_endless_line_is_cut() -> None:
    logs = Logs()
    logs.stream.begin("a")
    for _ in range(5):
        logs.stream.feed(b"x" * (LINE_LIMIT // 2))
    assert [len(line) for line in logs.lines["a"]] == [LINE_LIMIT + LINE_LIMIT // 2]


@pytest.mark.parametrize(
    ("line", "shown"), [("plain", "plain"), ("10%\r20%", "20%"), ("windows\r", "windows"), ("", ""), ("a\rb\r", "b")]
)
def test_progress_bars(line: str, shown: str) -> None:
    assert as_shown(line) == shown


def test_stamps_are_utc_to_the_microsecond() -> None:
    assert stamp(0) == "1970-01-01T00:00:00.000000Z "
    assert stamp(1_767_225_600_000_001) == "2026-01-01T00:00:00.000001Z "


@given(st.text("a\r", max_size=8), st.text("b\r", max_size=8))
def test_nothing_that_is_shown_later_is_forgotten(part: str, rest: str) -> None:
    assert as_shown(pending(part) + rest) == as_shown(part + rest)


def test_what_a_task_prints_without_a_newline_does_not_pile_up(tmp_path: Path) -> None:
    store = FileLogStore(tmp_path)
    tee = OutputTee(AttemptLogs(store), "attempt", CountingClock())
    for number in range(200_000):
        tee.add(f"\r{number:>20} of 200000 and a long description of what is done")
    assert sum(map(len, tee._parts)) < 1_000
    for _ in range(LINE_LIMIT + 10):
        tee.add(".")
    tee.add("\nend\n")
    lines = [line.split("Z ", 1)[1] for line in store.read("attempt")[0].splitlines()]
    assert lines[-1] == "end"
    assert max(map(len, lines)) <= LINE_LIMIT + 1
    store.close()
