"""Retries, timeouts, cancellation, limits and schedules under ``millrace up``."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.whole.installation import Installation, Service, states_of, task_of
from tests.whole.processes import until

TASKS = """
    import time
    from datetime import timedelta
    from pathlib import Path

    from millrace import DAG, pipeline, task
    from millrace.operators import BashOperator

    HERE = Path({here!r})

    def count(name: str) -> int:
        file = HERE / name
        with file.open("a") as lines:
            lines.write("x")
        return len(file.read_text())

    @task(retries=2, retry_delay=timedelta(milliseconds=400))
    def third_time_lucky() -> int:
        number = count("lucky")
        if number < 3:
            raise OSError("not yet: " + str(number))
        return number

    @task(retries=1, retry_delay=0.05)
    def never() -> None:
        raise OSError("never")

    @task
    def after() -> None: ...

    @pipeline
    def lucky():
        third_time_lucky() >> after()

    @pipeline
    def unlucky():
        never() >> after()

    @task
    def waits(name: str) -> None:
        (HERE / (name + ".begun")).touch()
        while not (HERE / (name + ".go")).exists():
            time.sleep(0.01)

    with DAG("too_long", dagrun_timeout=timedelta(seconds=0.7)):
        waits("nobody") >> after()

    @pipeline
    def cancellable(name: str):
        waits(name) >> after()

    @pipeline(max_active_runs=1)
    def one_at_a_time(name: str):
        waits(name)

    @pipeline
    def typed(number: int, share: float = 0.5, words: list = ["a"], text: str = "t", on: bool = True):
        tell(number, share, words, text, on)

    @task
    def tell(number: int, share: float, words: list, text: str, on: bool) -> list:
        return [number, share, words, text, on]
    """

SCHEDULED = """
    from datetime import datetime, timedelta, timezone

    from millrace import pipeline, task

    @task
    def nothing() -> None: ...

    @pipeline(schedule=timedelta(seconds=1), start_date=datetime.fromisoformat({now!r}))
    def every_second():
        nothing()

    @pipeline(
        schedule=timedelta(minutes=1),
        start_date=datetime.fromisoformat({past!r}),
        end_date=datetime.fromisoformat({past_end!r}),
        catchup=True,
    )
    def caught_up():
        nothing()

    @pipeline(schedule=timedelta(minutes=1), start_date=datetime.fromisoformat({past!r}), catchup=False)
    def not_caught_up():
        nothing()

    @pipeline(schedule=timedelta(seconds=1), start_date=datetime.fromisoformat({now!r}))
    def paused():
        nothing()
    """


@pytest.fixture(scope="module")
def service(shared: Installation) -> Iterator[Service]:
    shared.write("tasks.py", TASKS.format(here=str(shared.folder)))
    with shared.up("--parallelism", 4) as running:
        yield running


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def go(service: Service, name: str) -> None:
    (service.of.folder / f"{name}.go").touch()


def begun(service: Service, name: str) -> None:
    until((service.of.folder / f"{name}.begun").exists, f"the task of {name} to begin")


def test_retries_wait_their_delay_and_end_in_success(service: Service) -> None:
    run = service.finished("lucky")
    assert run["state"] == "success"
    task = task_of(run, "third_time_lucky")
    assert [a["state"] for a in task["attempts"]] == ["failed", "failed", "succeeded"]
    assert [a["number"] for a in task["attempts"]] == [1, 2, 3]
    assert task["tries"] == 3
    assert "not yet: 1" in task["attempts"][0]["reason"]
    for before, following in itertools.pairwise(task["attempts"]):
        assert at(following["started_at"]) - at(before["ended_at"]) >= timedelta(milliseconds=400)


def test_retries_that_are_used_up_fail_the_run_and_what_is_below(service: Service) -> None:
    run = service.finished("unlucky")
    assert run["state"] == "failed"
    assert len(task_of(run, "never")["attempts"]) == 2
    assert states_of(run) == {"never": "failed", "after": "upstream_failed"}


def test_a_run_that_takes_too_long_is_ended_with_that_reason(service: Service) -> None:
    run = service.finished("too_long")
    assert run["state"] == "failed"
    assert "700 ms" in run["reason"] or "0.7 s" in run["reason"]
    assert states_of(run) == {"waits": "failed", "after": "skipped"}
    assert at(run["ended_at"]) - at(run["started_at"]) >= timedelta(seconds=0.7)


def test_cancelling_stops_what_runs_and_skips_what_is_below(service: Service) -> None:
    run_id = service.trigger("cancellable", name="cancelled")
    begun(service, "cancelled")
    service.command("runs", "cancel", run_id).ok()
    run = service.ended(run_id)
    assert run["state"] == "cancelled"
    assert states_of(run)["after"] == "skipped"
    (attempt,) = task_of(run, "waits")["attempts"]
    assert attempt["kind"] == "cancelled"
    again = service.command("runs", "cancel", run_id)
    assert "Traceback" not in again.err


def test_one_active_run_at_a_time_in_the_order_of_their_triggers(service: Service) -> None:
    names = [f"one{i}" for i in range(4)]
    runs = {name: service.trigger("one_at_a_time", name=name) for name in names}
    for name in names:
        begun(service, name)
        assert [service.run(r)["state"] for r in runs.values()].count("running") == 1
        go(service, name)
    ended = [service.ended(r) for r in runs.values()]
    assert {r["state"] for r in ended} == {"success"}
    for before, following in itertools.pairwise(ended):
        assert before["ended_at"] <= following["started_at"], "they overlap"


def test_a_queued_run_that_is_cancelled_never_starts(service: Service) -> None:
    first = service.trigger("one_at_a_time", name="first")
    begun(service, "first")
    second = service.trigger("one_at_a_time", name="second")
    service.command("runs", "cancel", second).ok()
    assert service.ended(second)["state"] == "cancelled"
    go(service, "first")
    assert service.ended(first)["state"] == "success"
    assert not (service.of.folder / "second.begun").exists()


def test_parameters_arrive_typed(service: Service) -> None:
    given = ("-p", "number=7", "-p", "share=2", "-p", 'words=["x", "y"]', "-p", "text=12", "-p", "on=false")
    run = service.command("trigger", "typed", *given, "--wait", "--json").ok().json
    outputs = service.ask(f"/api/v1/runs/{run['run_id']}/tasks/tell")["outputs"]
    assert outputs["return_value"]["value"] == [7, 2.0, ["x", "y"], "12", False]


def scheduled_runs(service: Service, pipeline: str) -> list[dict[str, Any]]:
    """Oldest first."""
    items = service.ask(f"/api/v1/runs?pipeline={pipeline}&limit=200")["items"]
    return sorted((r for r in items if r["trigger"] == "schedule"), key=lambda r: str(r["logical_date"]))


@pytest.fixture(scope="module")
def scheduled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    installation = Installation(tmp_path_factory.mktemp("scheduled"))
    now = datetime.now(UTC).replace(microsecond=0)
    past = now.replace(second=0) - timedelta(minutes=10)
    text = SCHEDULED.format(
        now=now.isoformat(), past=past.isoformat(), past_end=(past + timedelta(minutes=3)).isoformat()
    )
    installation.write("scheduled.py", text)
    with installation.up() as running:
        running.command("pipelines", "pause", "paused").ok()
        yield running
    installation.end_all()


def test_a_schedule_fires(scheduled: Service) -> None:
    until(lambda: len(scheduled_runs(scheduled, "every_second")) >= 3, "three runs by the schedule")
    first, second, third = (scheduled.ended(r["run_id"]) for r in scheduled_runs(scheduled, "every_second")[:3])
    for run in (first, second, third):
        assert run["state"] == "success"
        assert at(run["data_interval_end"]) - at(run["data_interval_start"]) == timedelta(seconds=1)
        assert run["logical_date"] == run["data_interval_start"]
        assert at(run["queued_at"]) >= at(run["data_interval_end"]), "before its interval had ended"
    starts = [at(r["data_interval_start"]) for r in (first, second, third)]
    assert starts == sorted(set(starts))


def test_catchup_runs_every_interval_that_was_missed(scheduled: Service) -> None:
    until(lambda: len(scheduled_runs(scheduled, "caught_up")) >= 3, "three runs")
    runs = [scheduled.ended(r["run_id"]) for r in scheduled_runs(scheduled, "caught_up")]
    assert {r["state"] for r in runs} == {"success"}
    starts = [at(r["data_interval_start"]) for r in runs]
    assert {b - a for a, b in itertools.pairwise(starts)} == {timedelta(minutes=1)}
    assert 3 <= len(runs) <= 4, "an interval may start on the end date itself"


def test_without_catchup_no_more_than_the_newest_interval_is_run(scheduled: Service) -> None:
    until(lambda: len(scheduled_runs(scheduled, "caught_up")) >= 3, "the catch-up, so that schedules were looked at")
    assert len(scheduled_runs(scheduled, "not_caught_up")) <= 2


def test_a_paused_pipeline_is_not_scheduled_and_goes_on_when_it_is_let(scheduled: Service) -> None:
    known = len(scheduled_runs(scheduled, "paused"))
    more = len(scheduled_runs(scheduled, "every_second")) + 2
    until(lambda: len(scheduled_runs(scheduled, "every_second")) >= more, "its sibling to go on")
    assert len(scheduled_runs(scheduled, "paused")) == known
    scheduled.command("pipelines", "unpause", "paused").ok()
    until(lambda: len(scheduled_runs(scheduled, "paused")) > known, "a run once it is not paused")
