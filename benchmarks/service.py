"""A ``millrace up`` under measurement, spoken to over HTTP."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import attrs

from benchmarks.surroundings import COMMAND, Surroundings

LOOK = 0.004
"""Seconds between two questions to a service that is starting."""


@attrs.frozen
class RunningService:
    process: subprocess.Popen[bytes]
    home: Path
    port: int
    seconds_to_healthy: float

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """The JSON answer; RuntimeError with its text when it is no success."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port)
        try:
            text = None if body is None else json.dumps(body)
            connection.request(method, path, text, {"content-type": "application/json"} if body is not None else {})
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        if answer.status >= 300:
            raise RuntimeError(f"{method} {path}: {answer.status} {content.decode(errors='replace')}")
        return json.loads(content)

    def run(self, pipeline: str) -> float:
        """Trigger ``pipeline`` over HTTP and wait; :func:`seconds_of` its run."""
        run = self.ask("POST", f"/api/v1/pipelines/{pipeline}/runs", {})
        while run["ended_at"] is None:
            run = self.ask("GET", f"/api/v1/runs/{run['run_id']}/wait?timeout=30")
        return seconds_of(run)


def seconds_of(run: dict[str, Any]) -> float:
    """From a run's own ``queued_at`` to its ``ended_at``; RuntimeError when it did not succeed."""
    if run["state"] != "success":
        raise RuntimeError(f"run {run['run_id']} of {run['pipeline']} ended as {run['state']}: {run['reason']}")
    return (datetime.fromisoformat(run["ended_at"]) - datetime.fromisoformat(run["queued_at"])).total_seconds()


@contextmanager
def running_service(around: Surroundings) -> Iterator[RunningService]:
    """A service in a new home, healthy; ended with SIGTERM."""
    home, port = around.new_home(), _free_port()
    command = [COMMAND, "up", "--home", str(home), "--pipelines", str(around.file.parent), "--port", str(port)]
    output = home.parent / "up.log"
    with output.open("wb") as log:
        started = time.perf_counter()
        process = subprocess.Popen(command, cwd=around.folder, env=around.environment, stdout=log, stderr=log)
    try:
        while not _healthy(port):
            if process.poll() is not None:
                raise RuntimeError(f"`millrace up` ended with {process.returncode}:\n{output.read_text()}")
            time.sleep(LOOK)
        yield RunningService(process, home, port, time.perf_counter() - started)
    finally:
        process.terminate()
        process.wait()


def _healthy(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port)
    try:
        connection.request("GET", "/health")
        answer = connection.getresponse()
        return answer.status == 200 and json.loads(answer.read())["status"] == "ok"
    except OSError:
        return False
    finally:
        connection.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
