"""The shell around the machine: leases, takeovers, caches, limits, faults of the store."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from millrace.core.attempts import FailureKind, WrittenOutput
from millrace.core.errors import StorageError
from millrace.core.events import event_from_log
from millrace.core.graph import Constant, Graph, InputSpec, OutputRef, OutputSpec, ParameterRef, RetryPolicy, TaskSpec
from millrace.core.records import Step
from millrace.core.schedule import parse_schedule
from millrace.core.states import AttemptState, RunState
from millrace.scheduler.due_runs import first_due_at
from millrace.testing.simulation import replay, states
from tests.scheduler.conftest import LEASE, Bench

VALUE = OutputSpec("return_value", "value", "int")


def task(task_id: str, *upstream: str, **fields: object) -> TaskSpec:
    return TaskSpec(task_id, "c", "m:f", upstream=upstream, **fields)  # type: ignore[arg-type] # test shorthand


def given(value: object) -> list[WrittenOutput]:
    return [WrittenOutput("return_value", "value", "int", value)]


PAIR = Graph("pair", (task("a"), task("b", "a")))


def test_a_run_goes_from_trigger_to_success(bench: Bench) -> None:
    bench.register(PAIR)
    scheduler, executor = bench.scheduler()
    run_id = bench.trigger(PAIR)
    scheduler.step(look=True)
    assert bench.states(run_id) == {"a": "queued", "b": "none"}
    executor.start_attempt(executor.of("a"))
    scheduler.step(look=True)
    assert bench.states(run_id)["a"] == "running"
    executor.succeed(executor.of("a"))
    scheduler.step(look=True)
    executor.succeed(executor.of("b"))
    scheduler.step(look=True)
    run = bench.execution.run(run_id)
    assert run.state is RunState.SUCCESS
    assert run.started_at is not None
    assert run.ended_at is not None
    assert scheduler.active == 0


def test_the_log_of_events_replays_to_the_stored_states(bench: Bench) -> None:
    graph = Graph("g", (task("a", retry=RetryPolicy(retries=1, delay=1_000_000)), task("b", "a")))
    bench.register(graph)
    scheduler, executor = bench.scheduler()
    run_id = bench.trigger(graph)
    scheduler.step(look=True)
    executor.start_attempt(executor.of("a"))
    executor.fail(executor.of("a"))
    scheduler.step(look=True)
    bench.clock.advance(seconds=1)
    scheduler.step(look=True)
    executor.succeed(executor.of("a"))
    scheduler.step(look=True)
    executor.succeed(executor.of("b"))
    scheduler.step(look=True)
    events = [
        event_from_log(e.kind, e.at, graph.positions[e.task_id] if e.task_id else None, e.payload)
        for e in bench.execution.events(run_id)
    ]
    assert states(replay(graph, events)) == bench.states(run_id) == {"a": "success", "b": "success"}
    assert bench.task_run(run_id, "a").tries == 2


def test_values_reach_the_tasks_that_ask_for_them(bench: Bench) -> None:
    inputs = (InputSpec("x", "value", "int"), InputSpec("y", "value", "int"), InputSpec("z", "value", "int"))
    bindings = {"x": OutputRef("a", "return_value"), "y": ParameterRef("n"), "z": Constant(3)}
    graph = Graph("g", (task("a", outputs=(VALUE,)), task("b", "a", inputs=inputs, bindings=bindings)))
    bench.register(graph)
    scheduler, executor = bench.scheduler()
    bench.trigger(graph, n=2)
    scheduler.step(look=True)
    executor.succeed(executor.of("a"), given(1))
    scheduler.step(look=True)
    assert {name: i.value for name, i in executor.of("b").inputs.items()} == {"x": 1, "y": 2, "z": 3}


def test_an_output_that_was_not_given_fails_the_task_that_needs_it(bench: Bench) -> None:
    needs = (InputSpec("x", "value", "int"),)
    graph = Graph(
        "g",
        (
            task("a", outputs=(VALUE,)),
            task("b", "a", inputs=needs, bindings={"x": OutputRef("a", "return_value")}, trigger_rule="all_done"),
        ),
    )
    bench.register(graph)
    scheduler, executor = bench.scheduler()
    run_id = bench.trigger(graph)
    scheduler.step(look=True)
    executor.fail(executor.of("a"))
    scheduler.step(look=True)
    failed = bench.task_run(run_id, "b")
    assert failed.state == "failed"
    assert "input 'x' needs output 'return_value' of task 'a'" in failed.reason


def cached_graph(name: str = "g") -> Graph:
    reads = (InputSpec("x", "value", "int"),)
    return Graph(
        name,
        (
            task("a", outputs=(VALUE,), inputs=reads, bindings={"x": ParameterRef("n")}, cache=True),
            task("b", "a", outputs=(VALUE,), inputs=reads, bindings={"x": OutputRef("a", "return_value")}, cache=True),
        ),
    )


def run_cached(bench: Bench, graph: Graph, n: int, outputs: Sequence[int]) -> tuple[str, int]:
    """The run, and how many attempts it took."""
    scheduler, executor = bench.scheduler(f"owner-{len(bench.schedulers)}")
    run_id = bench.trigger(graph, n=n)
    scheduler.step(look=True)
    for task_id, value in zip(("a", "b"), outputs, strict=True):
        live = [launch for launch in executor.live.values() if launch.task_id == task_id]
        for launch in live:
            executor.succeed(launch, given(value))
            scheduler.step(look=True)
    assert bench.execution.run(run_id).state is RunState.SUCCESS
    return run_id, len(executor.launched)


def test_the_second_run_is_taken_from_the_cache(bench: Bench) -> None:
    graph = cached_graph()
    bench.register(graph)
    first, attempts = run_cached(bench, graph, 1, (10, 20))
    assert attempts == 2
    second, attempts = run_cached(bench, graph, 1, (10, 20))
    assert attempts == 0
    assert bench.task_run(second, "b").cached_from == bench.task_run(first, "b").task_run_id


def test_only_what_depends_on_the_change_runs_again(bench: Bench) -> None:
    graph = cached_graph()
    bench.register(graph)
    run_cached(bench, graph, 1, (10, 20))
    third, attempts = run_cached(bench, graph, 2, (10, 20))
    assert attempts == 1, "a has another parameter; b reads the same value as before"
    assert bench.task_run(third, "b").cached_from is not None


def test_a_dead_schedulers_run_is_taken_over(bench: Bench) -> None:
    bench.register(PAIR)
    first, lost = bench.scheduler("first")
    run_id = bench.trigger(PAIR)
    first.step(look=True)
    old = lost.of("a")
    lost.start_attempt(old)
    first.step(look=True)

    second, executor = bench.scheduler("second")
    second.step(look=True)
    assert executor.launched == [], "the lease still holds"
    bench.clock.advance(seconds=LEASE / 1_000_000 + 1)
    second.wake()
    second.step(look=True)
    new = executor.of("a")
    assert (new.token, new.number) == (2, 1), "a lost attempt is no try"
    attempts = bench.execution.attempts(run_id)
    assert [a.state for a in attempts] == [AttemptState.LOST, AttemptState.LAUNCHED]

    lost.succeed(old)
    first.step(look=True)
    assert bench.states(run_id) == {"a": "queued", "b": "none"}, "the old scheduler's commit is refused"
    assert first.active == 0
    executor.succeed(new)
    second.step(look=True)
    executor.succeed(executor.of("b"))
    second.step(look=True)
    assert bench.execution.run(run_id).state is RunState.SUCCESS


def test_what_had_ended_before_a_takeover_is_not_run_again(bench: Bench) -> None:
    graph = Graph("g", (task("a", outputs=(VALUE,)), task("b", "a"), task("c", "b")))
    bench.register(graph)
    first, lost = bench.scheduler("first")
    run_id = bench.trigger(graph)
    first.step(look=True)
    lost.succeed(lost.of("a"), given(7))
    first.step(look=True)
    bench.clock.advance(seconds=60)
    second, executor = bench.scheduler("second")
    second.step(look=True)
    assert [launch.task_id for launch in executor.launched] == ["b"]
    assert bench.states(run_id)["a"] == "success"


def test_a_cancelled_run_stops_its_attempts_and_ends(bench: Bench) -> None:
    bench.register(PAIR)
    scheduler, executor = bench.scheduler()
    run_id = bench.trigger(PAIR)
    scheduler.step(look=True)
    bench.execution.request_cancel(run_id, now=bench.clock.now())
    scheduler.wake()
    scheduler.step(look=True)
    launch = executor.of("a")
    assert executor.stopped == {launch.attempt_id: "cancelled on request"}
    executor.fail(launch, FailureKind.CANCELLED, "cancelled on request")
    scheduler.step(look=True)
    assert bench.execution.run(run_id).state is RunState.CANCELLED
    assert bench.states(run_id) == {"a": "failed", "b": "skipped"}


def test_a_run_that_takes_too_long_fails(bench: Bench) -> None:
    graph = Graph("slow", (task("a"),), run_timeout=2_000_000)
    bench.register(graph)
    scheduler, executor = bench.scheduler()
    run_id = bench.trigger(graph)
    scheduler.step(look=True)
    bench.clock.advance(seconds=3)
    scheduler.step(look=True)
    executor.fail(executor.of("a"), FailureKind.CANCELLED, "stopped")
    scheduler.step(look=True)
    run = bench.execution.run(run_id)
    assert (run.state, run.reason) == (RunState.FAILED, "the run did not finish within 2 s")


def test_no_more_runs_are_active_than_the_pipeline_allows(bench: Bench) -> None:
    graph = Graph("one_by_one", (task("a"),), max_active_runs=1)
    bench.register(graph)
    scheduler, executor = bench.scheduler()
    runs = [bench.trigger(graph) for _ in range(3)]
    for done in range(3):
        scheduler.step(look=True)
        assert [bench.execution.run(r).state.value for r in runs].count("running") == 1
        assert len(executor.launched) == done + 1
        executor.succeed(executor.launched[-1])
        scheduler.step(look=True)
    assert all(bench.execution.run(r).state is RunState.SUCCESS for r in runs)


def test_slots_go_round_the_runs(bench: Bench) -> None:
    graph = Graph("wide", tuple(task(f"t{i}") for i in range(4)))
    bench.register(graph)
    scheduler, executor = bench.scheduler()
    executor.capacity = 4
    runs = {bench.trigger(graph), bench.trigger(graph)}
    scheduler.step(look=True)
    assert [launch.run_id for launch in executor.launched].count(min(runs)) == 2


def test_a_schedule_queues_what_is_due_once(bench: Bench) -> None:
    timetable = parse_schedule("0 * * * *")
    graph = Graph("hourly", (task("a"),), schedule=timetable.to_json(), start_date="2023-11-14T00:00:00+00:00")
    bench.register(graph, next_due_at=first_due_at(graph, None, bench.clock.now()))
    scheduler, executor = bench.scheduler()
    scheduler.step(look=True)
    assert len(executor.launched) == 1, "without catchup the latest whole interval alone"
    executor.succeed(executor.of("a"))
    scheduler.step(look=True)
    bench.clock.advance(seconds=3600)
    scheduler.wake()
    scheduler.step(look=True)
    scheduler.wake()
    scheduler.step(look=True)
    assert len(executor.launched) == 2
    intervals = [(x.data_interval_start, x.data_interval_end) for x in executor.launched]
    assert intervals[0][1] == intervals[1][0]


def test_a_scheduler_that_slept_past_its_lease_goes_on_with_its_attempts(bench: Bench) -> None:
    bench.register(PAIR)
    scheduler, executor = bench.scheduler()
    run_id = bench.trigger(PAIR)
    scheduler.step(look=True)
    bench.clock.advance(seconds=3600)
    scheduler.wake()
    scheduler.step(look=True)
    assert len(executor.launched) == 1, "the attempt still runs here: it is not lost"
    executor.succeed(executor.of("a"))
    scheduler.step(look=True)
    executor.succeed(executor.of("b"))
    scheduler.step(look=True)
    assert bench.execution.run(run_id).state is RunState.SUCCESS


class FullDisk:
    """A store whose commits fail while ``full``."""

    def __init__(self, bench: Bench) -> None:
        self.full = False
        self._commit = bench.execution.commit

    def commit(self, steps: Sequence[Step]) -> None:
        if self.full:
            raise StorageError("the disk is full")
        self._commit(steps)


def test_a_refused_commit_acts_on_nothing_and_the_run_goes_on_later(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = FullDisk(bench)
    monkeypatch.setattr(bench.execution, "commit", disk.commit)
    bench.register(PAIR)
    scheduler, executor = bench.scheduler()
    run_id = bench.trigger(PAIR)
    disk.full = True
    with pytest.raises(StorageError):
        scheduler.step(look=True)
    assert executor.launched == [], "nothing is launched that is not in the store"
    scheduler._forget_all()
    disk.full = False
    scheduler.step(look=True)
    assert [launch.task_id for launch in executor.launched] == ["a"]
    assert bench.states(run_id) == {"a": "queued", "b": "none"}
