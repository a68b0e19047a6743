"""A database that refuses for a while, wake-ups that never come, and requests that arrive at a bad moment."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from millrace.core.attempts import FailureKind
from millrace.core.errors import StorageError
from millrace.core.graph import Graph
from millrace.core.states import RunState
from millrace.scheduler.scheduler import Scheduler
from tests.scheduler.conftest import LEASE, Bench
from tests.scheduler.test_scheduler import PAIR, task


class Refusing:
    """A method of a store that refuses its next ``times`` calls; ``calls`` are the monotonic times of them all."""

    def __init__(self, method: Callable[..., Any]) -> None:
        self.times = 0
        self.calls: list[float] = []
        self._method = method

    def __call__(self, *args: object, **named: object) -> Any:
        self.calls.append(time.monotonic())
        if self.times:
            self.times -= 1
            raise StorageError("the server closed the connection")
        return self._method(*args, **named)


@contextmanager
def serving(scheduler: Scheduler) -> Iterator[threading.Thread]:
    thread = threading.Thread(target=scheduler.serve)
    thread.start()
    try:
        yield thread
    finally:
        scheduler.stop()
        thread.join()


def until(holds: Callable[[], bool]) -> None:
    give_up = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < give_up
        time.sleep(0.005)


@pytest.mark.parametrize("method", ["commit", "lease", "cancel_requests", "wakes_at"])
def test_a_database_that_restarts_costs_no_attempt(bench: Bench, monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    refusing = Refusing(getattr(bench.execution, method))
    bench.register(PAIR)
    scheduler, executor = bench.scheduler()
    run_id = bench.trigger(PAIR)
    with serving(scheduler) as thread:
        until(lambda: len(executor.launched) == 1)
        monkeypatch.setattr(bench.execution, method, refusing)
        refusing.times = 3
        executor.succeed(executor.of("a"))
        scheduler.wake()
        until(lambda: len(executor.launched) == 2)
        executor.succeed(executor.of("b"))
        until(lambda: bench.execution.run(run_id).state is RunState.SUCCESS)
        assert thread.is_alive()
    assert refusing.times == 0
    assert executor.stopped == {}
    assert [a.number for a in bench.execution.attempts(run_id)] == [1, 1]


def test_a_database_that_stays_away_is_asked_with_pauses(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    refusing = Refusing(bench.execution.wakes_at)
    refusing.times = 10_000
    monkeypatch.setattr(bench.execution, "wakes_at", refusing)
    scheduler, _ = bench.scheduler()
    with serving(scheduler):
        until(lambda: len(refusing.calls) >= 4)
    pauses = [b - a for a, b in zip(refusing.calls, refusing.calls[1:], strict=False)]
    assert min(pauses) > 0.01
    assert pauses[2] > pauses[0], "longer and longer"


def test_a_run_whose_notification_was_lost_is_found(bench: Bench) -> None:
    bench.register(PAIR)
    scheduler, executor = bench.scheduler()
    scheduler.step(look=True)
    bench.schedulers.clear()  # nobody is told
    bench.trigger(PAIR)
    assert scheduler._seconds_to_next() <= 60
    bench.clock.advance(seconds=60)
    scheduler.step(look=True)
    assert [launch.task_id for launch in executor.launched] == ["a"]


def test_a_cancel_whose_notification_was_lost_is_found(bench: Bench) -> None:
    bench.register(PAIR)
    scheduler, executor = bench.scheduler()
    run_id = bench.trigger(PAIR)
    scheduler.step(look=True)
    scheduler.step(look=True)
    bench.execution.request_cancel(run_id, now=bench.clock.now())
    bench.clock.advance(seconds=60)
    scheduler.step(look=True)
    assert set(executor.stopped.values()) == {"cancelled on request"}


def kinds(bench: Bench, run_id: str) -> list[str]:
    return [e.kind for e in bench.execution.events(run_id)]


def test_a_cancel_is_an_event_once(bench: Bench) -> None:
    bench.register(PAIR)
    scheduler, executor = bench.scheduler()
    run_id = bench.trigger(PAIR)
    scheduler.step(look=True)
    bench.execution.request_cancel(run_id, now=bench.clock.now())
    for _ in range(5):  # other runs wake the scheduler while this one's attempt is being stopped
        scheduler.wake()
        scheduler.step(look=True)
    executor.fail(executor.of("a"), FailureKind.CANCELLED)
    scheduler.step(look=True)
    assert kinds(bench, run_id).count("CancelRequested") == 1
    assert bench.execution.run(run_id).state is RunState.CANCELLED


def test_a_run_that_is_stopped_gets_no_more_slots(bench: Bench) -> None:
    graph = Graph("wide", tuple(task(f"t{i}") for i in range(20)))
    bench.register(graph)
    scheduler, executor = bench.scheduler()
    executor.capacity = 2
    run_id = bench.trigger(graph)
    scheduler.step(look=True)
    bench.execution.request_cancel(run_id, now=bench.clock.now())
    scheduler.wake()
    scheduler.step(look=True)
    for launch in list(executor.live.values()):
        executor.fail(launch, FailureKind.CANCELLED)
    scheduler.step(look=True)
    assert bench.execution.run(run_id).state is RunState.CANCELLED
    assert kinds(bench, run_id).count("SlotGranted") == 2


def test_a_cancel_of_a_run_whose_scheduler_died_before_it_began(bench: Bench) -> None:
    bench.register(PAIR)
    run_id = bench.trigger(PAIR)
    bench.execution.lease("first", now=bench.clock.now(), ttl=LEASE, limit=1, admit=lambda _p, _n: 1)
    bench.execution.request_cancel(run_id, now=bench.clock.now())
    second, executor = bench.scheduler("second")
    second.step(look=True)
    second._seconds_to_next()
    bench.clock.advance(seconds=6)
    second.step(look=True)
    assert executor.launched == []
    assert bench.execution.run(run_id).state is RunState.CANCELLED


def test_a_run_that_timed_out_before_a_takeover_launches_nothing_more(bench: Bench) -> None:
    graph = Graph("slow", (task("a"), task("b")), run_timeout=2_000_000)
    bench.register(graph)
    first, lost = bench.scheduler("first")
    lost.capacity = 1
    run_id = bench.trigger(graph)
    first.step(look=True)
    bench.clock.advance(seconds=3)
    first.step(look=True)
    assert bench.states(run_id) == {"a": "queued", "b": "skipped"}
    bench.clock.advance(seconds=6)
    second, executor = bench.scheduler("second")
    second.step(look=True)
    assert executor.launched == []
    run = bench.execution.run(run_id)
    assert (run.state, run.reason) == (RunState.FAILED, "the run did not finish within 2 s")


def test_what_is_observed_was_committed(bench: Bench) -> None:
    bench.register(PAIR)
    seen: list[str] = []
    first, executor = bench.scheduler("first", observe=lambda step: seen.append(step.lease_owner))
    bench.trigger(PAIR)
    first.step(look=True)
    bench.clock.advance(seconds=6)
    second, _ = bench.scheduler("second")
    second.step(look=True)
    seen.clear()
    executor.succeed(executor.of("a"))
    first.step(look=True)
    assert first.active == 0
    assert seen == []


def test_versions_that_no_run_uses_are_not_kept(bench: Bench) -> None:
    scheduler, executor = bench.scheduler()
    for number in range(100):
        graph = Graph("edited", (task("a"),), description=str(number))
        bench.register(graph)
        bench.trigger(graph)
        scheduler.step(look=True)
        executor.succeed(executor.of("a"))
        scheduler.step(look=True)
    assert scheduler.active == 0
    assert len(scheduler._versions) <= 32
