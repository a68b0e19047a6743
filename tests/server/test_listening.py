"""Binding, signals and closing of a real server."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading

import pytest

from millrace.core.errors import ServiceError
from millrace.operations.local import LocalOperations
from millrace.server import HttpServer, create_app
from tests.small_server import SmallServer, serving

PROGRAM = """
import sys
from millrace.server import HttpServer, create_app

class Health:
    def health(self):
        return {"status": "ok", "parts": {}, "version": "0"}

server = HttpServer("127.0.0.1", 0)
ended_by = server.run(create_app(Health(), version="0"), lambda url: print(url, flush=True))
print("closed after", ended_by.name, flush=True)
"""


def test_a_port_in_use_is_said_with_the_remedy() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(ServiceError) as raised:
            HttpServer("127.0.0.1", port)
    assert raised.value.message == f"port {port} is in use by another program"
    assert raised.value.remedy is not None
    assert "--port" in raised.value.remedy


@pytest.mark.parametrize("host", ["no-such-host.invalid", "203.0.113.7", "a" * 300])
def test_an_address_that_is_not_ours_is_said(host: str) -> None:
    with pytest.raises(ServiceError, match="address"):
        HttpServer(host, 0)


def test_the_port_is_free_again_after_a_run(operations: LocalOperations) -> None:
    with serving(operations) as first:
        port = first.port
    with serving(operations, port=port) as second:
        assert second.port == port
        assert second.get("/version").status == 200


def test_stop_before_run_ends_it_at_once(operations: LocalOperations) -> None:
    server = HttpServer("127.0.0.1", 0)
    server.stop()
    assert server.run(create_app(operations, version="0")) is None


def test_stop_ends_long_polls_with_an_answer(operations: LocalOperations) -> None:
    states: list[str] = []
    run_id = operations.trigger("small", {})["run_id"]
    with serving(operations) as server:
        waiter = threading.Thread(target=lambda: states.append(_wait(server, run_id)))
        waiter.start()
        while not server.get(f"/api/v1/runs/{run_id}").json["queued_at"]:
            pass
    waiter.join()
    assert states in (["queued"], [])  # the poll was under way, or had not been sent yet


def _wait(server: SmallServer, run_id: str) -> str:
    try:
        return str(server.get(f"/api/v1/runs/{run_id}/wait?timeout=300").json["state"])
    except OSError:
        sys.exit()  # closed before it was asked


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_run_by_returning(number: signal.Signals) -> None:
    with subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("http://127.0.0.1:")
        process.send_signal(number)
        rest = process.stdout.read()
    assert rest == f"closed after {number.name}\n"
    assert process.returncode == 0


def test_the_server_imports_no_model_of_a_document() -> None:
    """pydantic's models are for the OpenAPI document; a start without them is half as long."""
    program = "import sys, millrace.server; print([m for m in ('pydantic', 'fastapi', 'httpx') if m in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert shown.stdout == "[]\n"
