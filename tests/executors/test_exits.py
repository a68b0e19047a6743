"""The words for how a process ended, and the evidence for lack of memory."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from millrace.core.attempts import FailureKind
from millrace.executors.durations import in_words
from millrace.executors.local.exits import OomCounter, describe_exit, describe_failed_start


def test_an_exit_code() -> None:
    assert describe_exit(3, out_of_memory=True) == (
        FailureKind.EXITED,
        "the process exited with code 3 before the task returned",
    )


@pytest.mark.parametrize(
    ("number", "out_of_memory", "kind", "words"),
    [
        (signal.SIGSEGV, False, FailureKind.SIGNALLED, "killed by SIGSEGV"),
        (signal.SIGSEGV, True, FailureKind.SIGNALLED, "killed by SIGSEGV"),
        (signal.SIGKILL, False, FailureKind.SIGNALLED, "for lack of memory"),
        (signal.SIGKILL, True, FailureKind.OUT_OF_MEMORY, "out of memory"),
        (60, False, FailureKind.SIGNALLED, "killed by signal 60"),
    ],
)
def test_a_signal(number: int, out_of_memory: bool, kind: FailureKind, words: str) -> None:
    found, reason = describe_exit(-number, out_of_memory=out_of_memory)
    assert found is kind
    assert words in reason


def test_a_failed_start_quotes_the_last_line() -> None:
    assert describe_failed_start(1, ["Traceback", "ImportError: x", " "], late=None).endswith(
        "it exited with code 1 (ImportError: x)"
    )
    assert describe_failed_start(-9, [], late="60 s").endswith("it was not ready within 60 s")
    assert describe_failed_start(-11, [], late=None).endswith("it was killed by SIGSEGV")


@pytest.mark.parametrize(
    ("membership", "file", "text"),
    [
        ("0::/a/b\n", "a/b/memory.events", "low 0\noom 2\noom_kill 5\noom_group_kill 0\n"),
        ("9:name=systemd:/\n4:memory:/c\n0::/\n", "memory/c/memory.oom_control", "under_oom 0\noom_kill 5\n"),
    ],
)
def test_the_counters_of_the_control_group_and_the_machine(
    tmp_path: Path, membership: str, file: str, text: str
) -> None:
    proc, groups = tmp_path / "proc", tmp_path / "groups"
    (proc / "self").mkdir(parents=True)
    (proc / "self" / "cgroup").write_text(membership)
    (proc / "vmstat").write_text("nr_free_pages 1\noom_kill 99\n")
    counter = OomCounter(proc, groups)
    assert counter.read() == 99
    (groups / file).parent.mkdir(parents=True)
    (groups / file).write_text(text)
    assert counter.read() == 99 + 5


def test_no_counter_at_all(tmp_path: Path) -> None:
    assert OomCounter(tmp_path / "proc", tmp_path / "groups").read() == 0


def test_the_counter_of_this_machine_is_readable() -> None:
    assert OomCounter().read() >= 0


@pytest.mark.parametrize(
    ("micros", "words"),
    [
        (250_000, "250 ms"),
        (1_000_000, "1 s"),
        (1_500_000, "1.5 s"),
        (90_000_000, "90 s"),
        (120_000_000, "2 min"),
        (7_200_000_000, "2 h"),
    ],
)
def test_durations(micros: int, words: str) -> None:
    assert in_words(micros) == words
