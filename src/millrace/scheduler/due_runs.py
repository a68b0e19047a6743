"""Turns due schedules into queued pipeline runs."""

from __future__ import annotations

from millrace.core.errors import ConflictError
from millrace.core.graph import Graph
from millrace.core.parameters import bind_parameters
from millrace.core.records import Pipeline, PipelineRun
from millrace.core.states import RunState, RunTrigger
from millrace.interfaces import ExecutionStore, Ids, PipelineStore
from millrace.scheduler.schedules import DueRun, next_due_run

BURST = 100
"""Runs that one pipeline may get queued in one step; a long catchup takes several steps and starves nobody."""


def queue_due_runs(pipelines: PipelineStore, execution: ExecutionStore, ids: Ids, now: int) -> int:
    """Queue every scheduled run that is due. How many.

    A run and the pipeline's next due time are written in one transaction, and the store refuses a second run of one
    logical date: two schedulers that see the same due pipeline make one run.
    """
    queued = 0
    for pipeline in pipelines.due(now):
        graph = pipelines.version(pipeline.version).graph
        queued += _queue(pipeline, graph, pipelines, execution, ids, now)
    return queued


def first_due_at(graph: Graph, last: PipelineRun | None, now: int) -> int | None:
    """When the next scheduled run of a pipeline is due, given its newest scheduled one."""
    due = next_due_run(graph, _interval(last), now)
    return None if due is None else due.due_at


def _queue(
    pipeline: Pipeline, graph: Graph, pipelines: PipelineStore, execution: ExecutionStore, ids: Ids, now: int
) -> int:
    interval = _interval(execution.last_scheduled(pipeline.name))
    for count in range(BURST):
        due = next_due_run(graph, interval, now)
        if due is None or due.due_at > now:
            pipelines.set_next_due(pipeline.name, None if due is None else due.due_at)
            return count
        interval = (due.data_interval_start, due.data_interval_end)
        following = next_due_run(graph, interval, now)
        run = _run(pipeline, graph, due, ids, now)
        try:
            execution.create_run(run, next_due_at=None if following is None else following.due_at)
        except ConflictError:
            continue  # another scheduler queued it
    return BURST


def _run(pipeline: Pipeline, graph: Graph, due: DueRun, ids: Ids, now: int) -> PipelineRun:
    return PipelineRun(
        run_id=ids.new(),
        pipeline=pipeline.name,
        version=pipeline.version,
        trigger=RunTrigger.SCHEDULE,
        params=bind_parameters(graph, {}),
        state=RunState.QUEUED,
        queued_at=now,
        logical_date=due.logical_date,
        data_interval_start=due.data_interval_start,
        data_interval_end=due.data_interval_end,
    )


def _interval(run: PipelineRun | None) -> tuple[int, int] | None:
    if run is None or run.data_interval_start is None or run.data_interval_end is None:
        return None
    return run.data_interval_start, run.data_interval_end
