"""Timetables: which run comes next, as Airflow defines it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from millrace.core.errors import UsageError
from millrace.core.schedule import (
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
    parse_schedule,
    timetable_from_json,
    to_utc,
)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def interval(start: str, end: str) -> DataInterval:
    return DataInterval(at(start), at(end))


def next_interval(timetable: Timetable, last: DataInterval | None = None, **given_times: Any) -> DataInterval | None:
    arguments = {"earliest": None, "latest": None, "catchup": True} | given_times
    run = timetable.next_run(last, **arguments)
    return None if run is None else run.data_interval


DAILY = CronDataInterval("0 0 * * *")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, NullTimetable()),
        ("@once", OnceTimetable()),
        ("@continuous", ContinuousTimetable()),
        ("@hourly", CronDataInterval("0 * * * *")),
        ("@daily", DAILY),
        ("@midnight", DAILY),
        ("@weekly", CronDataInterval("0 0 * * 0")),
        ("@monthly", CronDataInterval("0 0 1 * *")),
        ("@quarterly", CronDataInterval("0 0 1 */3 *")),
        ("@yearly", CronDataInterval("0 0 1 1 *")),
        ("@annually", CronDataInterval("0 0 1 1 *")),
        (" 30  2 * * * ", CronDataInterval("30 2 * * *")),
        (timedelta(hours=6), DeltaDataInterval(timedelta(hours=6))),
        (CronTrigger("@daily"), CronTrigger("0 0 * * *")),
    ],
)
def test_what_a_schedule_may_be(value: Any, expected: Timetable) -> None:
    assert parse_schedule(value) == expected


def test_the_zone_is_the_given_one_then_that_of_start_date_then_utc() -> None:
    berlin = datetime(2024, 1, 1, tzinfo=ZoneInfo("Europe/Berlin"))
    assert parse_schedule("@daily", start_date=berlin) == CronDataInterval("0 0 * * *", "Europe/Berlin")
    assert parse_schedule("@daily", timezone="UTC", start_date=berlin) == DAILY
    offset = datetime(2024, 1, 1, tzinfo=timezone(timedelta(hours=-5, minutes=-30)))
    assert parse_schedule("@daily", start_date=offset) == CronDataInterval("0 0 * * *", "-05:30")
    assert parse_schedule("@daily", start_date=datetime(2024, 1, 1)) == DAILY


class NamelessZone(tzinfo):
    def __init__(self, hours: int) -> None:
        self.hours = hours

    def utcoffset(self, when: datetime | None) -> timedelta:
        return timedelta(hours=self.hours)

    def dst(self, when: datetime | None) -> timedelta:
        return timedelta(0)

    def tzname(self, when: datetime | None) -> str | None:
        return None


def test_a_start_date_in_a_zone_without_a_name_is_refused_unless_it_is_utc() -> None:
    assert parse_schedule("@daily", start_date=datetime(2024, 1, 1, tzinfo=NamelessZone(0))) == DAILY
    with pytest.raises(UsageError, match="has no name to schedule by"):
        parse_schedule("@daily", start_date=datetime(2024, 1, 1, tzinfo=NamelessZone(2)))


def test_the_ends_of_the_calendar_stand_for_always_and_never() -> None:
    for zone in ("America/New_York", "Asia/Tokyo"):
        assert to_utc(datetime.max, zone) == datetime.max.replace(tzinfo=UTC)
        assert to_utc(datetime.min, zone) == datetime.min.replace(tzinfo=UTC)


def test_seconds_may_stand_first() -> None:
    assert parse_schedule("15 0 4 * * *", seconds="first") == parse_schedule("0 4 * * * 15")


def test_a_delta_is_anchored_at_start_date_read_in_the_zone() -> None:
    parsed = parse_schedule(timedelta(days=1), timezone="Europe/Berlin", start_date=datetime(2024, 1, 1, 6))
    assert parsed == DeltaDataInterval(timedelta(days=1), at("2024-01-01T05:00"))


@pytest.mark.parametrize(
    ("value", "message", "remedy"),
    [
        ("@dayly", "there is no schedule '@dayly'", "'@daily'"),
        ("0 25 * * *", "bad hour field", "0-23"),
        (17, "cannot be a int", "cron expression"),
        (timedelta(0), "longer than zero", "positive"),
        (timedelta(seconds=-1), "longer than zero", "positive"),
    ],
)
def test_a_bad_schedule_is_refused_with_the_remedy(value: Any, message: str, remedy: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_schedule(value)
    assert message in caught.value.message
    assert remedy in (caught.value.remedy or "")


@pytest.mark.parametrize("name", ["Europe/Berln", "Europe", "../etc/passwd", "+99:00", ""])
def test_an_unknown_zone_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="no time zone"):
        CronDataInterval("@daily".replace("@daily", "0 0 * * *"), name)


TIMETABLES: list[Timetable] = [
    NullTimetable(),
    OnceTimetable(),
    ContinuousTimetable(),
    CronDataInterval("*/5 9-17 * * mon-fri", "Europe/Berlin"),
    CronTrigger("0 6 * * * 30", "+05:30", timedelta(hours=1, microseconds=7)),
    DeltaDataInterval(timedelta(seconds=90, microseconds=1)),
    DeltaDataInterval(timedelta(days=1), at("2024-01-01T00:00:00.000001")),
]


@pytest.mark.parametrize("timetable", TIMETABLES, ids=lambda t: t.summary)
def test_json_gives_back_the_same_timetable(timetable: Timetable) -> None:
    assert timetable_from_json(json.loads(json.dumps(timetable.to_json()))) == timetable


def test_foreign_json_is_refused() -> None:
    with pytest.raises(UsageError, match="kind 'lunar'"):
        timetable_from_json({"kind": "lunar"})
    with pytest.raises(UsageError, match="'timezone'"):
        timetable_from_json({"kind": "cron_data_interval", "expression": "* * * * *"})


def test_intervals_are_utc_and_ordered() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    span = DataInterval(datetime(2024, 1, 1, tzinfo=berlin), datetime(2024, 1, 2, tzinfo=berlin))
    assert span == interval("2023-12-31T23:00", "2024-01-01T23:00")
    assert span.start.tzinfo is UTC
    assert DataInterval.from_json(span.to_json()) == span
    with pytest.raises(UsageError, match="before it starts"):
        interval("2024-01-02", "2024-01-01")
    with pytest.raises(UsageError, match="no time zone"):
        DataInterval(datetime(2024, 1, 1), datetime(2024, 1, 2))


def test_a_run_is_due_at_its_intervals_end() -> None:
    run = DAILY.next_run(None, earliest=at("2022-01-01"), latest=None, catchup=True, now=at("2024-05-05T12:00"))
    assert run == ScheduledRun(at("2022-01-01"), interval("2022-01-01", "2022-01-02"), due_at=at("2022-01-02"))


@pytest.mark.parametrize(
    ("earliest", "catchup", "last", "expected"),
    [
        ("2022-01-01", True, None, "2022-01-01"),
        ("2022-01-01T00:00:01", True, None, "2022-01-02"),
        ("2022-01-01", True, ("2022-01-05", "2022-01-06"), "2022-01-06"),
        ("2022-02-01", True, ("2022-01-05", "2022-01-06"), "2022-02-01"),  # start_date was moved
        (None, True, None, None),
        (None, False, None, "2024-05-04"),
        ("2022-01-01", False, None, "2024-05-04"),
        ("2022-01-01", False, ("2022-01-05", "2022-01-06"), "2024-05-04"),
        ("2022-01-01", False, ("2024-05-04", "2024-05-05"), "2024-05-05"),
        ("2024-05-05T06:00", False, None, "2024-05-06"),
        ("2024-06-01", False, None, "2024-06-01"),
        ("2022-01-01", True, ("2022-01-05T03:00", "2022-01-06T03:00"), "2022-01-06"),  # the expression changed
    ],
)
def test_the_next_daily_interval(
    earliest: str | None, catchup: bool, last: tuple[str, str] | None, expected: str | None
) -> None:
    found = next_interval(
        DAILY,
        interval(*last) if last else None,
        earliest=at(earliest) if earliest else None,
        catchup=catchup,
        now=at("2024-05-05T12:00"),
    )
    start = at(expected) if expected else None
    assert found == (DataInterval(start, start + timedelta(days=1)) if start else None)


def test_without_catchup_an_interval_that_ends_now_is_complete() -> None:
    assert next_interval(DAILY, catchup=False, now=at("2024-05-05")) == interval("2024-05-04", "2024-05-05")
    delta = DeltaDataInterval(timedelta(days=1))
    assert next_interval(delta, catchup=False, now=at("2024-05-05")) == interval("2024-05-04", "2024-05-05")


def test_end_date_is_inclusive() -> None:
    for timetable in (DAILY, DeltaDataInterval(timedelta(days=1))):
        times = {"earliest": at("2022-01-01"), "now": at("2024-01-01")}
        last = interval("2022-01-01", "2022-01-02")
        assert next_interval(timetable, last, latest=at("2022-01-02"), **times) == interval("2022-01-02", "2022-01-03")
        assert next_interval(timetable, last, latest=at("2022-01-01T23:59"), **times) is None


def test_a_delta_keeps_the_phase_of_its_anchor() -> None:
    timetable = DeltaDataInterval(timedelta(hours=6), at("2024-01-01T01:30"))
    now = at("2024-03-01T12:00")
    assert next_interval(timetable, catchup=False, now=now) == interval("2024-03-01T01:30", "2024-03-01T07:30")
    assert next_interval(timetable, earliest=at("2024-01-02"), now=now) == interval(
        "2024-01-02T01:30", "2024-01-02T07:30"
    )


def test_a_day_as_a_delta_is_24_hours_over_a_clock_change() -> None:
    timetable = parse_schedule(timedelta(days=1), timezone="Europe/Berlin", start_date=datetime(2024, 3, 30, 6))
    first = next_interval(timetable, earliest=at("2024-03-30T05:00"), now=at("2024-04-02"))
    assert first == interval("2024-03-30T05:00", "2024-03-31T05:00")


def test_a_trigger_runs_at_the_fire_itself() -> None:
    timetable = CronTrigger("0 6 * * *")
    now = at("2024-05-05T12:00")
    assert next_interval(timetable, earliest=at("2024-05-01"), now=now) == DataInterval.exact(at("2024-05-01T06:00"))
    assert next_interval(timetable, earliest=at("2024-05-01"), catchup=False, now=now) == DataInterval.exact(
        at("2024-05-05T06:00")
    )
    assert next_interval(timetable, now=now) == DataInterval.exact(at("2024-05-06T06:00"))
    last = DataInterval.exact(at("2024-05-05T06:00"))
    assert next_interval(timetable, last, now=now) == DataInterval.exact(at("2024-05-06T06:00"))
    assert next_interval(timetable, last, latest=at("2024-05-06T06:00"), now=now) is not None
    assert next_interval(timetable, last, latest=at("2024-05-06T05:59"), now=now) is None
    wide = CronTrigger("0 6 * * *", interval=timedelta(hours=2))
    run = wide.next_run(last, earliest=None, latest=None, catchup=True, now=now)
    assert run == ScheduledRun(
        at("2024-05-06T04:00"), interval("2024-05-06T04:00", "2024-05-06T06:00"), at("2024-05-06T06:00")
    )


def test_once_runs_once_whatever_catchup_says() -> None:
    now = at("2024-05-05T12:00")
    for catchup in (True, False):
        first = next_interval(OnceTimetable(), earliest=at("2022-01-01"), catchup=catchup, now=now)
        assert first == DataInterval.exact(at("2022-01-01"))
    assert next_interval(OnceTimetable(), now=now) == DataInterval.exact(now)
    assert next_interval(OnceTimetable(), DataInterval.exact(now), now=now) is None
    assert next_interval(OnceTimetable(), latest=at("2024-05-05T11:59"), now=now) is None


def test_continuous_runs_from_the_last_end_to_now() -> None:
    timetable = ContinuousTimetable()
    now = at("2024-05-05T12:00")
    assert timetable.max_active_runs == 1
    first = next_interval(timetable, earliest=at("2024-05-01"), now=now)
    assert first == interval("2024-05-01", "2024-05-05T12:00")
    assert next_interval(timetable, first, now=at("2024-05-05T12:30")) == interval(
        "2024-05-05T12:00", "2024-05-05T12:30"
    )
    future = at("2024-06-01")
    assert next_interval(timetable, earliest=future, now=now) == DataInterval.exact(future)
    assert next_interval(timetable, first, latest=at("2024-05-05T12:10"), now=at("2024-05-05T12:30")) is None
    runs = due_runs(timetable, None, earliest=at("2024-05-01"), latest=None, catchup=True, now=now, limit=10)
    assert len(list(runs)) == 1


def test_nothing_is_scheduled_without_a_schedule() -> None:
    assert next_interval(NullTimetable(), earliest=at("2022-01-01"), now=at("2024-01-01")) is None


@pytest.mark.parametrize(
    ("timetable", "expected"),
    [
        (NullTimetable(), ("2024-05-05T12:00", "2024-05-05T12:00")),
        (DAILY, ("2024-05-04", "2024-05-05")),
        (CronDataInterval("0 12 * * *"), ("2024-05-04T12:00", "2024-05-05T12:00")),
        (CronTrigger("0 0 * * *"), ("2024-05-05T12:00", "2024-05-05T12:00")),
        (DeltaDataInterval(timedelta(hours=1)), ("2024-05-05T11:00", "2024-05-05T12:00")),
    ],
)
def test_the_interval_of_a_manual_run(timetable: Timetable, expected: tuple[str, str]) -> None:
    assert timetable.infer_manual_interval(at("2024-05-05T12:00")) == interval(*expected)


def test_due_runs_catch_up_to_now_and_stop_at_the_limit() -> None:
    times: dict[str, Any] = {"earliest": at("2024-05-01"), "latest": None, "now": at("2024-05-05T12:00")}
    found = list(due_runs(DAILY, None, catchup=True, limit=100, **times))
    assert [run.logical_date.day for run in found] == [1, 2, 3, 4]
    assert [run.logical_date.day for run in due_runs(DAILY, None, catchup=True, limit=2, **times)] == [1, 2]
    assert [run.logical_date.day for run in due_runs(DAILY, None, catchup=False, limit=100, **times)] == [4]
    assert list(due_runs(DAILY, found[-1].data_interval, catchup=True, limit=100, **times)) == []


def test_times_without_a_zone_are_refused_by_the_core() -> None:
    with pytest.raises(UsageError, match="no time zone"):
        next_interval(DAILY, now=datetime(2024, 1, 1))


def test_a_naive_time_is_read_on_the_local_clock() -> None:
    assert to_utc(datetime(2024, 7, 1, 12), "Europe/Berlin") == at("2024-07-01T10:00")
    assert to_utc(datetime(2024, 3, 31, 2, 30), "Europe/Berlin") == at("2024-03-31T01:00")  # skipped
    assert to_utc(datetime(2024, 10, 27, 2, 30), "Europe/Berlin") == at("2024-10-27T00:30")  # repeated
    assert to_utc(datetime(2011, 12, 30, 12), "Pacific/Apia") == at("2011-12-30T10:00")  # a skipped date


ZONES = [
    "America/New_York",
    "Europe/Berlin",
    "Australia/Lord_Howe",
    "Asia/Kolkata",
    "America/Sao_Paulo",
    "Pacific/Apia",
    "Africa/Casablanca",
    "UTC",
]
EXPRESSIONS = ["30 2 * * *", "0 * * * *", "*/30 * * * *", "0 */2 * * *", "15 0,1,2,3 * * *", "0 0 * * 0", "59 23 L * *"]


@given(
    st.sampled_from(EXPRESSIONS),
    st.sampled_from(ZONES),
    st.datetimes(datetime(2009, 1, 1), datetime(2026, 1, 1), timezones=st.just(UTC)),
    st.booleans(),
    st.lists(st.integers(0, 400), min_size=1, max_size=20),
)
@settings(max_examples=150, deadline=None)
def test_intervals_are_contiguous_and_never_overlap(
    expression: str, zone: str, start: datetime, catchup: bool, waits: list[int]
) -> None:
    """Over any history of a scheduler that looks now and then."""
    timetable = CronDataInterval(expression, zone)
    last: DataInterval | None = None
    now = start
    for minutes in waits:
        now += timedelta(minutes=minutes)
        for run in due_runs(timetable, last, earliest=start, latest=None, catchup=catchup, now=now, limit=30):
            assert start <= run.data_interval.start < run.data_interval.end == run.due_at <= now
            if last is not None:
                assert run.data_interval.start >= last.end
                if catchup:
                    assert run.data_interval.start == last.end
            if not catchup:
                following = timetable.next_run(run.data_interval, earliest=start, latest=None, catchup=True, now=now)
                assert following is not None
                assert following.due_at > now, "without catchup only the latest complete interval runs"
            last = run.data_interval
