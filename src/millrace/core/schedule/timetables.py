"""The timetables: each answers which run comes next, given the last one.

Semantics are Airflow's: a run over a data interval is due at the interval's end, its logical date is the
interval's start, ``earliest`` and ``latest`` (start_date and end_date) bound the logical date and are
inclusive, and without catchup the next run is that of the latest complete interval.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from attrs import field, frozen

from millrace.core.errors import UsageError
from millrace.core.schedule import cron
from millrace.core.schedule.zones import zone_of

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

JsonObject = dict[str, Any]


def _utc(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise UsageError(
            f"the time {value.isoformat()} has no time zone",
            remedy="Convert it with millrace.core.schedule.to_utc(value, zone) first.",
        )
    return value.astimezone(UTC)


def _utc_or_none(value: datetime | None) -> datetime | None:
    return None if value is None else _utc(value)


def _microseconds(value: datetime) -> int:
    return (value - _EPOCH) // _MICROSECOND


@frozen(order=True)
class DataInterval:
    """The span [start, end) of data that a run is about; UTC. Both ends are equal for a point in time."""

    start: datetime = field(converter=_utc)
    end: datetime = field(converter=_utc)

    def __attrs_post_init__(self) -> None:
        if self.end < self.start:
            raise UsageError(
                f"the data interval ends ({self.end.isoformat()}) before it starts ({self.start.isoformat()})"
            )

    @classmethod
    def exact(cls, at: datetime) -> DataInterval:
        return cls(at, at)

    def to_json(self) -> JsonObject:
        """Epoch microseconds."""
        return {"start": _microseconds(self.start), "end": _microseconds(self.end)}

    @classmethod
    def from_json(cls, value: JsonObject) -> DataInterval:
        return cls(_EPOCH + value["start"] * _MICROSECOND, _EPOCH + value["end"] * _MICROSECOND)


@frozen(order=True)
class ScheduledRun:
    """A run that a timetable asks for: it may start at ``due_at``, not before."""

    logical_date: datetime = field(converter=_utc)
    data_interval: DataInterval
    due_at: datetime = field(converter=_utc)

    @classmethod
    def over(cls, interval: DataInterval) -> ScheduledRun:
        return cls(logical_date=interval.start, data_interval=interval, due_at=interval.end)


class Timetable(ABC):
    """When runs happen. Implementations are frozen values; equal ones schedule alike."""

    __slots__ = ()

    kind: ClassVar[str]
    #: how many of its runs may be active at a time, when the timetable itself has a say
    max_active_runs: ClassVar[int | None] = None

    @property
    @abstractmethod
    def summary(self) -> str:
        """A short text for listings, such as ``0 0 * * * (Europe/Berlin)``."""

    def next_run(
        self,
        last: DataInterval | None,
        *,
        earliest: datetime | None,
        latest: datetime | None,
        catchup: bool,
        now: datetime,
    ) -> ScheduledRun | None:
        """The run after the one over ``last``, or the first one; None when there is none (any more).

        ``last`` is the data interval of the newest scheduled run (manual runs do not count). The answer may be
        due in the future. All times are aware.
        """
        run = self._next(last, _utc_or_none(earliest), catchup=catchup, now=_utc(now))
        bound = _utc_or_none(latest)
        if run is None or (bound is not None and self._bounded_by(run) > bound):
            return None
        return run

    @abstractmethod
    def _next(
        self, last: DataInterval | None, earliest: datetime | None, *, catchup: bool, now: datetime
    ) -> ScheduledRun | None: ...

    def _bounded_by(self, run: ScheduledRun) -> datetime:
        """Which of the run's times end_date limits."""
        return run.logical_date

    def infer_manual_interval(self, run_after: datetime) -> DataInterval:
        """The data interval of a run that a person starts at ``run_after``."""
        return DataInterval.exact(run_after)

    def to_json(self) -> JsonObject:
        return {"kind": self.kind}


@frozen
class NullTimetable(Timetable):
    """``schedule=None``: only by hand, by an asset, or by another pipeline."""

    kind: ClassVar[str] = "null"

    @property
    def summary(self) -> str:
        return "None"

    def _next(
        self,
        last: DataInterval | None,  # noqa: ARG002 - the interface of every timetable
        earliest: datetime | None,  # noqa: ARG002 - the interface of every timetable
        *,
        catchup: bool,  # noqa: ARG002 - the interface of every timetable
        now: datetime,  # noqa: ARG002 - the interface of every timetable
    ) -> ScheduledRun | None:
        return None


