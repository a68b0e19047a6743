"""``millrace up`` as a process: ready line, runs through the command line, live logs, signals."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import attrs
import pytest

from millrace.server.documents import MODELS
from tests.small_project import PIPELINE

SLOW = """
from pathlib import Path
from millrace import pipeline, task


@task
def slow(gate: str) -> str:
    print("the first line")
    while not Path(gate).exists():
        pass
    print("the last line")
    return "through"


@pipeline
def gated(gate: str):
    slow(gate)
"""


@attrs.frozen
class Up:
    process: subprocess.Popen[str]
    url: str
    folder: Path

    def command(self, *arguments: str, **environ: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "millrace", *arguments],
            cwd=self.folder,
            env={**os.environ, **environ},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __call__(self, *arguments: str, **environ: str) -> tuple[int, str, str]:
        with self.command(*arguments, **environ) as process:
            out, errors = process.communicate()
        return process.returncode, out, errors


@contextmanager
def running_up(folder: Path, *arguments: str) -> Iterator[Up]:
    command = [sys.executable, "-m", "millrace", "up", "--port", "0", "--parallelism", "2", *arguments]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        ready = re.match(r"Millrace is up at (http://\S+) ", process.stdout.readline())
        try:
            assert ready is not None
            yield Up(process, ready[1], folder)
        finally:
            process.terminate()
            process.wait()


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    folder = tmp_path_factory.mktemp("a team")
    (folder / "pipelines").mkdir()
    (folder / "pipelines" / "small.py").write_text(PIPELINE, encoding="utf-8")
    (folder / "pipelines" / "gated.py").write_text(SLOW, encoding="utf-8")
    (folder / "pipelines" / "broken.py").write_text("import millrace\nimport nothing_of_that_name\n", encoding="utf-8")
    with running_up(folder) as started:
        yield started


def _await_pipelines(up: Up, *names: str) -> None:
    while True:
        found = json.loads(up("pipelines", "--json", "--url", up.url)[1])
        if set(names) <= {p["name"] for p in found["items"]} and found["import_failures"]:
            return


@pytest.mark.parametrize("over_http", [True, False], ids=["over HTTP", "over the store"])
def test_trigger_wait_prints_the_run_when_it_has_ended(up: Up, over_http: bool) -> None:
    _await_pipelines(up, "small")
    environ = {"MILLRACE_URL": up.url} if over_http else {}
    code, out, errors = up("trigger", "small", "-p", "x=5", "--wait", "--json", **environ)
    assert (code, errors) == (0, "")
    run = json.loads(out)
    MODELS["Run"].model_validate(run)
    assert run["state"] == "success"
    assert run["queued_at"] <= run["started_at"] <= run["ended_at"]
    shown = json.loads(up("runs", "show", run["run_id"], "--json", **environ)[1])
    MODELS["RunDetail"].model_validate(shown)
    assert [t["state"] for t in shown["tasks"]] == ["success"] * 3
    assert shown["tasks"][1]["attempts"][0]["worker"]


def test_trigger_wait_of_a_run_that_fails_exits_1_and_shows_why(up: Up) -> None:
    _await_pipelines(up, "small")
    code, out, _ = up("trigger", "small", "-p", "fail=true", "--wait", "--url", up.url)
    assert code == 1
    assert "asked to fail" in out
    last = out.splitlines()[-1]
    assert "of small failed" in last


def test_a_log_is_followed_while_its_task_runs(up: Up, tmp_path: Path) -> None:
    _await_pipelines(up, "gated")
    gate = tmp_path / "gate"
    code, out, errors = up("trigger", "gated", "-p", f"gate={gate}", "--json")
    assert code == 0, errors
    run_id = json.loads(out)["run_id"]
    while not json.loads(up("tasks", run_id, "--json")[1])["items"]:
        pass  # the scheduler has not taken it up yet
    with up.command("runs", "logs", run_id, "slow", "--follow", MILLRACE_URL=up.url) as follower:
        assert follower.stdout is not None
        assert follower.stdout.readline().endswith("the first line\n")
        gate.touch()
        rest, errors = follower.communicate()
    assert follower.returncode == 0, errors
    assert rest.splitlines()[-1].endswith("the last line")


def test_a_broken_file_is_listed_with_its_reason(up: Up) -> None:
    _await_pipelines(up, "small")
    _, out, _ = up("pipelines")
    assert "Broken files:" in out
    assert "nothing_of_that_name" in out


def test_a_port_in_use_ends_up_with_the_remedy(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        done = subprocess.run(
            [sys.executable, "-m", "millrace", "up", "--port", str(port)],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: port {port} is in use by another program\n")
    assert "--port" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_up_cleanly(number: signal.Signals, tmp_path: Path) -> None:
    with running_up(tmp_path) as up:
        up.process.send_signal(number)
        up.process.wait()
        assert up.process.returncode == 0


def test_another_address_is_warned_about(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "millrace", "up", "--port", "0", "--host", "0.0.0.0"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.terminate()
        _, errors = process.communicate()
    assert "no login yet" in errors
