"""The verbs over HTTP give what they give in process, errors included."""

from __future__ import annotations

import http.server
import inspect
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from millrace.client import HttpOperations
from millrace.client.connection import rebuild_error
from millrace.core.errors import (
    ConflictError,
    MillraceError,
    NotFoundError,
    ParameterError,
    ServiceError,
    SettingsError,
    UsageError,
)
from millrace.core.types import Json
from millrace.interfaces import LeaseLost, Operations
from millrace.operations.local import LocalOperations
from tests.small_project import SmallProject
from tests.small_server import SmallServer, serving

Ask = Callable[[Operations, SmallProject], Json]

READS: dict[str, Ask] = {
    "pipelines": lambda o, _p: o.pipelines(),
    "pipeline": lambda o, _p: o.pipeline("small"),
    "import_failures": lambda o, _p: o.import_failures(),
    "set_paused": lambda o, _p: {**o.set_paused("small", paused=False), "updated_at": None},
    "wait": lambda o, p: o.wait(p.good_run, 60.0),
    "runs": lambda o, _p: o.runs(pipeline="small", state="failed", limit=10, cursor=None),
    "run": lambda o, p: o.run(p.good_run),
    "task_run": lambda o, p: o.task_run(p.good_run, "train"),
    "log": lambda o, p: o.log(p.good_run, "double", number=1, after=0),
    "events": lambda o, p: o.events(p.bad_run, 2),
    "artifacts": lambda o, p: o.artifacts(run_id=p.good_run, task_id="train", type=None, limit=5, cursor=None),
    "artifact": lambda o, p: o.artifact(_model(o, p)),
    "lineage": lambda o, p: o.lineage(_model(o, p), depth=2),
    "experiments": lambda o, _p: o.experiments(),
    "tracking_runs": lambda o, _p: o.tracking_runs(o.experiments()[-1]["experiment_id"], 5),
    "registered_models": lambda o, _p: o.registered_models(),
    "registered_model": lambda o, _p: o.registered_model("small-model"),
    "health": lambda o, _p: o.health(),
}
WRITES = {"trigger", "cancel"}


def _model(operations: Operations, project: SmallProject) -> str:
    page = operations.artifacts(run_id=project.good_run, task_id="train", type=None, limit=1, cursor=None)
    return str(page["items"][0]["artifact_id"])


@pytest.fixture
def remote(server: SmallServer) -> Iterator[HttpOperations]:
    client = HttpOperations(server.url)
    yield client
    client.close()


@pytest.mark.parametrize("name", READS)
def test_a_verb_gives_the_same_both_ways(
    name: str, remote: HttpOperations, operations: LocalOperations, project: SmallProject
) -> None:
    assert READS[name](remote, project) == READS[name](operations, project)


def test_every_verb_is_compared() -> None:
    verbs = {name for name, _ in inspect.getmembers(Operations, inspect.isfunction) if not name.startswith("_")}
    assert set(READS) | WRITES == verbs


def test_signatures_are_those_of_the_interface() -> None:
    for name, method in inspect.getmembers(Operations, inspect.isfunction):
        if not name.startswith("_"):
            assert inspect.signature(method) == inspect.signature(getattr(HttpOperations, name)), name


def test_trigger_and_cancel(remote: HttpOperations, operations: LocalOperations) -> None:
    made = remote.trigger("small", {"x": 11, "rate": 0.5})
    assert operations.run(made["run_id"])["params"] == {"x": 11, "fail": False, "rate": 0.5}
    assert remote.wait(made["run_id"], 0.01)["state"] == "queued"
    assert remote.cancel(made["run_id"])["state"] == "cancelled"
    assert remote.wait(made["run_id"], 1e9)["state"] == "cancelled"


