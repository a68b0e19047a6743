"""When the runs of a schedule are due, in the microseconds of the store."""

from __future__ import annotations

from datetime import UTC, datetime

import attrs

from millrace.core.graph import Graph
from millrace.core.schedule import DataInterval, timetable_from_json


@attrs.frozen
class DueRun:
    """Microseconds UTC. ``due_at`` is when the run may be queued."""

    logical_date: int
    data_interval_start: int
    data_interval_end: int
    due_at: int


def next_due_run(graph: Graph, last: tuple[int, int] | None, now: int) -> DueRun | None:
    """The run after the one over the data interval ``last``, or None if the schedule has no more.

    Without ``catchup`` the intervals that were missed are passed over.
    """
    if graph.schedule is None:
        return None
    timetable = timetable_from_json(graph.schedule)
    run = timetable.next_run(
        None if last is None else DataInterval(to_datetime(last[0]), to_datetime(last[1])),
        earliest=_date(graph.start_date),
        latest=_date(graph.end_date),
        catchup=graph.catchup,
        now=to_datetime(now),
    )
    if run is None:
        return None
    interval = run.data_interval
    return DueRun(
        to_microseconds(run.logical_date),
        to_microseconds(interval.start),
        to_microseconds(interval.end),
        to_microseconds(run.due_at),
    )


def most_unfinished(graph: Graph) -> int | None:
    """How many runs the timetable itself lets be queued or under way; None when it has no say."""
    return None if graph.schedule is None else timetable_from_json(graph.schedule).max_active_runs


def manual_interval(graph: Graph, at: int) -> tuple[int, int] | None:
    """The data interval of a run that a person starts at ``at``: the latest whole one, if there is a schedule."""
    if graph.schedule is None:
        return None
    interval = timetable_from_json(graph.schedule).infer_manual_interval(to_datetime(at))
    return to_microseconds(interval.start), to_microseconds(interval.end)


def _date(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def to_datetime(microseconds: int) -> datetime:
    seconds, rest = divmod(microseconds, 1_000_000)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest)


def to_microseconds(moment: datetime) -> int:
    delta = moment - _EPOCH
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
