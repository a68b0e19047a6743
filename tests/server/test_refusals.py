"""What the server refuses, and that it does so in one shape without ever showing a traceback."""

from __future__ import annotations

import http.client
import logging
from typing import Any

import pytest

from millrace.core.types import Json
from millrace.operations.local import LocalOperations
from millrace.server.answers import encode
from millrace.server.guard import is_loopback
from tests.small_project import SmallProject
from tests.small_server import SmallServer, serving

RUNS = "/api/v1/runs"
TRIGGER = "/api/v1/pipelines/small/runs"


@pytest.mark.parametrize(
    ("path", "message", "remedy"),
    [
        (f"{RUNS}?stat=failed", "there is no query parameter 'stat'", "Did you mean 'state'?"),
        (f"{RUNS}?state=fialed", "query parameter 'state' is none of its values: 'fialed'", "Did you mean 'failed'?"),
        (f"{RUNS}?limit=many", "query parameter 'limit' takes an integer, not 'many'", None),
        (f"{RUNS}?limit=0", "query parameter 'limit' is at least 1, not '0'", None),
        (f"{RUNS}?limit=1001", "query parameter 'limit' is at most 1000, not '1001'", None),
        (f"{RUNS}/abc/wait?timeout=soon", "query parameter 'timeout' takes a number, not 'soon'", None),
        (f"{RUNS}/abc/wait?timeout=nan", "query parameter 'timeout' is at least 0, not 'nan'", None),
        (f"{RUNS}/abc/wait?timeout=inf", "query parameter 'timeout' is at most 300.0, not 'inf'", None),
    ],
)
def test_a_wrong_query_is_named(server: SmallServer, path: str, message: str, remedy: str | None) -> None:
    answer = server.get(path)
    assert answer.status == 400
    assert answer.error == {"type": "UsageError", "message": message, "where": None, "remedy": remedy}


@pytest.mark.parametrize(
    ("body", "kind", "said"),
    [
        (b"{", "application/json", "the body is not JSON"),
        (b"[]", "application/json", "the body is not a JSON object"),
        (b"\xff", "application/json", "the body is not JSON"),
        (b'{"parms": {}}', "application/json", "the body has an unknown field 'parms'"),
        (b'{"params": [1]}', "application/json", "field 'params' of the body takes an object"),
        (b'{"params": {}}', "text/plain", "the body is text/plain, not JSON"),
        (b'{"params": {}}', "", "the body is of no named type, not JSON"),
    ],
)
def test_a_wrong_body_is_named_and_starts_nothing(server: SmallServer, body: bytes, kind: str, said: str) -> None:
    before = len(server.get(f"{RUNS}?limit=1000").json["items"])
    answer = server.ask("POST", TRIGGER, body, {"Content-Type": kind} if kind else {})
    assert (answer.status, answer.error["type"]) == (400, "UsageError")
    assert answer.error["message"].startswith(said)
    assert len(server.get(f"{RUNS}?limit=1000").json["items"]) == before


def test_a_field_that_is_needed_is_asked_for(server: SmallServer) -> None:
    answer = server.ask("PATCH", "/api/v1/pipelines/small", {})
    assert answer.error["message"] == "the body lacks the field 'paused'"
    assert answer.error["remedy"] == "It takes true or false"


def test_wrong_parameters_are_named_with_the_near_one(server: SmallServer) -> None:
    answer = server.ask("POST", TRIGGER, {"params": {"y": 1, "rate": 0.5}})
    assert (answer.status, answer.error["type"]) == (400, "ParameterError")
    assert "'y'" in answer.error["message"]
    wrong_type = server.ask("POST", TRIGGER, {"params": {"x": "four"}})
    assert "an integer" in wrong_type.error["message"]


def test_unknown_things_are_404_with_near_names(server: SmallServer) -> None:
    answer = server.get("/api/v1/pipelines/smal")
    assert (answer.status, answer.error["type"]) == (404, "NotFoundError")
    assert "'small'" in answer.error["remedy"]
    assert server.get("/api/v1/nothing").error["message"] == "there is no GET /api/v1/nothing"
    assert server.get("/favicon.ico").status == 404


