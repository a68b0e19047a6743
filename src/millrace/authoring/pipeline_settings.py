"""What is said of a pipeline as a whole: schedule, dates, limits, defaults for its tasks.

Invariant: a settings object is as the author wrote it; :meth:`PipelineSettings.graph_fields` is where it becomes
what a graph holds, and where anything wrong with it is found.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta, tzinfo
from typing import Any, TypedDict

import attrs

from millrace.authoring.constants import microseconds
from millrace.authoring.options import TaskOptions
from millrace.core.errors import GraphError, UsageError
from millrace.core.schedule import Timetable, parse_schedule, to_utc
from millrace.core.schedule.zones import name_of, zone_of


class CommonArguments(TypedDict, total=False):
    """The keyword arguments of ``@pipeline`` and ``@dag``."""

    schedule: str | timedelta | Timetable | None
    start_date: datetime | date | str | None
    end_date: datetime | date | str | None
    catchup: bool
    timezone: str | tzinfo | None
    max_active_runs: int
    tags: Sequence[str]
    description: str
    default_args: Mapping[str, Any] | None
    cache: bool | None


class PipelineArguments(CommonArguments, total=False):
    """Those of ``@pipeline``."""

    run_timeout: timedelta | float | None


class DagArguments(CommonArguments, total=False):
    """Those of ``@dag``."""

    dagrun_timeout: timedelta | float | None


@attrs.frozen
class PipelineSettings:
    """:class:`PipelineArguments` with their defaults."""

    name: str
    where: str
    schedule: Any = None
    start_date: datetime | date | str | None = None
    end_date: datetime | date | str | None = None
    catchup: bool = False
    timezone: str | tzinfo | None = None
    max_active_runs: int = 16
    run_timeout: timedelta | float | None = None
    tags: Sequence[str] = ()
    description: str = ""
    default_args: Mapping[str, Any] | None = None
    cache: bool | None = None

    @property
    def task_defaults(self) -> TaskOptions:
        arguments = dict(self.default_args or {})
        return TaskOptions.of(arguments, what=f"default_args of pipeline {self.name!r}", where=self.where)

    def graph_fields(self) -> dict[str, Any]:
        """The fields of :class:`millrace.core.graph.Graph` that these settings decide."""
        self._check_types()
        try:
            zone = self._zone()
            start, end = self._instant("start_date", zone), self._instant("end_date", zone)
            timetable = parse_schedule(self.schedule, timezone=zone, start_date=start)
        except UsageError as error:
            raise GraphError(
                f"pipeline {self.name!r}: {error.message}", where=self.where, remedy=error.remedy
            ) from error
        if start is not None and end is not None and end < start:
            raise GraphError(f"pipeline {self.name!r} ends before it starts", where=self.where)
        return {
            "name": self.name,
            "description": self.description,
            "schedule": None if self.schedule is None else timetable.to_json(),
            "start_date": None if start is None else start.isoformat(),
            "end_date": None if end is None else end.isoformat(),
            "timezone": zone,
            "catchup": bool(self.catchup),
            "max_active_runs": self.max_active_runs,
            "run_timeout": None
            if self.run_timeout is None
            else microseconds(self.run_timeout, "run_timeout", self.where),
            "tags": tuple(self.tags),
        }

    def _check_types(self) -> None:
        if isinstance(self.tags, str):
            raise GraphError("tags is one string", where=self.where, remedy=f"Pass a list: [{self.tags!r}].")
        if not all(isinstance(tag, str) for tag in self.tags):
            raise GraphError("tags are strings, and one of them is none", where=self.where)
        if not isinstance(self.max_active_runs, int):
            raise GraphError(f"max_active_runs must be a whole number, not {self.max_active_runs!r}", where=self.where)

    def _zone(self) -> str:
        """The time zone's name: the one given, or that of an aware ``start_date``, as in Airflow, or UTC."""
        if isinstance(self.timezone, str):
            zone_of(self.timezone)
            return self.timezone
        zone = self.timezone
        if zone is None and isinstance(self.start_date, datetime):
            zone = self.start_date.tzinfo
        return name_of(zone) or "UTC"

    def _instant(self, which: str, zone: str) -> datetime | None:
        value = getattr(self, which)
        if value is None:
            return None
        if isinstance(value, str):
            try:
                value = datetime.fromisoformat(value)
            except ValueError:
                raise UsageError(f"{which} {value!r} is no ISO date", remedy="For example: 2026-01-31.") from None
        elif isinstance(value, date) and not isinstance(value, datetime):
            value = datetime.combine(value, time())
        if not isinstance(value, datetime):
            raise UsageError(f"{which} cannot be a {type(value).__name__}", remedy="Pass a datetime.")
        return to_utc(value, zone)
