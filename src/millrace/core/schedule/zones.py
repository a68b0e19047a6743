"""Local clocks and UTC: the one place where a wall-clock time becomes an instant.

A local clock may skip times (spring forward, a zone that changes sides of the date line) and repeat times (fall
back). The rule kept here: a wall-clock time stands for the first instant at which the local clock shows it or
has gone past it. So a repeated time means its first occurrence, a skipped one means the end of the gap, and
later wall-clock times never map to earlier instants.
"""

from __future__ import annotations

import re
from datetime import MAXYEAR, MINYEAR, UTC, datetime, time, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from attrs import frozen

from millrace.core.errors import UsageError, did_you_mean

_FIXED_OFFSET = re.compile(r"([+-])(\d{2}):?(\d{2})")
_SECOND = timedelta(seconds=1)
_DAY = timedelta(days=1)


@frozen
class ClockChange:
    """One jump of a local clock: at ``instant`` (UTC) it goes from ``before`` to ``after`` (naive local)."""

    instant: datetime
    before: datetime
    after: datetime

    def skips_whole_date(self, local: datetime) -> bool:
        midnight = datetime.combine(local.date(), time())
        return self.before <= midnight and midnight + _DAY <= self.after


def zone_of(name: str) -> tzinfo:
    """The zone of an IANA name (``Europe/Berlin``) or of a fixed offset (``+05:30``)."""
    if name in {"UTC", "Etc/UTC", "Z"}:
        return UTC
    offset = _FIXED_OFFSET.fullmatch(name)
    if offset:
        minutes = int(offset[2]) * 60 + int(offset[3])
        if minutes < 24 * 60:
            return timezone(timedelta(minutes=-minutes if offset[1] == "-" else minutes))
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise UsageError(
            f"there is no time zone {name!r}",
            remedy=did_you_mean(name, available_timezones())
            or "Give an IANA name such as Europe/Berlin, or an offset such as +05:30.",
        ) from error


def name_of(zone: tzinfo | None) -> str | None:
    """The name that `zone_of` turns back into this zone, or None when it has no such name.

    Knows ``zoneinfo`` and fixed offsets, and zones of other libraries by their ``name`` or ``zone`` attribute.
    """
    if zone is None:
        return None
    for attribute in ("key", "name", "zone"):
        name = getattr(zone, attribute, None)
        if isinstance(name, str):
            return name
    if isinstance(zone, timezone):
        offset = zone.utcoffset(None)
        minutes, odd_seconds = divmod(int(offset.total_seconds()), 60)
        if minutes == 0 and odd_seconds == 0:
            return "UTC"
        sign = "-" if minutes < 0 else "+"
        return None if odd_seconds else f"{sign}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"
    return None


def to_utc(value: datetime, zone_name: str = "UTC") -> datetime:
    """An instant in UTC; a naive value is read on the clock of ``zone_name``.

    The first and the last year that Python knows stand for "always" and "never" and are taken as they are.
    """
    if value.year in {MINYEAR, MAXYEAR}:
        return value.replace(tzinfo=UTC)
    if value.tzinfo is not None:
        return value.astimezone(UTC)
    zone = zone_of(zone_name)
    return first_instant(value, zone) or _gap_around(value, zone).instant


def wall_clock(instant: datetime, zone: tzinfo) -> datetime:
    """What the local clock shows at an instant: naive, ``fold`` kept."""
    return instant.astimezone(zone).replace(tzinfo=None)


def first_instant(local: datetime, zone: tzinfo) -> datetime | None:
    """The first instant at which the clock shows ``local`` (naive) or has gone past it.

    None when the clock skipped the whole date: a day that did not exist has no times.
    """
    candidate = local.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if wall_clock(candidate, zone) == local:
        return candidate
    gap = _gap_around(local, zone)
    return None if gap.skips_whole_date(local) else gap.instant


def instants(local: datetime, zone: tzinfo) -> tuple[datetime, ...]:
    """Every instant, in order, at which the clock shows ``local``: none in a gap, two in a repeated hour."""
    found = {local.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1)}
    return tuple(sorted(at for at in found if wall_clock(at, zone) == local))


def repeated_span(local: datetime, zone: tzinfo) -> tuple[datetime, datetime] | None:
    """The wall-clock span [start, end) shown twice that holds ``local``; None when ``local`` is not repeated."""
    twice = instants(local, zone)
    if len(twice) < 2:
        return None
    change = _change_between(twice[0], twice[1], zone)
    return change.after, change.before


def _gap_around(local: datetime, zone: tzinfo) -> ClockChange:
    early = local.replace(tzinfo=zone, fold=1).astimezone(UTC)
    late = local.replace(tzinfo=zone, fold=0).astimezone(UTC)
    return _change_between(early, late, zone)


def _change_between(early: datetime, late: datetime, zone: tzinfo) -> ClockChange:
    """Bisects to the second the one clock change in (early, late]."""
    early, late = early.replace(microsecond=0), late.replace(microsecond=0) + _SECOND
    before = early.astimezone(zone).utcoffset()
    while late - early > _SECOND:
        middle = early + _SECOND * ((late - early) // _SECOND // 2)
        if middle.astimezone(zone).utcoffset() == before:
            early = middle
        else:
            late = middle
    assert before is not None
    return ClockChange(
        instant=late, before=late.replace(tzinfo=None) + before, after=wall_clock(late, zone).replace(fold=0)
    )
