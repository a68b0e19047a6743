"""The first example of the documentation, as written, through the command line."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.whole.installation import Installation, Service, states_of, task_of

DEMO = """
    from datetime import datetime
    from millrace import DAG, task
    from millrace.operators import BashOperator

    with DAG(dag_id="demo", start_date=datetime(2022, 1, 1), schedule="0 0 * * *") as dag:
        hello = BashOperator(task_id="hello", bash_command="echo hello")

        @task()
        def airflow():
            print("airflow")

        hello >> airflow()
    """
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


@pytest.fixture(scope="module")
def service(shared: Installation) -> Iterator[Service]:
    shared.write("demo.py", DEMO)
    with shared.up() as running:
        yield running


def test_run_in_a_fresh_home(installation: Installation) -> None:
    file = installation.write("demo.py", DEMO)
    done = installation.millrace("run", file).ok()
    assert re.search(r"hello +success", done.out), done.out
    assert re.search(r"airflow +success", done.out), done.out
    assert done.out.index("hello") < done.out.index("airflow")
    assert "Traceback" not in done.err


def test_run_as_json_is_one_document(installation: Installation) -> None:
    file = installation.write("demo.py", DEMO)
    document = installation.millrace("run", f"{file}:demo", "--json").ok().json
    assert document["state"] == "success"
    shown = installation.millrace("runs", "show", document["run_id"], "--json").ok().json
    assert states_of(shown) == {"hello": "success", "airflow": "success"}


def test_trigger_and_wait(service: Service) -> None:
    run = service.command("trigger", "demo", "--wait", "--json").ok().json
    assert run["state"] == "success"
    for name in ("queued_at", "started_at", "ended_at"):
        assert MOMENT.fullmatch(run[name]), (name, run[name])
    assert run["queued_at"] <= run["started_at"] <= run["ended_at"]


def test_runs_show_has_the_times_of_every_task_and_attempt(service: Service) -> None:
    run_id = service.command("trigger", "demo", "--wait", "--json").ok().json["run_id"]
    run = service.command("runs", "show", run_id, "--json").ok().json
    assert states_of(run) == {"hello": "success", "airflow": "success"}
    for task in run["tasks"]:
        (attempt,) = task["attempts"]
        assert attempt["state"] == "succeeded"
        for document in (task, attempt):
            assert MOMENT.fullmatch(document["started_at"])
            assert MOMENT.fullmatch(document["ended_at"])
        assert MOMENT.fullmatch(task["queued_at"])
        assert run["queued_at"] <= task["queued_at"] <= task["started_at"] <= task["ended_at"] <= run["ended_at"]
    assert task_of(run, "hello")["ended_at"] <= task_of(run, "airflow")["queued_at"]


def test_trigger_without_a_server_address_works_on_the_home(shared: Installation, service: Service) -> None:
    run = shared.millrace("trigger", "demo", "--wait", "--json").ok().json
    assert run["state"] == "success"
    assert states_of(service.run(run["run_id"])) == {"hello": "success", "airflow": "success"}


def test_what_the_tasks_print_is_in_their_logs(service: Service) -> None:
    run_id = service.finished("demo")["run_id"]
    for task, text in (("hello", "hello"), ("airflow", "airflow")):
        log = service.command("runs", "logs", run_id, task).ok().out
        assert log.rstrip().endswith(text), log


def test_the_schedule_is_told(service: Service) -> None:
    listed = service.command("pipelines", "list", "--json").ok().json["items"]
    (demo,) = (p for p in listed if p["name"] == "demo")
    assert demo["next_due_at"].endswith("T00:00:00.000000Z")
