"""Schedules that would flood the database, that cannot be met, or whose pipeline goes away."""

from __future__ import annotations

import itertools

import pytest

from millrace.core.errors import GraphError
from millrace.core.graph import Graph, ParameterSpec
from millrace.core.graph_check import check
from millrace.core.schedule import parse_schedule
from millrace.core.states import RunState
from millrace.core.types import ValueType
from millrace.scheduler.due_runs import BURST, first_due_at
from tests.scheduler.conftest import Bench
from tests.scheduler.test_scheduler import task

START = "2023-11-14T00:00:00+00:00"


def scheduled(name: str, schedule: str, **fields: object) -> Graph:
    timetable = parse_schedule(schedule).to_json()
    return Graph(name, (task("a"),), schedule=timetable, start_date=START, **fields)  # type: ignore[arg-type] # test shorthand


def register(bench: Bench, graph: Graph) -> None:
    bench.register(graph, next_due_at=first_due_at(graph, None, bench.clock.now()))


def test_a_continuous_pipeline_has_one_run_at_a_time(bench: Bench) -> None:
    register(bench, scheduled("c", "@continuous"))
    scheduler, executor = bench.scheduler()
    for _ in range(5):
        scheduler.wake()
        scheduler.step(look=True)
        assert scheduler._seconds_to_next() > 0, "it does not spin until the run has ended"
        bench.clock.advance(seconds=2)
    assert len(executor.launched) == 1
    executor.succeed(executor.of("a"))
    scheduler.step(look=True)
    bench.clock.advance(seconds=2)
    scheduler.step(look=True)
    assert len(executor.launched) == 2
    first, second = executor.launched
    assert second.data_interval_start == first.data_interval_end


def test_a_long_catchup_is_queued_as_it_is_worked_off(bench: Bench) -> None:
    graph = scheduled("c", "* * * * *", catchup=True, max_active_runs=2)
    register(bench, graph)
    bench.clock.advance(seconds=86_400)
    scheduler, executor = bench.scheduler()
    for _ in range(10):
        scheduler.wake()
        scheduler.step(look=True)
        assert scheduler._seconds_to_next() > 0 or len(_queued(bench)) < BURST
        bench.clock.advance(seconds=2)
    assert len(_queued(bench)) <= BURST
    assert len(executor.launched) == 2
    for _ in range(3):
        for launch in list(executor.live.values()):
            executor.succeed(launch)
        bench.clock.advance(seconds=2)
        scheduler.step(look=True)
        scheduler.step(look=True)
    runs, _ = bench.execution.runs(limit=1_000)
    assert len(runs) > BURST + 2, "what was worked off made room for more"
    starts = sorted(r.data_interval_start or 0 for r in runs)
    assert all(b - a == 60_000_000 for a, b in itertools.pairwise(starts)), "none is left out"


def _queued(bench: Bench) -> list[str]:
    return [r.run_id for r in bench.execution.runs(states=[RunState.QUEUED], limit=10_000)[0]]


def test_a_schedule_needs_every_parameter_to_have_a_default() -> None:
    graph = scheduled("daily", "@daily", parameters=(ParameterSpec("x", ValueType.INT),))
    with pytest.raises(GraphError, match="'x' of pipeline 'daily' has no default"):
        check(graph)


def test_a_schedule_that_cannot_be_met_harms_no_other(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    register(bench, scheduled("bad", "@hourly", parameters=(ParameterSpec("x", ValueType.INT),)))
    register(bench, scheduled("good", "@hourly"))
    scheduler, executor = bench.scheduler()
    scheduler.step(look=True)
    assert [launch.pipeline for launch in executor.launched] == ["good"]
    assert "'bad'" in caplog.text
    assert bench.pipelines.pipeline("bad").next_due_at is None


def test_a_paused_pipeline_passes_over_what_it_missed(bench: Bench) -> None:
    register(bench, scheduled("hourly", "@hourly"))
    bench.pipelines.set_paused("hourly", paused=True, now=bench.clock.now())
    scheduler, executor = bench.scheduler()
    bench.clock.advance(seconds=10 * 3600)
    scheduler.wake()
    scheduler.step(look=True)
    assert executor.launched == []
    bench.pipelines.set_paused("hourly", paused=False, now=bench.clock.now())
    scheduler.wake()
    scheduler.step(look=True)
    (launch,) = executor.launched
    assert launch.data_interval_end is not None
    assert 0 <= bench.clock.now() - launch.data_interval_end < 3600_000_000
