"""Cron fires in a zone, held against a brute-force clock over the worst days of several zones."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from millrace.core.errors import UsageError
from millrace.core.schedule import cron
from millrace.core.schedule.zones import to_utc, zone_of

MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)

#: zone, a UTC date near which its clock jumps
WORST_DAYS = [
    ("America/New_York", date(2024, 3, 10)),
    ("America/New_York", date(2024, 11, 3)),
    ("Europe/Berlin", date(2024, 3, 31)),
    ("Europe/Berlin", date(2024, 10, 27)),
    ("Australia/Lord_Howe", date(2024, 4, 6)),
    ("Australia/Lord_Howe", date(2024, 10, 5)),
    ("Asia/Kolkata", date(2024, 3, 31)),
    ("America/Sao_Paulo", date(2018, 2, 18)),
    ("America/Sao_Paulo", date(2018, 11, 4)),
    ("Pacific/Apia", date(2011, 12, 30)),
    ("Pacific/Apia", date(2012, 4, 1)),
    ("Africa/Casablanca", date(2024, 3, 10)),
    ("Africa/Casablanca", date(2024, 4, 14)),
    ("Pacific/Kwajalein", date(1993, 8, 21)),
    ("UTC", date(2024, 2, 29)),
]


def brute_force_fires(
    minutes: set[int], hours: set[int], zone: tzinfo, start: datetime, end: datetime
) -> list[datetime]:
    """Looks at the local clock minute by minute. `start` is well before any jump of interest."""
    fires = []
    shown = (start - MINUTE).astimezone(zone).replace(tzinfo=None)
    instant = start
    while instant <= end:
        wall = instant.astimezone(zone).replace(tzinfo=None)
        if len(hours) == 24:
            if wall.minute in minutes:
                fires.append(instant)
        else:
            passed = []
            step = shown + MINUTE
            while step <= wall:
                passed.append(step)
                step += MINUTE
            existing = {step.date() for step in (shown, wall)}
            if any(p.minute in minutes and p.hour in hours and p.date() in existing for p in passed):
                fires.append(instant)
            shown = max(shown, wall)
        instant += MINUTE
    return fires


@st.composite
def expressions(draw: st.DrawFn) -> tuple[str, set[int], set[int]]:
    minutes = draw(st.sets(st.sampled_from([0, 1, 15, 29, 30, 45, 59]), min_size=1, max_size=3))
    hours = draw(
        st.one_of(
            st.just(set(range(24))),
            st.just(set(range(0, 24, 2))),
            st.sets(st.integers(0, 4) | st.integers(22, 23), min_size=1, max_size=3),
        )
    )
    hour_field = "*" if len(hours) == 24 else ",".join(map(str, sorted(hours)))
    return f"{','.join(map(str, sorted(minutes)))} {hour_field} * * *", minutes, hours


@given(expressions(), st.sampled_from(WORST_DAYS))
@settings(max_examples=120, deadline=None)
def test_fires_are_those_of_a_clock_watched_minute_by_minute(
    expression: tuple[str, set[int], set[int]], day: tuple[str, date]
) -> None:
    text, minutes, hours = expression
    zone = zone_of(day[0])
    middle = datetime.combine(day[1], datetime.min.time(), tzinfo=UTC)
    start, end = middle - 2 * DAY, middle + 2 * DAY
    expected = brute_force_fires(minutes, hours, zone, start, end)

    forward = []
    at = cron.fire_at_or_after(text, zone, start)
    while at <= end:
        forward.append(at)
        at = cron.next_fire(text, zone, at)
    assert forward == expected

    backward = []
    at = cron.fire_at_or_before(text, zone, end)
    while at >= start:
        backward.append(at)
        at = cron.previous_fire(text, zone, at)
    assert backward[::-1] == expected


@given(
    expressions(),
    st.sampled_from(WORST_DAYS),
    st.integers(-2 * 86_400_000_000, 2 * 86_400_000_000),
)
@settings(max_examples=300, deadline=None)
def test_next_and_previous_enclose_any_instant(
    expression: tuple[str, set[int], set[int]], day: tuple[str, date], offset: int
) -> None:
    text, _, _ = expression
    zone = zone_of(day[0])
    instant = datetime.combine(day[1], datetime.min.time(), tzinfo=UTC) + timedelta(microseconds=offset)
    after = cron.next_fire(text, zone, instant)
    before = cron.previous_fire(text, zone, instant)
    assert before < instant < after
    assert cron.next_fire(text, zone, before) in {instant, after}
    assert cron.previous_fire(text, zone, after) in {instant, before}
    assert cron.fire_at_or_before(text, zone, after) == after == cron.fire_at_or_after(text, zone, after)


@pytest.mark.parametrize("name", sorted({name for name, _ in WORST_DAYS}))
def test_a_daily_time_in_the_skipped_hour_fires_once_on_each_local_date(name: str) -> None:
    zone = zone_of(name)
    at = datetime(2011, 1, 1, tzinfo=UTC)
    dates: list[date] = []
    while at < datetime(2013, 1, 1, tzinfo=UTC):
        following = cron.next_fire("30 2 * * *", zone, at)
        assert following > at
        at = following
        dates.append(at.astimezone(zone).date())
    expected = [dates[0] + k * DAY for k in range((dates[-1] - dates[0]).days + 1)]
    if name == "Pacific/Apia":
        expected.remove(date(2011, 12, 30))
    assert dates == expected


def local_fires(expression: str, zone_name: str, start: datetime, count: int) -> list[str]:
    zone = ZoneInfo(zone_name)
    at = to_utc(start, zone_name)
    shown = []
    for _ in range(count):
        at = cron.next_fire(expression, zone, at)
        shown.append(at.astimezone(zone).strftime("%d %H:%M%z"))
    return shown


def test_a_skipped_time_fires_at_the_end_of_the_gap() -> None:
    assert local_fires("30 2 * * *", "Europe/Berlin", datetime(2024, 3, 30), 3) == [
        "30 02:30+0100",
        "31 03:00+0200",
        "01 02:30+0200",
    ]


def test_a_repeated_time_fires_at_its_first_occurrence() -> None:
    assert local_fires("30 2 * * *", "Europe/Berlin", datetime(2024, 10, 26), 3) == [
        "26 02:30+0200",
        "27 02:30+0200",
        "28 02:30+0100",
    ]


def test_two_times_in_one_gap_are_one_fire() -> None:
    assert local_fires("0,30 2,3 * * *", "Europe/Berlin", datetime(2024, 3, 31), 3) == [
        "31 03:00+0200",
        "31 03:30+0200",
        "01 02:00+0200",
    ]


def test_an_hourly_expression_counts_elapsed_time() -> None:
    assert local_fires("30 * * * *", "Europe/Berlin", datetime(2024, 10, 27, 1, 0), 4) == [
        "27 01:30+0200",
        "27 02:30+0200",
        "27 02:30+0100",
        "27 03:30+0100",
    ]
    assert local_fires("30 * * * *", "Europe/Berlin", datetime(2024, 3, 31, 1, 0), 2) == [
        "31 01:30+0100",
        "31 03:30+0200",
    ]


def test_midnight_that_does_not_exist_fires_when_the_day_begins() -> None:
    assert local_fires("0 0 * * *", "America/Sao_Paulo", datetime(2018, 11, 3, 12), 2) == [
        "04 01:00-0200",
        "05 00:00-0200",
    ]


@pytest.mark.parametrize(
    ("expression", "after", "expected"),
    [
        ("0 0 * * 0", "2024-01-01", "2024-01-07"),
        ("0 0 * * 7", "2024-01-01", "2024-01-07"),
        ("0 0 * * fri-mon", "2024-01-01", "2024-01-05"),
        ("0 22-2 * * *", "2024-01-01T02:00", "2024-01-01T22:00"),
        ("0 22-2/2 * * *", "2024-01-01T22:00", "2024-01-02"),
        ("0 0 L * *", "2024-02-01", "2024-02-29"),
        ("0 0 * * fri#2", "2024-01-01", "2024-01-12"),
        ("0 0 * * L5", "2024-01-01", "2024-01-26"),
        ("0 0 * * 5L", "2024-01-01", "2024-01-26"),
        ("0 0 1 jan ?", "2024-01-01", "2025-01-01"),
        ("0 0 29 2 *", "2024-03-01", "2028-02-29"),
        ("0 0 1 */3 *", "2024-01-01", "2024-04-01"),
        ("0 0 13 * 5", "2024-01-01", "2024-01-05"),  # both restricted: either matches
        ("* * * * * */20", "2024-01-01", "2024-01-01T00:00:20"),  # seconds are the sixth field
        ("5 4 * * * 30", "2024-01-01", "2024-01-01T04:05:30"),
    ],
)
def test_the_cron_language(expression: str, after: str, expected: str) -> None:
    checked = cron.checked_expression(expression)
    start = datetime.fromisoformat(after).replace(tzinfo=UTC)
    fire = datetime.fromisoformat(expected).replace(tzinfo=UTC)
    assert cron.next_fire(checked, UTC, start) == fire
    assert cron.previous_fire(checked, UTC, fire + timedelta(seconds=1)) == fire


@pytest.mark.parametrize(
    ("expression", "field", "allowed"),
    [
        ("60 * * * *", "minute", "0-59"),
        ("* 24 * * *", "hour", "0-23"),
        ("* * 0 * *", "day of month", "1-31"),
        ("* * * 13 *", "month", "JAN-DEC"),
        ("* * * foo *", "month", "JAN-DEC"),
        ("* * * * 8", "day of week", "SUN-SAT"),
        ("* * * * mon#6", "day of week", "SUN-SAT"),
        ("*/0 * * * *", "minute", "steps"),
        ("1- * * * *", "minute", "0-59"),
        ("* * * * * 61", "second", "0-59"),
        ("70-10 * * * *", "minute", "0-59"),
        ("10-5/0 * * * *", "minute", "0-59"),
    ],
)
def test_a_bad_field_is_named_with_what_is_allowed(expression: str, field: str, allowed: str) -> None:
    with pytest.raises(UsageError) as caught:
        cron.checked_expression(expression)
    assert f"bad {field} field" in caught.value.message
    assert allowed in (caught.value.remedy or "")


@pytest.mark.parametrize("expression", ["", "* * * *", "* * * * * * *", "daily"])
def test_a_wrong_number_of_fields_is_refused(expression: str) -> None:
    with pytest.raises(UsageError, match="not 5 or 6"):
        cron.checked_expression(expression)


def test_an_expression_that_never_fires_is_refused() -> None:
    with pytest.raises(UsageError, match="never fires"):
        cron.checked_expression("0 0 30 2 *")


@given(
    st.text(max_size=30)
    | st.lists(st.text("0123456789*/-,LW#?MONJA", max_size=6), min_size=5, max_size=6).map(" ".join)
)
@settings(max_examples=400, deadline=None)
def test_any_text_is_either_an_expression_or_a_usage_error(text: str) -> None:
    try:
        checked = cron.checked_expression(text)
    except UsageError:
        return
    after = datetime(2024, 1, 1, tzinfo=UTC)
    assert cron.next_fire(checked, UTC, after) > after
