"""Every route answers what its document says, over real stores and real HTTP."""

from __future__ import annotations

import inspect
import threading
import time
from typing import Any

import pytest

from millrace.core.errors import ConflictError
from millrace.interfaces import Operations
from millrace.operations.local import LocalOperations
from millrace.server.documents import MODELS
from millrace.server.endpoints import Endpoint
from millrace.server.routes import ENDPOINTS, PREFIX
from tests.small_project import SmallProject
from tests.small_server import SmallServer, serving

BODIES: dict[str, Any] = {"NewRun": {"params": {"x": 7}}, "PipelineChange": {"paused": False}}


def _path(endpoint: Endpoint, project: SmallProject, operations: LocalOperations) -> str:
    run_id = project.good_run
    if endpoint.path.endswith("/cancel"):
        run_id = operations.trigger("small", {})["run_id"]
    artifact = operations.artifacts(run_id=None, task_id=None, type=None, limit=1, cursor=None)["items"][0]
    places = {
        "run_id": run_id,
        "task_id": "train",
        "artifact_id": artifact["artifact_id"],
        "experiment_id": operations.experiments()[-1]["experiment_id"],
        "name": "small-model" if endpoint.path.startswith("/models") else "small",
    }
    return PREFIX + endpoint.path.format(**places)


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda e: f"{e.method} {e.path}")
def test_an_answer_has_exactly_the_fields_of_its_document(
    endpoint: Endpoint, project: SmallProject, operations: LocalOperations, server: SmallServer
) -> None:
    body = BODIES[endpoint.body] if endpoint.body else None
    answer = server.ask(endpoint.method, _path(endpoint, project, operations), body)
    assert answer.status == endpoint.status, answer.text
    assert answer.headers["content-type"] == "application/json"
    MODELS[endpoint.answers].model_validate(answer.json)


class _Recorder:
    """Passes every verb on and remembers its name."""

    def __init__(self, operations: Operations) -> None:
        self._operations = operations
        self.called: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        self.called.add(name)
        return getattr(self._operations, name)


def test_every_verb_has_a_route(project: SmallProject, operations: LocalOperations) -> None:
    recorder = _Recorder(operations)
    with serving(recorder) as server:
        for endpoint in ENDPOINTS:
            body = BODIES[endpoint.body] if endpoint.body else None
            server.ask(endpoint.method, _path(endpoint, project, operations), body)
        server.get("/health")
    verbs = {name for name, _ in inspect.getmembers(Operations, inspect.isfunction) if not name.startswith("_")}
    assert recorder.called == verbs


def test_a_run_shows_its_tasks_attempts_and_times(project: SmallProject, server: SmallServer) -> None:
    run = server.get(f"/api/v1/runs/{project.bad_run}").json
    states = {t["task_id"]: t["state"] for t in run["tasks"]}
    assert states == {"double": "success", "train": "success", "check": "failed"}
    failed = next(t for t in run["tasks"] if t["task_id"] == "check")
    assert "asked to fail" in failed["attempts"][0]["reason"]
    assert run["queued_at"] <= run["started_at"] <= run["ended_at"]
    assert failed["upstream"] == ["train"]


def test_trigger_answers_201_with_the_place_of_the_run(server: SmallServer) -> None:
    answer = server.ask("POST", "/api/v1/pipelines/small/runs", {"params": {"x": 5, "rate": 1}})
    assert answer.status == 201
    assert answer.json["params"] == {"x": 5, "fail": False, "rate": 1}
    again = server.get(answer.headers["location"]).json
    assert (again["run_id"], again["state"]) == (answer.json["run_id"], "queued")


def test_trigger_without_a_body_takes_the_defaults(server: SmallServer) -> None:
    answer = server.ask("POST", "/api/v1/pipelines/small/runs")
    assert answer.status == 201
    assert answer.json["params"]["x"] == 3


def test_pages_follow_one_another_and_meet_no_run_twice(server: SmallServer) -> None:
    seen: list[str] = []
    query = "/api/v1/runs?limit=1"
    while True:
        page = server.get(query).json
        seen += [r["run_id"] for r in page["items"]]
        if page["next_cursor"] is None:
            break
        query = f"/api/v1/runs?limit=1&cursor={page['next_cursor']}"
    everything = server.get("/api/v1/runs?limit=1000").json["items"]
    assert seen == [r["run_id"] for r in everything]
    assert len(seen) >= 2