def test_a_method_that_a_path_lacks_is_405(server: SmallServer) -> None:
    answer = server.ask("DELETE", "/api/v1/pipelines/small")
    assert answer.status == 405
    assert answer.error["type"] == "UsageError"


def test_an_ended_run_is_not_cancelled(project: SmallProject, server: SmallServer) -> None:
    answer = server.ask("POST", f"{RUNS}/{project.good_run}/cancel")
    assert (answer.status, answer.error["type"]) == (409, "ConflictError")


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8080", "10.0.0.1", "localhost.evil.example", ""])
def test_another_name_for_this_machine_is_refused(server: SmallServer, host: str) -> None:
    answer = server.ask("GET", "/api/v1/pipelines", headers={"Host": host})
    assert answer.status == 403
    assert "localhost" in answer.error["message"]


@pytest.mark.parametrize("host", ["localhost", "localhost:1", "127.0.0.1:9", "[::1]:9", "app.localhost"])
def test_loopback_names_are_answered(server: SmallServer, host: str) -> None:
    assert server.ask("GET", "/version", headers={"Host": host}).status == 200


@pytest.mark.parametrize(("host", "loopback"), [("0.0.0.0", False), ("::", False), ("::1", True), ("127.1.2.3", True)])
def test_which_addresses_are_loopback(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


def test_a_page_of_another_site_changes_nothing(server: SmallServer) -> None:
    answer = server.ask("POST", TRIGGER, headers={"Origin": "https://evil.example"})
    assert answer.status == 403
    own = server.ask("POST", TRIGGER, headers={"Origin": server.url})
    assert own.status == 201
    assert server.ask("GET", RUNS, headers={"Origin": "https://evil.example"}).status == 200


def test_answers_allow_no_other_origin(server: SmallServer) -> None:
    answer = server.ask("GET", RUNS, headers={"Origin": "https://evil.example"})
    assert not [name for name in answer.headers if name.startswith("access-control")]
    assert answer.headers["cache-control"] == "no-store"


def test_a_body_over_the_limit_is_refused_whole_or_in_chunks(operations: LocalOperations) -> None:
    with serving(operations, body_limit=1000) as server:
        large = {"params": {"x": "x" * 2000}}
        assert server.ask("POST", TRIGGER, large).status == 413
        connection = http.client.HTTPConnection("127.0.0.1", server.port)
        chunks = iter([b"x" * 600, b"x" * 600])
        connection.request("POST", TRIGGER, body=chunks, headers={"Content-Type": "application/json"})
        assert connection.getresponse().status == 413
        connection.close()
        connection = http.client.HTTPConnection("127.0.0.1", server.port)
        connection.request(
            "POST", TRIGGER, body=iter([b'{"params": ', b'{"x": 8}}']), headers={"Content-Type": "application/json"}
        )
        assert connection.getresponse().status == 201
        connection.close()


class _Broken:
    def pipelines(self) -> list[Json]:
        raise RuntimeError("the secret inner state")

    def pipeline(self, name: str) -> Json:
        return {"name": name, "value": float("nan"), "large": 2**70}


def test_an_unexpected_error_shows_an_id_and_logs_the_traceback(caplog: pytest.LogCaptureFixture) -> None:
    broken: Any = _Broken()
    with caplog.at_level(logging.ERROR, "millrace.server"), serving(broken) as server:
        answer = server.get("/api/v1/pipelines")
        assert server.get("/version").status == 200
    assert answer.status == 500
    assert answer.error["type"] == "InternalError"
    assert "secret" not in answer.text
    incident = answer.error["message"].split("id ")[1].rstrip(")")
    assert incident in caplog.text
    assert "the secret inner state" in caplog.text


def test_numbers_that_json_lacks_become_null() -> None:
    broken: Any = _Broken()
    with serving(broken) as server:
        assert server.get("/api/v1/pipelines/a").json == {"name": "a", "value": None, "large": 2**70}
    assert encode([float("inf"), "\ud800", 2**80]) == b'[null, "\\ud800", 1208925819614629174706176]'
