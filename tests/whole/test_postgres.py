"""The same whole runs with ``--database`` on a PostgreSQL server."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.whole.installation import Installation, states_of
from tests.whole.processes import marked, until
from tests.whole.test_dag_example import DEMO
from tests.whole.test_killed_service import LAYERED, TASKS, Effects, succeeded
from tests.whole.test_replay_and_plan import Learning


@pytest.fixture
def installation(tmp_path: Path, postgres_url: str) -> Iterator[Installation]:
    made = Installation(tmp_path, database=postgres_url)
    yield made
    made.end_all()
    assert not (made.home / "millrace.db").exists(), "it was to use PostgreSQL"


def test_run_and_up_with_the_flag(tmp_path: Path, postgres_url: str) -> None:
    installation = Installation(tmp_path)
    file = installation.write("demo.py", DEMO)
    installation.millrace("run", file, "--database", postgres_url).ok()
    with installation.up("--database", postgres_url) as service:
        run = service.command("trigger", "demo", "--wait", "--json").ok().json
        assert states_of(service.run(run["run_id"])) == {"hello": "success", "airflow": "success"}
    listed = installation.millrace("runs", "list", "--database", postgres_url, "--json").ok().json["items"]
    assert [r["trigger"] for r in listed].count("manual") == 2
    assert not (installation.home / "millrace.db").exists()


def test_a_trigger_from_another_process_is_seen(installation: Installation) -> None:
    installation.write("demo.py", DEMO)
    with installation.up():
        run = installation.millrace("trigger", "demo", "--wait", "--json").ok().json
    assert run["state"] == "success"


def test_new_changed_and_deleted_files(installation: Installation) -> None:
    with installation.up() as service:
        file = installation.write("demo.py", DEMO)
        until(lambda: "demo" in service.pipelines(), "the new pipeline")
        before = service.pipelines()["demo"]["version"]
        installation.write("demo.py", DEMO.replace("echo hello", "echo hello again"))
        until(lambda: service.pipelines()["demo"]["version"] != before, "the new version")
        file.unlink()
        until(lambda: "demo" not in service.pipelines(), "the pipeline to go")


def test_cache_plan_and_replay(installation: Installation) -> None:
    learning = Learning(installation)
    run_id = learning.run()["run_id"]
    assert {t["verdict"] for t in learning.plan().values()} == {"cached"}
    learning.run()
    assert learning.ran() == {"read": 1, "report": 1, "train": 1}
    learning.write(factor=20)
    assert "scale" in " ".join(learning.plan()["train"]["because"])
    replayed = installation.millrace("replay", run_id, "train", "--json").ok().json
    assert replayed["outputs"][0]["same"] is True


def test_after_sigkill_the_run_goes_on_and_nothing_is_run_again(installation: Installation) -> None:
    effects = Effects(installation.folder / "effects")
    installation.write("layered.py", LAYERED.format(effects=str(effects.folder)))
    service = installation.start()
    service.wait_healthy()
    run_id = service.trigger("layered", run="a")
    until(lambda: sum(effects.times(ended=True).values()) >= 13, "some tasks to be done", pause=0.002)
    service.kill()
    until(lambda: not marked(installation.mark), "every process of the killed service to be gone")
    before = succeeded(installation.millrace("runs", "show", run_id, "--json").ok().json)
    with installation.up() as again:
        run = again.ended(run_id)
    assert run["state"] == "success"
    after = succeeded(run)
    assert len(after) == TASKS
    assert before.items() <= after.items()


def test_a_server_that_goes_away_is_told_in_one_line(installation: Installation) -> None:
    file = installation.write("demo.py", DEMO)
    assert installation.database is not None
    address = installation.database.rpartition(":")[0] + ":9/nowhere"
    done = installation.millrace("run", file, "--database", address)
    assert done.code == 1
    assert "Traceback" not in done.err
    assert "unexpected" not in done.err
    assert "127.0.0.1" in done.err


def test_asked_to_end_it_leaves_no_process(installation: Installation) -> None:
    service = installation.start()
    service.wait_healthy()
    assert service.stop(signal.SIGTERM) == 0
    assert not marked(installation.mark)
