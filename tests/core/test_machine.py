"""The state machine under random graphs, outcomes, crashes and cancels."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace.core.attempts import FailureKind
from millrace.core.events import (
    AttemptFailed,
    AttemptStarted,
    AttemptSucceeded,
    CancelRequested,
    EndRun,
    FenceReport,
    LaunchAttempt,
    OfferTask,
    RunStarted,
    SlotGranted,
    StopAttempt,
    WakeAt,
    event_from_log,
    event_payload,
)
from millrace.core.graph import Graph, RetryPolicy, TaskSpec
from millrace.core.machine import handle
from millrace.core.progress import RunProgress
from millrace.core.rules.relaunch_lost import LOST_LIMIT
from millrace.core.rules.trigger_rule import TRIGGER_RULES
from millrace.core.states import RunState, TaskState
from millrace.testing.simulation import Chances, Simulation, replay, states


@st.composite
def graphs(draw: st.DrawFn, rules: tuple[str, ...] = tuple(TRIGGER_RULES)) -> Graph:
    count = draw(st.integers(1, 12))
    tasks = []
    for i in range(count):
        upstream = draw(st.sets(st.integers(0, i - 1), max_size=4)) if i else set()
        tasks.append(
            TaskSpec(
                f"t{i}",
                "c",
                "m:f",
                upstream=tuple(f"t{u}" for u in sorted(upstream)),
                trigger_rule=draw(st.sampled_from(rules)),
                retry=RetryPolicy(retries=draw(st.integers(0, 2)), delay=1_000_000),
                cache=draw(st.booleans()),
            )
        )
    return Graph("g", tuple(tasks))


SEEDS = st.integers(0, 2**32 - 1)
STORMY = Chances(fail=0.2, skip=0.1, no_retry=0.05, lost=0.1, cache=0.3, crash=0.05, cancel=0.01)


def simulate(graph: Graph, seed: int, chances: Chances) -> Simulation:
    simulation = Simulation(graph, random.Random(seed), chances)
    simulation.run()
    return simulation


def oracle(rule: str, upstream: tuple[TaskState, ...]) -> bool:
    """Whether a task may start while its upstreams are in these states, straight from the rules' definitions."""
    done = [u for u in upstream if u.ended]
    ok = [u for u in upstream if u is TaskState.SUCCESS]
    bad = [u for u in upstream if u in (TaskState.FAILED, TaskState.UPSTREAM_FAILED)]
    skipped = [u for u in upstream if u is TaskState.SKIPPED]
    everything = len(done) == len(upstream)
    return {
        "all_success": len(ok) == len(upstream),
        "all_failed": len(bad) == len(upstream),
        "all_done": everything,
        "all_done_min_one_success": everything and bool(ok),
        "all_skipped": len(skipped) == len(upstream),
        "one_success": bool(ok),
        "one_failed": bool(bad),
        "one_done": any(u in (TaskState.SUCCESS, TaskState.FAILED) for u in upstream),
        "none_failed": everything and not bad,
        "none_failed_min_one_success": everything and not bad and bool(ok),
        "none_skipped": everything and not skipped,
        "always": True,
    }[rule]


@given(graphs(), SEEDS)
def test_every_run_ends_and_every_task_with_it(graph: Graph, seed: int) -> None:
    progress = simulate(graph, seed, STORMY).progress
    assert progress.state.ended
    assert progress.unfinished == 0
    assert progress.active == 0
    assert all(t.state.ended for t in progress.tasks)


@given(graphs(), SEEDS)
def test_no_task_starts_before_its_trigger_rule_holds(graph: Graph, seed: int) -> None:
    for task_id, upstream in simulate(graph, seed, STORMY).history.starts:
        assert not upstream or oracle(graph.by_id[task_id].trigger_rule, upstream), (task_id, upstream)


@given(graphs(), SEEDS)
def test_no_task_runs_again_after_success(graph: Graph, seed: int) -> None:
    """A success that was delivered counts once; after it the task is not launched again."""
    simulation = simulate(graph, seed, STORMY)
    ended: set[int] = set()
    progress = RunProgress(graph)
    for event in simulation.history.events:
        for instruction in handle(progress, event):
            assert not (isinstance(instruction, LaunchAttempt | OfferTask) and instruction.task in ended)
        ended |= {i for i, t in enumerate(progress.tasks) if t.state is TaskState.SUCCESS}


@given(graphs(), SEEDS)
def test_the_same_events_replay_to_the_same_state(graph: Graph, seed: int) -> None:
    """Also over crashes: what was restored from the store goes on exactly as if nothing had happened."""
    simulation = simulate(graph, seed, STORMY)
    again = replay(graph, simulation.history.events)
    assert states(again) == states(simulation.progress)
    assert again.state is simulation.progress.state
    assert [t.tries for t in again.tasks] == [t.tries for t in simulation.progress.tasks]


