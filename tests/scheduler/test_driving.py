"""One run brought to its end in the caller's thread: interruptions at a bad moment, cancels from elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import attrs
import pytest

from millrace.core.errors import StorageError
from millrace.core.events import event_from_log
from millrace.core.graph import Graph
from millrace.core.records import PipelineRun, Step
from millrace.core.states import RunState
from millrace.interfaces import LeaseLost
from millrace.scheduler.scheduler import Scheduler
from millrace.testing.manual_executor import ManualExecutor
from millrace.testing.simulation import replay, states
from tests.scheduler.conftest import LEASE, Bench
from tests.scheduler.test_scheduler import task

CHAIN = Graph("chain", (task("a"), task("b", "a"), task("c", "b")))


class Succeeding(ManualExecutor):
    """Each attempt succeeds when it is pumped, after ``seconds``."""

    seconds = 0.0
    pumped = 0
    on_third: Callable[[], object] = staticmethod(lambda: None)

    def pump(self) -> bool:
        for launch in list(self.live.values()):
            time.sleep(self.seconds)
            self.pumped += 1
            if self.pumped == 3:
                self.on_third()
            self.succeed(launch)
            return True
        return False


def driven(bench: Bench, graph: Graph) -> tuple[Scheduler, PipelineRun]:
    bench.register(graph)
    run_id = bench.trigger(graph)
    scheduler, _ = bench.scheduler("one", Succeeding(bench.clock))
    (record,) = bench.execution.lease("one", now=bench.clock.now(), ttl=LEASE, limit=1, admit=lambda _p, _n: 1)
    assert record.run_id == run_id
    return scheduler, record


@pytest.mark.parametrize("committed", [False, True])
@pytest.mark.parametrize("error", [KeyboardInterrupt, StorageError("no room")])
@pytest.mark.parametrize("at", [1, 2, 3])
def test_an_interrupted_commit_leaves_a_history_that_holds(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, at: int, error: BaseException, committed: bool
) -> None:
    scheduler, record = driven(bench, CHAIN)
    commit, calls = bench.execution.commit, 0

    def interrupted(steps: Sequence[Step]) -> None:
        nonlocal calls
        calls += 1
        if calls != at or committed:
            commit(steps)
        if calls == at:
            raise error

    monkeypatch.setattr(bench.execution, "commit", interrupted)
    with pytest.raises((KeyboardInterrupt, StorageError)):
        scheduler.drive(record, bench.pipelines.version(record.version))
    assert bench.execution.run(record.run_id).state is RunState.CANCELLED
    log = bench.execution.events(record.run_id)
    assert [e.seq for e in log] == list(range(1, len(log) + 1))
    places = CHAIN.positions
    events = [event_from_log(e.kind, e.at, places[e.task_id] if e.task_id else None, e.payload) for e in log]
    assert bench.states(record.run_id) == states(replay(CHAIN, events))
    assert all(a.state.ended for a in bench.execution.attempts(record.run_id))


def test_a_cancel_from_another_process_is_seen_between_two_tasks(bench: Bench) -> None:
    graph = Graph("long", tuple(task(f"t{i}", *([f"t{i - 1}"] if i else [])) for i in range(200)))
    scheduler, record = driven(bench, graph)
    assert isinstance(scheduler._executor, Succeeding)
    scheduler._executor.seconds = 0.02
    scheduler._parts = attrs.evolve(scheduler._parts, lease=300_000)
    scheduler._keeper._ttl = 300_000
    scheduler.start()
    scheduler._executor.on_third = lambda: bench.execution.request_cancel(record.run_id, now=bench.clock.now())
    scheduler.drive(record, bench.pipelines.version(record.version))
    scheduler.close()
    assert bench.execution.run(record.run_id).state is RunState.CANCELLED


def test_a_run_that_was_taken_over_is_not_passed_off_as_done(bench: Bench) -> None:
    scheduler, record = driven(bench, CHAIN)
    other, _ = bench.scheduler("other")

    def oversleep() -> None:
        bench.clock.advance(seconds=60)
        other.step(look=True)

    assert isinstance(scheduler._executor, Succeeding)
    scheduler._executor.on_third = oversleep
    with pytest.raises(LeaseLost, match=r"took run .* over"):
        scheduler.drive(record, bench.pipelines.version(record.version))
    assert other.active == 1
    assert bench.execution.run(record.run_id).state is RunState.RUNNING
