"""A home, a pipelines folder and the real ``millrace`` command on them."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import textwrap
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import attrs

from tests.whole.processes import HANG, MARK, marked, until

COMMAND = str(Path(sys.executable).with_name("millrace"))


@attrs.frozen
class Ended:
    """A command that has ended."""

    code: int
    out: str
    err: str

    def ok(self) -> Ended:
        assert self.code == 0, f"exit code {self.code}\n{self.out}\n{self.err}"
        return self

    @property
    def json(self) -> Any:
        """The one document on stdout."""
        return json.loads(self.out)


class Installation:
    """Everything in one folder; its processes carry a mark of their own."""

    def __init__(self, folder: Path, *, database: str | None = None) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.pipelines = folder / "pipelines"
        self.pipelines.mkdir(parents=True, exist_ok=True)
        self.database = database
        self.mark = uuid.uuid4().hex

    def environment(self, **more: str) -> dict[str, str]:
        kept = {n: v for n, v in os.environ.items() if not n.startswith(("MILLRACE_", "PYTEST_", "COV_"))}
        given = {"MILLRACE_HOME": str(self.home), MARK: self.mark}
        if self.database is not None:
            given["MILLRACE_DATABASE"] = self.database
        return {**kept, **given, **more}

    def write(self, name: str, text: str) -> Path:
        """A file of the pipelines folder, put there in one move."""
        file = self.pipelines / name
        file.parent.mkdir(parents=True, exist_ok=True)
        draft = self.folder / f"draft-{uuid.uuid4().hex}"
        draft.write_text(textwrap.dedent(text), encoding="utf-8")
        draft.replace(file)
        return file

    def millrace(
        self,
        *arguments: object,
        stdin: str = "",
        prefix: tuple[str, ...] = (),
        env: Mapping[str, str] | None = None,
    ) -> Ended:
        """Run the command to its end. One that hangs (a service that should not have started) is ended."""
        done = subprocess.run(
            [*prefix, COMMAND, *map(str, arguments)],
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            cwd=self.folder,
            env=self.environment(**(env or {})),
            timeout=HANG,
        )
        return Ended(done.returncode, done.stdout, done.stderr)

    @contextlib.contextmanager
    def up(self, *arguments: object, **more: str) -> Iterator[Service]:
        """``millrace up``, healthy. Ended with SIGTERM; whatever is left of it then is a failure."""
        service = self.start(*arguments, **more)
        try:
            service.wait_healthy()
            yield service
            service.stop(signal.SIGTERM)
            assert not marked(self.mark), f"left over: {marked(self.mark)}"
        finally:
            self.end_all()

    def start(self, *arguments: object, **more: str) -> Service:
        """``millrace up`` as a process; whoever starts it ends it."""
        port = free_port()
        log = self.folder / f"up-{port}.log"
        command = [COMMAND, "up", "--home", self.home, "--pipelines", self.pipelines, "--port", port, *arguments]
        with log.open("wb") as output:
            process = subprocess.Popen(
                [str(part) for part in command],
                cwd=self.folder,
                env=self.environment(**more),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        return Service(self, process, port, log)

    def end_all(self) -> None:
        """Kill what is left of this installation's processes."""
        for pid in marked(self.mark):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def files(self) -> dict[str, str]:
        """What the home holds beside the database and what only wakes a process: relative path -> content."""
        found = {}
        for file in sorted(self.home.rglob("*")) if self.home.exists() else ():
            name = file.relative_to(self.home).as_posix()
            if name.startswith(("millrace.db", "wake")):
                continue
            if file.is_dir():
                found[name] = "folder"
            elif file.is_file():
                found[name] = hashlib.sha256(file.read_bytes()).hexdigest()
        return found

    def rows(self) -> dict[str, int]:
        """Table -> how many rows it has; empty where there is no database."""
        file = self.home / "millrace.db"
        if not file.exists():
            return {}
        with contextlib.closing(sqlite3.connect(f"file:{quote(str(file))}?mode=ro", uri=True)) as connection:
            names = [n for (n,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            return {n: connection.execute(f'SELECT count(*) FROM "{n}"').fetchone()[0] for n in sorted(names)}

    def content(self) -> tuple[dict[str, str], list[str]]:
        """The files, and every row of the database: two that are equal hold the same."""
        file = self.home / "millrace.db"
        dump: list[str] = []
        if file.exists():
            with contextlib.closing(sqlite3.connect(f"file:{quote(str(file))}?mode=ro", uri=True)) as connection:
                dump = list(connection.iterdump())
        return self.files(), dump


@attrs.frozen
class Service:
    """A ``millrace up``."""

    of: Installation
    process: subprocess.Popen[bytes]
    port: int
    log: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(self, path: str, body: Any = None, *, method: str | None = None) -> Any:
        """The JSON that a route answers, errors included."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, {"content-type": "application/json"}, method=method)
        try:
            with urllib.request.urlopen(request) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            return json.loads(error.read())

    def wait_healthy(self) -> None:
        def healthy() -> bool:
            assert self.process.poll() is None, f"it ended with {self.process.returncode}:\n{self.log.read_text()}"
            try:
                return bool(self.ask("/health")["status"] == "ok")
            except OSError:
                return False

        until(healthy, "a healthy answer")

    def command(self, *arguments: object, stdin: str = "") -> Ended:
        """A command that works on this server."""
        return self.of.millrace(*arguments, stdin=stdin, env={"MILLRACE_URL": self.url})

    def trigger(self, pipeline: str, **params: Any) -> str:
        """The id of a new run."""
        answer = self.ask(f"/api/v1/pipelines/{pipeline}/runs", {"params": params})
        assert "run_id" in answer, answer
        return str(answer["run_id"])

    def run(self, run_id: str) -> dict[str, Any]:
        """The run with its tasks and attempts, as it is."""
        answer: dict[str, Any] = self.ask(f"/api/v1/runs/{run_id}")
        assert "tasks" in answer, answer
        return answer

    def ended(self, run_id: str) -> dict[str, Any]:
        """The run once it has ended."""
        until(lambda: self.ask(f"/api/v1/runs/{run_id}/wait?timeout=10")["ended_at"], f"the end of run {run_id}")
        return self.run(run_id)

    def finished(self, pipeline: str, **params: Any) -> dict[str, Any]:
        """A new run, ended."""
        return self.ended(self.trigger(pipeline, **params))

    def task(self, run_id: str, task_id: str) -> dict[str, Any]:
        return task_of(self.run(run_id), task_id)

    def logged(self, run_id: str, task_id: str) -> str:
        """The newest attempt's log so far."""
        return str(self.ask(f"/api/v1/runs/{run_id}/tasks/{task_id}/log").get("text", ""))

    def pipelines(self) -> dict[str, dict[str, Any]]:
        return {p["name"]: p for p in self.ask("/api/v1/pipelines")["items"]}

    def import_failures(self) -> dict[str, dict[str, Any]]:
        """File name -> failure."""
        return {Path(f["file"]).name: f for f in self.ask("/api/v1/import-failures")["items"]}

    def stop(self, number: signal.Signals) -> int:
        """Send a signal and wait; the exit code."""
        self.process.send_signal(number)
        return self.process.wait()

    def kill(self) -> None:
        """SIGKILL to the main process alone, as the kernel would."""
        self.stop(signal.SIGKILL)


def task_of(run: Mapping[str, Any], task_id: str) -> dict[str, Any]:
    found: dict[str, Any] = next(t for t in run["tasks"] if t["task_id"] == task_id)
    return found


def states_of(run: Mapping[str, Any]) -> dict[str, str]:
    """Task id -> state."""
    return {t["task_id"]: t["state"] for t in run["tasks"]}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
