"""Turns due schedules into queued pipeline runs."""

from __future__ import annotations

import logging

from millrace.core.errors import ConflictError, NotFoundError, UsageError
from millrace.core.graph import Graph
from millrace.core.parameters import bind_parameters
from millrace.core.records import Pipeline, PipelineRun
from millrace.core.states import RunState, RunTrigger
from millrace.interfaces import ExecutionStore, Ids, PipelineStore
from millrace.scheduler.schedules import DueRun, most_unfinished, next_due_run

BURST = 100
"""Runs that one pipeline may get queued in one step, and have waiting beside those that may run at a time: a long
catchup takes several steps, fills no database and starves nobody."""
HELD_BACK = 1_000_000
"""Microseconds until a pipeline is looked at again that has as many unfinished runs as it may."""

_log = logging.getLogger("millrace.scheduler")


def queue_due_runs(pipelines: PipelineStore, execution: ExecutionStore, ids: Ids, now: int) -> int:
    """Queue every scheduled run that is due. How many.

    A run and the pipeline's next due time are written in one transaction, and the store refuses a second run of one
    logical date: two schedulers that see the same due pipeline make one run.
    """
    queued = 0
    for pipeline in pipelines.due(now):
        graph = pipelines.version(pipeline.version).graph
        try:
            queued += _queue(pipeline, graph, pipelines, execution, ids, now)
        except NotFoundError:
            continue  # its file was taken away a moment ago
        except UsageError as error:
            _log.error("the schedule of pipeline %r is off until the pipeline changes: %s", pipeline.name, error)
            pipelines.set_next_due(pipeline.name, None)
    return queued


def first_due_at(graph: Graph, last: PipelineRun | None, now: int) -> int | None:
    """When the next scheduled run of a pipeline is due, given its newest scheduled one."""
    due = next_due_run(graph, _interval(last), now)
    return None if due is None else due.due_at


def _queue(
    pipeline: Pipeline, graph: Graph, pipelines: PipelineStore, execution: ExecutionStore, ids: Ids, now: int
) -> int:
    interval = _interval(execution.last_scheduled(pipeline.name))
    most = most_unfinished(graph) or graph.max_active_runs + BURST
    unfinished, _ = execution.runs(pipeline=pipeline.name, states=(RunState.QUEUED, RunState.RUNNING), limit=most)
    for count in range(BURST):
        due = next_due_run(graph, interval, now)
        if due is None or due.due_at > now:
            pipelines.set_next_due(pipeline.name, None if due is None else due.due_at)
            return count
        if len(unfinished) + count >= most:
            pipelines.set_next_due(pipeline.name, now + HELD_BACK)
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
