"""From what a person writes as ``schedule=`` to a timetable, and from stored JSON back to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from millrace.core.errors import UsageError, did_you_mean
from millrace.core.schedule.cron import PRESETS
from millrace.core.schedule.timetables import (
    ContinuousTimetable,
    CronDataInterval,
    CronTrigger,
    DeltaDataInterval,
    NullTimetable,
    OnceTimetable,
    Timetable,
)
from millrace.core.schedule.zones import name_of, to_utc

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def parse_schedule(
    value: str | timedelta | Timetable | None,
    *,
    timezone: str | None = None,
    start_date: datetime | None = None,
    seconds: Literal["first", "last"] = "last",
) -> Timetable:
    """The timetable of a ``schedule=`` value.

    ``value``: None, ``@once``, ``@continuous``, a preset such as ``@daily``, a cron expression of five or six
    fields, a timedelta, or a timetable, which is returned as it is. ``timezone`` is an IANA name; left out, it
    is that of an aware ``start_date``, as in Airflow, else UTC. ``seconds`` says where a sixth field stands:
    last as in Airflow, first as in Kubeflow Pipelines.

    UsageError when the value is none of these; for a cron expression it names the bad field and what is allowed.
    """
    if isinstance(value, Timetable):
        return value
    if value is None:
        return NullTimetable()
    zone = timezone or _zone_of_start(start_date)
    if isinstance(value, timedelta):
        return DeltaDataInterval(value, anchor=None if start_date is None else to_utc(start_date, zone))
    if isinstance(value, str):
        return _of_text(value.strip(), zone, seconds)
    raise UsageError(
        f"a schedule cannot be a {type(value).__name__}",
        remedy="Give a cron expression, a preset such as '@daily', a timedelta, a timetable or None.",
    )


def _zone_of_start(start_date: datetime | None) -> str:
    if start_date is None or start_date.tzinfo is None:
        return "UTC"
    name = name_of(start_date.tzinfo)
    if name is not None:
        return name
    offsets = [(start_date + timedelta(days=days)).utcoffset() for days in range(0, 366, 30)]
    if any(offsets):
        raise UsageError(
            f"the time zone of start_date ({start_date.tzinfo!r}) has no name to schedule by",
            remedy="Use zoneinfo.ZoneInfo('Europe/Berlin') or the like, or name the pipeline's timezone.",
        )
    return "UTC"


def _of_text(text: str, zone: str, seconds: Literal["first", "last"]) -> Timetable:
    if text == "@once":
        return OnceTimetable()
    if text == "@continuous":
        return ContinuousTimetable()
    if text.startswith("@"):
        if text not in PRESETS:
            known = [*PRESETS, "@once", "@continuous"]
            raise UsageError(f"there is no schedule {text!r}", remedy=did_you_mean(text, known))
        return CronDataInterval(PRESETS[text], zone)
    fields = text.split()
    if seconds == "first" and len(fields) == 6:
        text = " ".join([*fields[1:], fields[0]])
    return CronDataInterval(text, zone)


def _delta_from_json(value: Mapping[str, Any]) -> Timetable:
    anchor = value["anchor"]
    return DeltaDataInterval(
        value["delta_us"] * _MICROSECOND, anchor=None if anchor is None else _EPOCH + anchor * _MICROSECOND
    )


_READERS: dict[str, Callable[[Mapping[str, Any]], Timetable]] = {
    NullTimetable.kind: lambda _: NullTimetable(),
    OnceTimetable.kind: lambda _: OnceTimetable(),
    ContinuousTimetable.kind: lambda _: ContinuousTimetable(),
    CronDataInterval.kind: lambda value: CronDataInterval(value["expression"], value["timezone"]),
    CronTrigger.kind: lambda value: CronTrigger(
        value["expression"], value["timezone"], value["interval_us"] * _MICROSECOND
    ),
    DeltaDataInterval.kind: _delta_from_json,
}


def timetable_from_json(value: Mapping[str, Any]) -> Timetable:
    """What `Timetable.to_json` wrote, read back; UsageError when it is of no known kind or lacks a field."""
    kind = value.get("kind")
    reader = _READERS.get(kind) if isinstance(kind, str) else None
    if reader is None:
        raise UsageError(f"there is no timetable of kind {kind!r}", remedy=did_you_mean(str(kind), _READERS))
    try:
        return reader(value)
    except KeyError as error:
        raise UsageError(f"the stored timetable of kind {kind!r} lacks the field {error.args[0]!r}") from error
