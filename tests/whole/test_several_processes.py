"""Several processes on one home: two services, a service and a run by hand, and one of them killed."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.whole.installation import COMMAND, Installation, Service, states_of, task_of
from tests.whole.processes import marked, until
from tests.whole.test_killed_service import LAYERED, TASKS, Effects, succeeded

WAITS = """
    import time
    from pathlib import Path

    from millrace import pipeline, task

    HERE = Path({here!r})

    @task
    def first() -> int:
        with (HERE / "first").open("a") as file:
            file.write("x")
        return 1

    @task
    def waits(number: int) -> int:
        with (HERE / "waits").open("a") as file:
            file.write("x")
        while not (HERE / "go").exists():
            time.sleep(0.01)
        return number + 1

    @pipeline
    def waiting():
        waits(first())
    """


@contextlib.contextmanager
def run_by_hand(installation: Installation, file: Path) -> Iterator[subprocess.Popen[str]]:
    """``millrace run`` in a process group of its own, as a shell would start it."""
    process = subprocess.Popen(
        [COMMAND, "run", str(file)],
        cwd=installation.folder,
        env=installation.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        process_group=0,
    )
    with process:
        try:
            until((installation.folder / "waits").exists, "the second task to run")
            yield process
        finally:
            process.kill()


def the_run(installation: Installation) -> str:
    (run,) = installation.millrace("runs", "list", "--json").ok().json["items"]
    return str(run["run_id"])


def test_ctrl_c_ends_a_run_by_hand_as_cancelled(installation: Installation) -> None:
    file = installation.write("waiting.py", WAITS.format(here=str(installation.folder)))
    with run_by_hand(installation, file) as process:
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait() == 130
        assert process.stdout is not None
        assert "Traceback" not in process.stdout.read()
    assert not marked(installation.mark)
    run = installation.millrace("runs", "show", the_run(installation), "--json").ok().json
    assert run["state"] == "cancelled"
    assert states_of(run)["first"] == "success"
    assert task_of(run, "waits")["attempts"][0]["ended_at"] is not None


def test_sigterm_ends_a_run_by_hand(installation: Installation) -> None:
    file = installation.write("waiting.py", WAITS.format(here=str(installation.folder)))
    with run_by_hand(installation, file) as process:
        process.terminate()
        assert process.wait() != 0
    assert not marked(installation.mark)


@pytest.mark.slow  # the lease of a run by hand lasts long; that of a service's below is the sample
def test_a_service_goes_on_with_a_run_by_hand_that_was_killed(installation: Installation) -> None:
    file = installation.write("waiting.py", WAITS.format(here=str(installation.folder)))
    with run_by_hand(installation, file) as process:
        process.kill()
        process.wait()
    (installation.folder / "go").touch()
    with installation.up() as service:
        run = service.ended(the_run(installation))
    assert run["state"] == "success", run["reason"]
    assert (installation.folder / "first").read_text() == "x", "what had succeeded is not run again"
    assert [a["state"] for a in task_of(run, "waits")["attempts"]] == ["lost", "succeeded"]


def test_a_service_leaves_a_run_by_hand_alone(installation: Installation) -> None:
    file = installation.write("waiting.py", WAITS.format(here=str(installation.folder)))
    with run_by_hand(installation, file) as process, installation.up() as service:
        run_id = the_run(installation)
        assert service.run(run_id)["state"] == "running"
        (installation.folder / "go").touch()
        assert process.wait() == 0
        run = service.run(run_id)
        assert run["state"] == "success"
        assert (installation.folder / "waits").read_text() == "x"


@pytest.fixture
def pair(installation: Installation) -> Iterator[tuple[Service, Service, Effects]]:
    """Two services on one home and one pipelines folder."""
    effects = Effects(installation.folder / "effects")
    installation.write("layered.py", LAYERED.format(effects=str(effects.folder)))
    services = [installation.start(), installation.start()]
    for service in services:
        service.wait_healthy()
    yield services[0], services[1], effects
    for service in services:
        service.process.terminate()
        service.process.wait()
    assert not marked(installation.mark)


def test_two_services_share_the_runs_and_run_each_task_once(pair: tuple[Service, Service, Effects]) -> None:
    one, other, effects = pair
    runs = {f"r{i}": (one, other)[i % 2].trigger("layered", run=f"r{i}") for i in range(6)}
    for name, run_id in runs.items():
        run = one.ended(run_id)
        assert run["state"] == "success", run["reason"]
        assert len(succeeded(run)) == TASKS, name
    assert set(effects.times(ended=False).values()) == {1}
    assert len(effects.times(ended=False)) == 6 * TASKS


def test_when_one_of_two_services_is_killed_the_other_takes_its_runs(pair: tuple[Service, Service, Effects]) -> None:
    one, other, effects = pair
    runs = [one.trigger("layered", run=f"r{i}") for i in range(4)]
    until(lambda: sum(effects.times(ended=True).values()) >= 20, "some tasks to be done", pause=0.002)
    one.kill()
    before = [succeeded(other.run(r)) for r in runs]
    for run_id, done in zip(runs, before, strict=True):
        run = other.ended(run_id)
        assert run["state"] == "success", run["reason"]
        assert done.items() <= succeeded(run).items()
        assert len(succeeded(run)) == TASKS


def test_many_triggers_at_once(pair: tuple[Service, Service, Effects]) -> None:
    one, other, effects = pair
    with ThreadPoolExecutor(8) as pool:
        runs = list(pool.map(lambda i: (one, other)[i % 2].trigger("layered", run=f"r{i}"), range(24)))
    assert len(set(runs)) == 24
    for run_id in runs:
        assert other.ended(run_id)["state"] == "success"
    assert set(effects.times(ended=False).values()) == {1}


def test_names_that_need_quoting(tmp_path: Path) -> None:
    installation = Installation(tmp_path / "a folder with spaces, 'quotes', # and ünïcode 100%")
    file = installation.write("sub folder/demo é.py", WAITS.format(here=str(installation.folder)))
    (installation.folder / "go").touch()
    installation.millrace("run", file).ok()
    with installation.up() as service:
        run = service.command("trigger", "waiting", "--wait", "--json").ok().json
    assert run["state"] == "success"
    assert "waits" in installation.millrace("runs", "show", run["run_id"]).ok().out
