"""What a running task may know about itself: which run, which try, which data interval."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import attrs

from millrace.core.errors import UsageError
from millrace.core.types import Json
from millrace.interfaces import task_context

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@attrs.frozen
class CurrentTask:
    """The attempt that runs here. Times are aware, in UTC; None where the run has none (a run without a schedule)."""

    run_id: str
    pipeline: str
    task_id: str
    try_number: int
    """From 1."""
    logical_date: datetime | None
    data_interval_start: datetime | None
    data_interval_end: datetime | None
    params: Mapping[str, Json]
    """The parameters of the pipeline run."""


def current_task() -> CurrentTask:
    """The task that is running in this thread. UsageError outside a task.

    ``current_task().data_interval_start`` is where the data of a scheduled run begins.
    """
    context = task_context.get()
    if context is None:
        raise UsageError(
            "no task is running here",
            remedy="Call current_task() inside a task that a run executes; in a unit test pass what it would say.",
        )
    launch = context.launch
    return CurrentTask(
        run_id=launch.run_id,
        pipeline=launch.pipeline,
        task_id=launch.task_id,
        try_number=launch.number,
        logical_date=_moment(launch.logical_date),
        data_interval_start=_moment(launch.data_interval_start),
        data_interval_end=_moment(launch.data_interval_end),
        params=dict(launch.params),
    )


def _moment(microseconds: int | None) -> datetime | None:
    return None if microseconds is None else _EPOCH + timedelta(microseconds=microseconds)