@frozen
class OnceTimetable(Timetable):
    """``@once``: one run, at start_date, or at once when there is none. Catchup has no say."""

    kind: ClassVar[str] = "once"

    @property
    def summary(self) -> str:
        return "@once"

    def _next(
        self,
        last: DataInterval | None,
        earliest: datetime | None,
        *,
        catchup: bool,  # noqa: ARG002 - the interface of every timetable
        now: datetime,
    ) -> ScheduledRun | None:
        return None if last is not None else ScheduledRun.over(DataInterval.exact(earliest or now))


@frozen
class ContinuousTimetable(Timetable):
    """``@continuous``: the next run as soon as the one before it has ended, one at a time.

    Its intervals run from the end of the last one to now, so it is the caller who asks only when no run is active.
    """

    kind: ClassVar[str] = "continuous"
    max_active_runs: ClassVar[int | None] = 1

    @property
    def summary(self) -> str:
        return "@continuous"

    def _next(
        self,
        last: DataInterval | None,
        earliest: datetime | None,
        *,
        catchup: bool,  # noqa: ARG002 - the interface of every timetable
        now: datetime,
    ) -> ScheduledRun | None:
        start = max(last.end, earliest or last.end) if last else earliest or now
        return ScheduledRun.over(DataInterval(start, max(start, now)))

    def _bounded_by(self, run: ScheduledRun) -> datetime:
        return run.due_at


class _IntervalTimetable(Timetable):
    """Runs over contiguous data intervals, each due at its interval's end."""

    __slots__ = ()

    @abstractmethod
    def _following(self, start: datetime) -> datetime:
        """The end of the interval that starts at ``start``."""

    @abstractmethod
    def _aligned_up(self, earliest: datetime) -> datetime:
        """The first interval start at or after ``earliest``."""

    @abstractmethod
    def _aligned_down(self, end: datetime) -> datetime:
        """The last interval start at or before ``end``; where the schedule changed, ``end`` may be off its fires."""

    @abstractmethod
    def _latest_complete(self, now: datetime, earliest: datetime | None) -> datetime:
        """The start of the latest interval that has ended."""

    def _next(
        self, last: DataInterval | None, earliest: datetime | None, *, catchup: bool, now: datetime
    ) -> ScheduledRun | None:
        starts = []
        if last is not None:
            starts.append(self._aligned_down(last.end))
        if earliest is not None:
            starts.append(self._aligned_up(earliest))
        if not catchup:
            starts.append(self._latest_complete(now, earliest))
        if not starts:
            return None
        start = max(starts)
        return ScheduledRun.over(DataInterval(start, self._following(start)))


@frozen
class CronDataInterval(_IntervalTimetable):
    """Cron, read on the clock of ``timezone``: data interval [previous fire, this fire), due at this fire."""

    kind: ClassVar[str] = "cron_data_interval"

    expression: str = field(converter=cron.checked_expression)
    timezone: str = "UTC"

    def __attrs_post_init__(self) -> None:
        zone_of(self.timezone)

    @property
    def summary(self) -> str:
        return self.expression if self.timezone == "UTC" else f"{self.expression} ({self.timezone})"

    def _following(self, start: datetime) -> datetime:
        return cron.next_fire(self.expression, zone_of(self.timezone), start)

    def _aligned_up(self, earliest: datetime) -> datetime:
        return cron.fire_at_or_after(self.expression, zone_of(self.timezone), earliest)

    def _aligned_down(self, end: datetime) -> datetime:
        return cron.fire_at_or_before(self.expression, zone_of(self.timezone), end)

    def _latest_complete(self, now: datetime, earliest: datetime | None) -> datetime:  # noqa: ARG002 - cron needs no anchor
        return self.infer_manual_interval(now).start

    def infer_manual_interval(self, run_after: datetime) -> DataInterval:
        """The latest complete interval at ``run_after``."""
        zone = zone_of(self.timezone)
        end = cron.fire_at_or_before(self.expression, zone, _utc(run_after))
        return DataInterval(cron.previous_fire(self.expression, zone, end), end)

    def to_json(self) -> JsonObject:
        return {"kind": self.kind, "expression": self.expression, "timezone": self.timezone}