REFUSED: dict[str, tuple[type[MillraceError], Ask]] = {
    "no such pipeline": (NotFoundError, lambda o, _p: o.pipeline("smal")),
    "no such run": (NotFoundError, lambda o, _p: o.run("0" * 36)),
    "no such task": (NotFoundError, lambda o, p: o.task_run(p.good_run, "tain")),
    "unknown parameter": (ParameterError, lambda o, _p: o.trigger("small", {"y": 1})),
    "wrong type": (ParameterError, lambda o, _p: o.trigger("small", {"x": "four"})),
    "ended already": (ConflictError, lambda o, p: o.cancel(p.good_run)),
    "no such artifact": (NotFoundError, lambda o, _p: o.artifact("nothing")),
    "no such model": (NotFoundError, lambda o, _p: o.registered_model("nothing")),
    "slashes in a name": (MillraceError, lambda o, _p: o.registered_model("a b?c#d%e")),
    "no such experiment": (NotFoundError, lambda o, _p: o.tracking_runs("999", 5)),
    "state": (UsageError, lambda o, _p: o.runs(pipeline=None, state="fialed", limit=5, cursor=None)),
}


@pytest.mark.parametrize("case", REFUSED)
def test_an_error_is_the_same_both_ways(
    case: str, remote: HttpOperations, operations: LocalOperations, project: SmallProject
) -> None:
    kind, ask = REFUSED[case]
    with pytest.raises(kind) as here:
        ask(operations, project)
    with pytest.raises(kind) as there:
        ask(remote, project)
    assert type(there.value) is type(here.value)
    assert there.value.exit_code == here.value.exit_code
    if case != "state":  # the server refuses that one itself, in words of its own
        assert str(there.value) == str(here.value)


def test_every_class_of_the_tree_is_rebuilt_and_an_unknown_one_is_a_service_error() -> None:
    detail = {"message": "m", "where": "w", "remedy": "r"}
    for kind in (NotFoundError, LeaseLost, MillraceError, SettingsError):
        error = rebuild_error({"type": kind.__name__, **detail})
        assert (type(error), error.message, error.where, error.remedy) == (kind, "m", "w", "r")
    assert type(rebuild_error({"type": "InternalError", **detail})) is ServiceError


def test_nobody_answers() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # not listening: a connection is refused
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(ServiceError) as raised:
            HttpOperations(url).pipelines()
    assert url in raised.value.message
    assert "refused" in raised.value.message
    assert "`millrace up`" in (raised.value.remedy or "")


@pytest.mark.parametrize("url", ["ftp://host", "http://", "http://host:port", "http://:80", "http://host:99999999"])
def test_a_wrong_address(url: str) -> None:
    with pytest.raises(SettingsError, match="no address of a Millrace server"):
        HttpOperations(url)


def test_an_address_without_a_scheme_or_with_a_slash(server: SmallServer) -> None:
    for url in (f"127.0.0.1:{server.port}", f"{server.url}/"):
        client = HttpOperations(url)
        assert client.url == server.url
        assert client.health()["status"] == "ok"
        client.close()


class _Page(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = b"<html>another program</html>"
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""


@contextmanager
def _another_program(handler: type[http.server.BaseHTTPRequestHandler]) -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as other:
        other.daemon_threads = True
        thread = threading.Thread(target=other.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{other.server_address[1]}"
        other.shutdown()
        thread.join()


def test_another_program_answers() -> None:
    with _another_program(_Page) as url:
        client = HttpOperations(url)
        with pytest.raises(ServiceError, match=r"is not a Millrace server \(HTTP 200, text/html\)") as raised:
            client.pipelines()
        client.close()
    assert "MILLRACE_URL" in (raised.value.remedy or "")


def test_a_server_that_was_started_again_is_found_again(operations: LocalOperations) -> None:
    with serving(operations) as first:
        client = HttpOperations(first.url)
        assert client.pipelines()
        port = first.port
    with serving(operations, port=port):
        assert client.pipelines()
    client.close()


class _Dropping(http.server.BaseHTTPRequestHandler):
    """Reads a POST and ends the connection without an answer, as a server does that dies while it works."""

    posts = 0

    def do_POST(self) -> None:
        type(self).posts += 1
        self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""


def test_a_change_is_never_sent_twice() -> None:
    with _another_program(_Dropping) as url, pytest.raises(ServiceError):
        HttpOperations(url).trigger("small", {})
    assert _Dropping.posts == 1


def test_threads_share_a_client(remote: HttpOperations, project: SmallProject) -> None:
    answers: list[Json] = []
    threads = [threading.Thread(target=lambda: answers.append(remote.run(project.good_run))) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [remote.run(project.good_run)] * 16