@given(graphs(), SEEDS)
def test_the_log_goes_through_json(graph: Graph, seed: int) -> None:
    events = simulate(graph, seed, STORMY).history.events
    back = [event_from_log(type(e).__name__, e.at, getattr(e, "task", None), event_payload(e)) for e in events]
    assert back == events


@given(graphs(("all_success",)), SEEDS)
def test_without_failures_everything_succeeds(graph: Graph, seed: int) -> None:
    calm = Chances(fail=0, skip=0, no_retry=0, lost=0.1, cache=0.2, crash=0.0, cancel=0)
    progress = simulate(graph, seed, calm).progress
    if all(t.token - t.tries < LOST_LIMIT for t in progress.tasks):
        assert progress.state is RunState.SUCCESS
        assert set(states(progress).values()) == {"success"}


@given(graphs(), SEEDS)
def test_tries_never_exceed_retries_plus_one(graph: Graph, seed: int) -> None:
    for spec, task in zip(graph.tasks, simulate(graph, seed, STORMY).progress.tasks, strict=True):
        assert task.tries <= spec.retry.retries + 1


# --- single rules ---------------------------------------------------------------------------------------------------


def one_task(**fields: object) -> RunProgress:
    task = TaskSpec("t", "c", "m:f", **fields)  # type: ignore[arg-type] # test shorthand
    progress = RunProgress(Graph("g", (task,)))
    handle(progress, RunStarted(0))
    handle(progress, SlotGranted(1, 0))
    return progress


def test_a_stale_report_is_fenced_and_changes_nothing() -> None:
    run = one_task()
    handle(run, AttemptFailed(2, 0, 1, FailureKind.LOST, "gone"))
    handle(run, SlotGranted(3, 0))
    assert handle(run, AttemptSucceeded(4, 0, 1)) == [FenceReport(0, 1)]
    assert run.tasks[0].state is TaskState.QUEUED
    assert handle(run, AttemptSucceeded(5, 0, 2)) == [EndRun(RunState.SUCCESS, "")]


def test_a_lost_attempt_is_launched_again_without_counting_as_a_try() -> None:
    run = one_task(retry=RetryPolicy(retries=0))
    for token in range(1, LOST_LIMIT):
        handle(run, AttemptStarted(2, 0, token))
        assert handle(run, AttemptFailed(3, 0, token, FailureKind.LOST, "gone")) == [OfferTask(0, use_cache=False)]
        assert run.tasks[0].tries == 0
        handle(run, SlotGranted(4, 0))
    handle(run, AttemptFailed(6, 0, LOST_LIMIT, FailureKind.LOST, "gone"))
    assert run.state is RunState.FAILED


def test_retries_wait_and_then_end() -> None:
    run = one_task(retry=RetryPolicy(retries=1, delay=5_000_000))
    handle(run, AttemptStarted(10, 0, 1))
    assert handle(run, AttemptFailed(20, 0, 1, FailureKind.RAISED, "boom")) == [WakeAt(0, 5_000_020)]
    assert run.tasks[0].state is TaskState.UP_FOR_RETRY


def test_no_retry_fails_at_once() -> None:
    run = one_task(retry=RetryPolicy(retries=5))
    handle(run, AttemptStarted(10, 0, 1))
    out = handle(run, AttemptFailed(20, 0, 1, FailureKind.NO_RETRY, "hopeless"))
    assert out == [EndRun(RunState.FAILED, "task 't' failed")]


def test_cancel_stops_what_runs_and_never_retries() -> None:
    run = one_task(retry=RetryPolicy(retries=5))
    assert handle(run, CancelRequested(5, "asked")) == [StopAttempt(0, 1, "asked")]
    out = handle(run, AttemptFailed(6, 0, 1, FailureKind.CANCELLED, "asked"))
    assert out == [EndRun(RunState.CANCELLED, "asked")]


@pytest.mark.parametrize(("tries", "low", "high"), [(1, 10, 20), (2, 20, 40), (3, 40, 80), (9, 100, 100)])
def test_exponential_backoff_grows_and_is_capped(tries: int, low: int, high: int) -> None:
    from millrace.core.rules.retry_with_backoff import retry_delay

    policy = RetryPolicy(retries=9, delay=10, exponential=True, max_delay=100)
    assert low <= retry_delay(policy, tries, "t") <= high
    assert retry_delay(policy, tries, "t") == retry_delay(policy, tries, "t")


def test_a_long_chain_of_skips_needs_no_recursion() -> None:
    tasks = [TaskSpec("t0", "c", "m:f")]
    tasks += [TaskSpec(f"t{i}", "c", "m:f", upstream=(f"t{i - 1}",)) for i in range(1, 20_000)]
    run = RunProgress(Graph("g", tuple(tasks)))
    handle(run, RunStarted(0))
    handle(run, SlotGranted(1, 0))
    handle(run, AttemptStarted(2, 0, 1))
    handle(run, AttemptFailed(3, 0, 1, FailureKind.RAISED, "boom"))
    assert run.state is RunState.FAILED