@frozen
class CronTrigger(Timetable):
    """Cron as cron itself: a run at each fire, over the point in time, or over ``interval`` before it."""

    kind: ClassVar[str] = "cron_trigger"

    expression: str = field(converter=cron.checked_expression)
    timezone: str = "UTC"
    interval: timedelta = timedelta(0)

    def __attrs_post_init__(self) -> None:
        zone_of(self.timezone)
        if self.interval < timedelta(0):
            raise UsageError(f"the data interval of a trigger cannot be negative: {self.interval}")

    @property
    def summary(self) -> str:
        return self.expression if self.timezone == "UTC" else f"{self.expression} ({self.timezone})"

    def _next(
        self, last: DataInterval | None, earliest: datetime | None, *, catchup: bool, now: datetime
    ) -> ScheduledRun | None:
        zone = zone_of(self.timezone)
        fires = []
        if last is not None:
            fires.append(cron.next_fire(self.expression, zone, last.end))
        if earliest is not None:
            fires.append(cron.fire_at_or_after(self.expression, zone, earliest))
        if not fires:
            fires.append(cron.fire_at_or_after(self.expression, zone, now))
        if not catchup:
            fires.append(cron.fire_at_or_before(self.expression, zone, now))
        return ScheduledRun.over(self.infer_manual_interval(max(fires)))

    def _bounded_by(self, run: ScheduledRun) -> datetime:
        return run.due_at

    def infer_manual_interval(self, run_after: datetime) -> DataInterval:
        return DataInterval(run_after - self.interval, run_after)

    def to_json(self) -> JsonObject:
        return {
            "kind": self.kind,
            "expression": self.expression,
            "timezone": self.timezone,
            "interval_us": self.interval // _MICROSECOND,
        }


@frozen
class DeltaDataInterval(_IntervalTimetable):
    """A fixed length of elapsed time: data intervals ``anchor + k * delta``, each due at its end.

    A day is 24 hours here, over a clock change too; a schedule by the local clock is a cron expression. The
    anchor is the pipeline's start_date; without one, ``earliest``, then the epoch (as Airflow rounds).
    """

    kind: ClassVar[str] = "delta_data_interval"

    delta: timedelta
    anchor: datetime | None = field(default=None, converter=_utc_or_none)

    def __attrs_post_init__(self) -> None:
        if self.delta <= timedelta(0):
            raise UsageError(
                f"a schedule's interval must be longer than zero, not {self.delta}",
                remedy="Give a positive timedelta, or None for no schedule.",
            )

    @property
    def summary(self) -> str:
        return f"every {self.delta}"

    def _following(self, start: datetime) -> datetime:
        return start + self.delta

    def _aligned_up(self, earliest: datetime) -> datetime:
        return earliest if self.anchor is None else earliest + (self.anchor - earliest) % self.delta

    def _aligned_down(self, end: datetime) -> datetime:
        return end

    def _latest_complete(self, now: datetime, earliest: datetime | None) -> datetime:
        return now - (now - (self.anchor or earliest or _EPOCH)) % self.delta - self.delta

    def infer_manual_interval(self, run_after: datetime) -> DataInterval:
        return DataInterval(run_after - self.delta, run_after)

    def to_json(self) -> JsonObject:
        return {
            "kind": self.kind,
            "delta_us": self.delta // _MICROSECOND,
            "anchor": None if self.anchor is None else _microseconds(self.anchor),
        }


def due_runs(
    timetable: Timetable,
    last: DataInterval | None,
    *,
    earliest: datetime | None,
    latest: datetime | None,
    catchup: bool,
    now: datetime,
    limit: int,
) -> Iterator[ScheduledRun]:
    """The runs that are due at ``now`` and not yet made, oldest first, at most ``limit`` of them."""
    for _ in range(limit):
        run = timetable.next_run(last, earliest=earliest, latest=latest, catchup=catchup, now=now)
        if run is None or run.due_at > now or run.data_interval == last:
            return
        yield run
        # A continuous timetable has one run a call: what follows it begins where it ends, at `now`.
        last = run.data_interval
        if timetable.max_active_runs == 1:
            return
