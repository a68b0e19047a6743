"""Cron expressions and the instants at which they fire in a time zone.

What happens when the local clock jumps depends on the expression, as in Debian's cron:

* An hour field that covers every hour (``*/15 * * * *``, ``0 * * * *``) counts elapsed time: it fires at each
  instant at which the clock shows a matching time. Times that the clock skips do not happen; in a repeated hour
  it fires both times.
* Any other expression (``30 2 * * *``, ``0 */2 * * *``) counts wall-clock times, each exactly once: a repeated
  time fires at its first occurrence, a skipped time fires at the end of the gap, and when a gap moves two times
  onto the same instant they are one fire. A date that the zone skipped as a whole has no fires.

Airflow agrees on the first kind; of the second it takes the later occurrence of a repeated time and moves a
skipped one by the length of the gap. Here the run is never later than the wall clock asked for.

`next_fire` and `previous_fire` are inverse on the fires, which are strictly increasing in UTC.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING

from millrace.core.errors import UsageError
from millrace.core.schedule.zones import first_instant, instants, repeated_span, wall_clock

if TYPE_CHECKING:
    from cronsim import CronSim

_TICK = timedelta(microseconds=1)
_SECOND = timedelta(seconds=1)
_ALL_HOURS = frozenset(range(24))
_NAIVE_EPOCH = datetime(2000, 1, 1)  # noqa: DTZ001 - a wall-clock time, in no zone on purpose
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_WRAPPED_RANGE = re.compile(r"(\d+)-(\d+)(?:/(\d+))?")

#: name, first and last value, what else is allowed
_FIELDS = (
    ("minute", 0, 59, ""),
    ("hour", 0, 23, ""),
    ("day of month", 1, 31, ", L (the last day), LW (the last weekday)"),
    ("month", 1, 12, ", JAN-DEC"),
    ("day of week", 0, 6, ", 7 (Sunday, as 0), SUN-SAT, 5#2 (the second Friday), 5L (the last Friday)"),
    ("second", 0, 59, ""),
)

PRESETS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@quarterly": "0 0 1 */3 *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}


def checked_expression(text: str) -> str:
    """The expression, presets spelt out and blanks tidied; UsageError that names the bad field and what it may hold.

    Five fields, or six with the seconds last, as croniter (and so Airflow) reads them.
    """
    fields = PRESETS.get(text.strip(), text).split()
    if len(fields) not in {5, 6}:
        names = ", ".join(name for name, *_ in _FIELDS[:5])
        raise UsageError(
            f"the cron expression {text!r} has {len(fields)} field{'' if len(fields) == 1 else 's'}, not 5 or 6",
            remedy=f"The fields are: {names}, and optionally second.",
        )
    for position, field in enumerate(fields):
        alone = ["*"] * 6
        alone[position] = _plain_field(position, field)
        try:
            _expansion(alone, _NAIVE_EPOCH)
        except _NoExpansion as error:
            raise _bad_field(text, position, field) from error
    expression = " ".join(fields)
    try:
        if next(_wall_times(expression, _NAIVE_EPOCH), None) is None:
            raise _never_fires(text)
    except _NoExpansion as error:
        raise _never_fires(text) from error
    return expression


def next_fire(expression: str, zone: tzinfo, after: datetime) -> datetime:
    """The first fire strictly after an instant."""
    if zone is UTC:
        return _first(expression, _wall_times(expression, after.replace(tzinfo=None))).replace(tzinfo=UTC)
    if _covers_every_hour(expression):
        return _next_elapsed(expression, zone, after)
    local = wall_clock(after, zone)
    fires = (first_instant(time, zone) for time in _wall_times(expression, local))
    return _first(expression, (fire for fire in fires if fire is not None and fire > after))


def previous_fire(expression: str, zone: tzinfo, before: datetime) -> datetime:
    """The last fire strictly before an instant."""
    if zone is UTC:
        return _first(expression, _wall_times(expression, before.replace(tzinfo=None), reverse=True)).replace(
            tzinfo=UTC
        )
    if _covers_every_hour(expression):
        return _previous_elapsed(expression, zone, before)
    local = wall_clock(before, zone)
    span = repeated_span(local.replace(fold=0), zone)
    # In the second pass of a repeated hour the clock has already shown everything up to the end of that hour.
    start = span[1] if span and local.fold else local
    fires = (first_instant(time, zone) for time in _wall_times(expression, start + _SECOND, reverse=True))
    return _first(expression, (fire for fire in fires if fire is not None and fire < before))


def fire_at_or_after(expression: str, zone: tzinfo, instant: datetime) -> datetime:
    return next_fire(expression, zone, instant - _TICK)


def fire_at_or_before(expression: str, zone: tzinfo, instant: datetime) -> datetime:
    return previous_fire(expression, zone, instant + _TICK)


def _next_elapsed(expression: str, zone: tzinfo, after: datetime) -> datetime:
    local = wall_clock(after, zone)
    shown = (at for time in _wall_times(expression, local) for at in instants(time, zone))
    fire = _first(expression, (at for at in shown if at > after))
    span = None if local.fold else repeated_span(local, zone)
    if span is None or wall_clock(fire, zone) < span[1]:
        return fire
    # `after` is in the first pass of a repeated hour with no match left: the clock goes back, look there.
    again = (at for time in _wall_times(expression, span[0] - _SECOND) for at in instants(time, zone))
    return _first(expression, (at for at in again if at > after))


def _previous_elapsed(expression: str, zone: tzinfo, before: datetime) -> datetime:
    local = wall_clock(before, zone)
    shown = (at for time in _wall_times(expression, local, reverse=True) for at in reversed(instants(time, zone)))
    fire = _first(expression, (at for at in shown if at < before))
    span = repeated_span(local.replace(fold=0), zone) if local.fold else None
    if span is None or wall_clock(fire, zone) >= span[0]:
        return fire
    again = (at for time in _wall_times(expression, span[1], reverse=True) for at in reversed(instants(time, zone)))
    return _first(expression, (at for at in again if at < before))


def _wall_times(expression: str, start: datetime, *, reverse: bool = False) -> Iterator[datetime]:
    """Matching wall-clock times strictly after (before) a naive one; ends when 50 years hold none."""
    fields = [_plain_field(position, field) for position, field in enumerate(expression.split())]
    yield from _expansion(fields, start, reverse=reverse)


def _first(expression: str, fires: Iterator[datetime]) -> datetime:
    for fire in fires:
        return fire
    raise _never_fires(expression)


def _covers_every_hour(expression: str) -> bool:
    hour = expression.split()[1]
    if hour == "*":
        return True
    return _expansion(["0", _plain_field(1, hour), "*", "*", "*"], _NAIVE_EPOCH).hours >= _ALL_HOURS


class _NoExpansion(Exception):
    """A field that is not cron, or fields that together match no date."""


def _expansion(fields: list[str], start: datetime, *, reverse: bool = False) -> CronSim:
    from cronsim import CronSim, CronSimError  # lazy: only pipelines with a cron schedule need it

    seconds_first = fields[-1:] + fields[:-1] if len(fields) == 6 else fields
    try:
        return CronSim(" ".join(seconds_first), start.replace(fold=0), reverse=reverse)
    except CronSimError as error:
        raise _NoExpansion(str(error)) from error


def _plain_field(position: int, field: str) -> str:
    """A field in the form that the expansion library knows: no ``?``, ``L5``, nor ranges over the end (``22-2``)."""
    _, low, high, _ = _FIELDS[position]
    field = field.upper()
    if field == "?":
        return "*"
    for names, first in ((_MONTHS, 1),) if position == 3 else ((_DAYS, 0),) if position == 4 else ():
        for value, name in enumerate(names, start=first):
            field = re.sub(rf"\b{name}(?=\b|L)", str(value), field)
    if position == 4:
        field = re.sub(r"\bL([0-7])\b", r"\1L", field)
    return ",".join(_unwrapped(term, low, high) for term in field.split(","))


def _unwrapped(term: str, low: int, high: int) -> str:
    found = _WRAPPED_RANGE.fullmatch(term)
    if not found or int(found[1]) <= int(found[2]):
        return term
    start, end, step = int(found[1]), int(found[2]), int(found[3] or 1)
    if end < low or step == 0 or start > high + (low == 0 and high == 6):
        return term
    span = high - low + 1
    values = range(start, end + span + (start > high), step)
    return ",".join(str(low + (value - low) % span) for value in values)


def _bad_field(text: str, position: int, field: str) -> UsageError:
    name, low, high, extra = _FIELDS[position]
    return UsageError(
        f"the cron expression {text!r} has a bad {name} field: {field!r}",
        remedy=f"Allowed for {name}: {low}-{high}, *, ranges (1-5), lists (1,3), steps (*/2){extra}.",
    )


def _never_fires(text: str) -> UsageError:
    return UsageError(
        f"the cron expression {text!r} never fires: no date matches its day and month fields",
        remedy="Check the day of month against the month (there is no 30 February).",
    )
