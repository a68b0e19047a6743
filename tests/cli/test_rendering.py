"""Tables, times and progress, as a reader sees them."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace.cli.following import RunTeller
from millrace.cli.options import read_params, read_target
from millrace.cli.progress import PlainProgress, RunProgress, new_progress
from millrace.cli.tables import Column, as_text, print_fields, print_json, print_table, printable
from millrace.cli.times import local_clock, local_moment, microseconds_of, size, span, span_between
from millrace.core.errors import UsageError
from millrace.core.types import Json
from millrace.operations.documents import moment

COLUMNS = (Column("name", "name"), Column("deep.count", "count", right=True), Column("at", "at", local_moment))


def test_a_plain_table_is_aligned_and_has_no_trailing_spaces(capsys: pytest.CaptureFixture[str]) -> None:
    rows: list[dict[str, Json]] = [
        {"name": "first", "deep": {"count": 5}, "at": None},
        {"name": "second one", "deep": {"count": 12}},
    ]
    print_table(rows, COLUMNS, plain=True, title="Things")
    assert capsys.readouterr().out.splitlines() == [
        "Things:",
        "name        count  at",
        "first           5",
        "second one     12",
    ]


def test_no_rows_are_said(capsys: pytest.CaptureFixture[str]) -> None:
    print_table([], COLUMNS, plain=False, empty="No things yet.")
    assert capsys.readouterr().out == "No things yet.\n"


def test_a_table_on_a_terminal_takes_no_markup_from_names(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    print_table([{"name": "[red]x[/red]"}], COLUMNS[:1], plain=False)
    assert "[red]x[/red]" in capsys.readouterr().out


def test_fields_leave_out_what_is_empty(capsys: pytest.CaptureFixture[str]) -> None:
    print_fields({"run": "r1", "reason": "", "tags": [], "paused": False, "params": {}}, plain=True)
    assert capsys.readouterr().out == "run     r1\npaused  no\n"
    print_fields({"state": "failed"}, plain=False)
    assert "failed" in capsys.readouterr().out


def test_json_has_no_numbers_that_json_lacks(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"a": float("nan"), "b": [float("inf"), 1.5], "ü": "ü"})
    assert json.loads(capsys.readouterr().out) == {"a": None, "b": [None, 1.5], "ü": "ü"}


@given(st.text())
def test_printable_is_one_line_that_a_terminal_obeys_nothing_of(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable()
    if text.isprintable():
        assert shown == text


def test_printable_shows_control_characters_as_codes() -> None:
    assert printable("a\x1b[31m\nb") == "a\\x1b[31m\\nb"


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, ""), (True, "yes"), (0.1 + 0.2, "0.3"), (["a", "b"], "a, b"), ([1], "[1]"), ({}, ""), (7, "7")],
)
def test_values_in_cells(value: Json, text: str) -> None:
    assert as_text(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1.0, "0 ms"),
        (0.0, "0 ms"),
        (0.0854, "85 ms"),
        (0.9994, "999 ms"),
        (0.9996, "1.0 s"),
        (59.94, "59.9 s"),
        (59.96, "1 min 00 s"),
        (125.4, "2 min 05 s"),
        (3599.6, "1 h 00 min"),
        (3725.0, "1 h 02 min"),
        (100_000.0, "27 h 46 min"),
    ],
)
def test_spans(seconds: float, text: str) -> None:
    assert span(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [(None, ""), (0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (3 * 2**30, "3.0 GiB"), (2**41, "2.0 TiB")],
)
def test_sizes(count: int | None, text: str) -> None:
    assert size(count) == text


@given(st.integers(min_value=0, max_value=4_000_000_000_000_000))
def test_times_of_documents_are_read_to_the_microsecond(at: int) -> None:
    text = moment(at)
    assert text is not None
    assert microseconds_of(text) == at


def test_spans_between_times_of_documents() -> None:
    assert span_between("2026-11-22T14:10:30.000000Z", "2026-11-22T14:10:31.500000Z") == "1.5 s"
    assert span_between(None, "2026-11-22T14:10:31.500000Z") == ""


SECOND = 1_000_000


def _run(state: str, tasks: Sequence[str] = (), reason: str = "") -> Json:
    return {
        "run_id": "r1",
        "pipeline": "p",
        "state": state,
        "reason": reason,
        "ended_at": None,
        "tasks": [{"task_id": t} for t in tasks],
    }


def test_plain_progress_prints_one_line_for_each_change() -> None:
    lines: list[str] = []
    with PlainProgress(lines.append) as progress:
        progress.on_run(_run("running", ["A", "B"]))
        progress.on_run(_run("running", ["A", "B"]))
        for state, at, note in [
            ("scheduled", 1, ""),
            ("queued", 2, ""),
            ("running", 10, ""),
            ("running", 10, ""),
            ("up_for_retry", 11, "it broke"),
            ("running", 20, ""),
            ("success", 21, ""),
        ]:
            progress.on_task("A", state, at * SECOND, note)
        progress.on_task("B", "skipped", 22 * SECOND, "not needed\x1b")
        progress.on_run(_run("failed", reason="B"))
    bare = [re.sub(r"^\d\d:\d\d:\d\d ", "", line) for line in lines]
    assert bare == [
        "run r1 of p running",
        "A running",
        "A up_for_retry it broke",
        "A running",
        "A success 1.0 s",
        "B skipped not needed\\x1b",
        "run r1 of p failed: B",
    ]
    assert lines[1].startswith(local_clock(10 * SECOND))


def test_live_progress_shows_every_step_with_its_state(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    with RunProgress() as progress:
        progress.on_run(_run("running", ["Trainer", "Pusher"]))
        progress.on_task("Trainer", "running", 10 * SECOND, "")
        progress.on_task("Trainer", "success", 11 * SECOND + SECOND // 5, "[from] the cache")
    shown = capsys.readouterr().out
    assert re.search(r"Trainer\s+✓ success\s+1\.2 s\s+\[from\] the cache", shown)
    assert re.search(r"Pusher\s+· waiting", shown)


def test_which_progress_fits() -> None:
    assert isinstance(new_progress(plain=True), PlainProgress)
    assert isinstance(new_progress(plain=False), RunProgress)


def test_a_runs_document_is_told_in_the_order_of_time() -> None:
    lines: list[str] = []
    task = {"queued_at": None, "reason": "", "cached_from": None}
    document = {
        **_run("success"),
        "ended_at": moment(5 * SECOND),
        "queued_at": moment(0),
        "tasks": [
            {
                "task_id": "B",
                "state": "success",
                "started_at": moment(3 * SECOND),
                "ended_at": moment(4 * SECOND),
                **task,
            },
            {"task_id": "A", "state": "success", "started_at": moment(SECOND), "ended_at": moment(2 * SECOND), **task},
            {
                **task,
                "task_id": "C",
                "state": "success",
                "started_at": None,
                "ended_at": moment(5 * SECOND),
                "cached_from": "t",
            },
        ],
    }
    with PlainProgress(lines.append) as progress:
        teller = RunTeller(progress)
        teller.tell(document)
        teller.tell(document)  # nothing new, so nothing more is said
    assert [line.split(" ", 1)[1] for line in lines] == [
        "A running",
        "A success 1.0 s",
        "B running",
        "B success 1.0 s",
        "C success from the cache",
        "run r1 of p success",
    ]


def test_targets_are_files_with_or_without_a_pipeline(tmp_path: Path) -> None:
    odd = tmp_path / "a:b.py"
    odd.write_text("")
    assert read_target("flows/train.py") == (Path("flows/train.py"), None)
    assert read_target("flows/train.py:small") == (Path("flows/train.py"), "small")
    assert read_target(str(odd)) == (odd, None)
    assert read_target(f"{odd}:small") == (odd, "small")
    with pytest.raises(UsageError):
        read_target("flow.py:")


def test_parameters_keep_everything_after_the_first_sign() -> None:
    assert read_params(["a=1", "b=x=y", "c="]) == {"a": "1", "b": "x=y", "c": ""}
    assert read_params(None) == {}
    for wrong in (["a"], ["=1"], ["a=1", "a=2"]):
        with pytest.raises(UsageError):
            read_params(wrong)