def test_a_filter_filters(project: SmallProject, server: SmallServer) -> None:
    failed = server.get("/api/v1/runs?state=failed").json["items"]
    assert [r["run_id"] for r in failed] == [project.bad_run]


def test_lineage_goes_from_the_model_to_who_read_it(project: SmallProject, server: SmallServer) -> None:
    model = server.get(f"/api/v1/artifacts?run_id={project.good_run}&type=Model").json["items"][0]
    lineage = server.get(f"/api/v1/artifacts/{model['artifact_id']}/lineage").json
    readers = {n["id"]: n["task_id"] for n in lineage["nodes"] if n["kind"] == "attempt"}
    read_by = {readers[e["to"]] for e in lineage["edges"] if e["from"] == model["artifact_id"]}
    assert read_by == {"check"}


def test_the_log_is_read_on_from_its_offset(project: SmallProject, server: SmallServer) -> None:
    path = f"/api/v1/runs/{project.good_run}/tasks/double/log"
    first = server.get(path).json
    rest = server.get(f"{path}?after={first['offset']}").json
    assert "doubling 4" in first["text"]
    assert (rest["text"], rest["ended"], rest["offset"]) == ("", True, first["offset"])


def test_the_log_of_no_such_attempt_is_not_found(project: SmallProject, server: SmallServer) -> None:
    answer = server.get(f"/api/v1/runs/{project.good_run}/tasks/double/log?number=9")
    assert (answer.status, answer.error["type"]) == (404, "NotFoundError")


def test_health_is_503_until_all_is_up(operations: LocalOperations, server: SmallServer) -> None:
    class Starting(_Recorder):
        def health(self) -> Any:
            return {"status": "starting", "parts": {}, "version": "0.0.test"}

    assert server.get("/health").status == 200
    with serving(Starting(operations)) as starting:
        answer = starting.get("/health")
    assert (answer.status, answer.json["status"]) == (503, "starting")
    assert server.get("/version").json == {"version": "0.0.test", "api": "v1"}


def test_a_verb_that_refuses_keeps_its_words(operations: LocalOperations) -> None:
    class Refusing(_Recorder):
        def cancel(self, run_id: str) -> Any:
            raise ConflictError(f"run {run_id} has ended", where="here", remedy="Do nothing.")

    with serving(Refusing(operations)) as refusing:
        answer = refusing.ask("POST", "/api/v1/runs/abc/cancel")
    assert answer.status == 409
    assert answer.error == {
        "type": "ConflictError",
        "message": "run abc has ended",
        "where": "here",
        "remedy": "Do nothing.",
    }


def test_waiting_for_a_run_that_has_ended_answers_at_once(project: SmallProject, server: SmallServer) -> None:
    began = time.monotonic()
    answer = server.get(f"/api/v1/runs/{project.good_run}/wait?timeout=300")
    assert answer.json["state"] == "success"
    assert time.monotonic() - began < 300


def test_waiting_ends_after_the_timeout_with_the_run_as_it_is(server: SmallServer) -> None:
    run = server.ask("POST", "/api/v1/pipelines/small/runs").json
    answer = server.get(f"/api/v1/runs/{run['run_id']}/wait?timeout=0.05")
    assert (answer.status, answer.json["state"]) == (200, "queued")


def test_waiting_ends_when_the_run_does(server: SmallServer, operations: LocalOperations) -> None:
    run_id = server.ask("POST", "/api/v1/pipelines/small/runs").json["run_id"]
    states: list[str] = []
    waiters = [
        threading.Thread(
            target=lambda: states.append(server.get(f"/api/v1/runs/{run_id}/wait?timeout=300").json["state"])
        )
        for _ in range(60)  # more than the pool of short requests has threads
    ]
    for waiter in waiters:
        waiter.start()
    assert server.get("/version").status == 200
    assert server.get("/api/v1/pipelines").status == 200
    server.ask("POST", f"/api/v1/runs/{run_id}/cancel")
    for waiter in waiters:
        waiter.join()
    assert states == ["cancelled"] * 60
