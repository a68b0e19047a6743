"""Every way to end at once, on two workers: each launch ends once, as it should, with its own lines in its own log."""

from __future__ import annotations

import random
import signal
from pathlib import Path

import pytest

from millrace.core.attempts import FailureKind, Launch
from millrace.testing.executor_bench import ExecutorBench, Outcome
from tests.executors.conftest import MakeBench

COUNT = 120
WAYS: dict[str, FailureKind | str] = {
    "print_one": "succeeded",
    "nothing": "succeeded",
    "log_numbers": "succeeded",
    "skip": "skipped",
    "raise_value_error": FailureKind.RAISED,
    "leave": FailureKind.EXITED,
    "vanish": FailureKind.EXITED,
    "kill_itself": FailureKind.SIGNALLED,
    "never_return": FailureKind.TIMED_OUT,
}


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_storm(local_bench: MakeBench, tmp_path: Path, seed: int) -> None:
    bench = local_bench(recycle_after=9)
    chance = random.Random(seed)
    for _ in range(20):
        bench.run("nothing")
    ways = chance.choices(list(WAYS), weights=[30, 30, 10, 5, 5, 5, 2, 2, 2], k=COUNT)
    launches = [_launch(bench, way, i, tmp_path, chance.choice(["v1", "v1", "v1", "v2"])) for i, way in enumerate(ways)]
    stopped = {launch.attempt_id for launch in chance.sample(launches, 15)}
    at = 0
    while at < COUNT:
        size = chance.randint(1, 12)
        group = launches[at : at + size]
        bench.submit(*group)
        for launch in group:
            if launch.attempt_id in stopped:
                bench.executor.stop(launch.attempt_id, "enough")
        at += size
    for i, outcome in enumerate(bench.outcomes(*launches)):
        _check(bench, outcome, ways[i], i, stopped=outcome.launch.attempt_id in stopped)


def _launch(bench: ExecutorBench, way: str, number: int, folder: Path, version: str) -> Launch:
    arguments: dict[str, dict[str, object]] = {
        "print_one": {"text": f"text {number}"},
        "log_numbers": {"count": 5},
        "raise_value_error": {"text": "no"},
        "leave": {"code": 2},
        "vanish": {"code": 3},
        "kill_itself": {"number": int(signal.SIGSEGV)},
        "never_return": {"marker": str(folder / f"marker-{number}")},
    }
    return bench.launch(way, arguments.get(way), version=version, timeout=0.1 if way == "never_return" else None)


def _check(bench: ExecutorBench, outcome: Outcome, way: str, number: int, *, stopped: bool) -> None:
    end = outcome.end
    allowed = {WAYS[way], FailureKind.CANCELLED} if stopped else {WAYS[way]}
    assert (end.kind or end.event) in allowed, end
    log = [line for line in bench.log(outcome.launch) if not line.startswith(("Fatal Python", "  ", "Extension"))]
    if way == "print_one":
        assert log == [f"text {number}"] or (stopped and log == [])
    elif way == "nothing":
        assert log == []
    if way == "log_numbers" and end.event == "succeeded":
        assert len(outcome.asked) == 6
