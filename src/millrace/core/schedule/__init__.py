"""Timetables: when a pipeline runs, and over which data interval.

A timetable is a frozen value that goes to plain JSON and back (`to_json`, `timetable_from_json`). It holds no
clock: the caller passes ``now``. Every instant that goes in is aware and every one that comes out is UTC.

    timetable = parse_schedule("30 2 * * *", timezone="Europe/Berlin")
    run = timetable.next_run(last, earliest=start_date, latest=end_date, catchup=False, now=now)

The invariant: the data intervals of one timetable are contiguous, never overlap, and strictly increase in UTC,
over any change of the local clock (the rules are in `millrace.core.schedule.cron`).
"""

from millrace.core.schedule.parsing import parse_schedule, timetable_from_json
from millrace.core.schedule.timetables import (
    ContinuousTimetable,
    CronDataInterval,
    CronTrigger,
    DataInterval,
    DeltaDataInterval,
    NullTimetable,
    OnceTimetable,
    ScheduledRun,
    Timetable,
    due_runs,
)
from millrace.core.schedule.zones import to_utc

__all__ = [
    "ContinuousTimetable",
    "CronDataInterval",
    "CronTrigger",
    "DataInterval",
    "DeltaDataInterval",
    "NullTimetable",
    "OnceTimetable",
    "ScheduledRun",
    "Timetable",
    "due_runs",
    "parse_schedule",
    "timetable_from_json",
    "to_utc",
]
