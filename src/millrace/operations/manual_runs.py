"""The record of a run that a person starts."""

from __future__ import annotations

from collections.abc import Mapping

from millrace.core.records import PipelineRun, PipelineVersion
from millrace.core.states import RunState, RunTrigger
from millrace.core.types import Json
from millrace.scheduler.schedules import manual_interval


def manual_run(version: PipelineVersion, params: Mapping[str, Json], run_id: str, now: int) -> PipelineRun:
    """A queued run of ``version`` with bound ``params``; nobody holds it yet."""
    interval = manual_interval(version.graph, now)
    return PipelineRun(
        run_id=run_id,
        pipeline=version.graph.name,
        version=version.version,
        trigger=RunTrigger.MANUAL,
        params=params,
        state=RunState.QUEUED,
        queued_at=now,
        logical_date=now,
        data_interval_start=None if interval is None else interval[0],
        data_interval_end=None if interval is None else interval[1],
    )
