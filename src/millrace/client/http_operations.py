"""``Operations`` over ``/api/v1``: one method, one request."""

from __future__ import annotations

import time
from collections.abc import Mapping

from millrace.client.connection import Connection
from millrace.core.types import Json

WAIT_SLICE = 30.0
"""Seconds of one waiting request: below the idle limits of proxies."""

_API = ("api", "v1")


class HttpOperations:
    """The verbs of a running server. Errors are raised as the classes that the server raised.

    ServiceError when nothing, or something else, answers at ``url``.
    """

    def __init__(self, url: str) -> None:
        self._connection = Connection(url)
        self.url = self._connection.url

    def close(self) -> None:
        self._connection.close()

    def pipelines(self) -> list[Json]:
        return self._items("pipelines")

    def pipeline(self, name: str) -> Json:
        return self._get("pipelines", name)

    def import_failures(self) -> list[Json]:
        return self._items("import-failures")

    def set_paused(self, name: str, *, paused: bool) -> Json:
        return self._connection.request("PATCH", (*_API, "pipelines", name), body={"paused": paused})

    def trigger(self, pipeline: str, params: Mapping[str, Json]) -> Json:
        return self._connection.request("POST", (*_API, "pipelines", pipeline, "runs"), body={"params": dict(params)})

    def wait(self, run_id: str, timeout: float) -> Json:
        deadline = time.monotonic() + timeout
        while True:
            left = max(0.0, deadline - time.monotonic())
            document = self._get("runs", run_id, "wait", wait=WAIT_SLICE, timeout=min(WAIT_SLICE, left))
            if document["ended_at"] is not None or left <= WAIT_SLICE:
                return document

    def runs(self, *, pipeline: str | None, state: str | None, limit: int, cursor: str | None) -> Json:
        return self._get("runs", pipeline=pipeline, state=state, limit=limit, cursor=cursor)

    def run(self, run_id: str) -> Json:
        return self._get("runs", run_id)

    def cancel(self, run_id: str) -> Json:
        return self._connection.request("POST", (*_API, "runs", run_id, "cancel"))

    def task_run(self, run_id: str, task_id: str) -> Json:
        return self._get("runs", run_id, "tasks", task_id)

    def log(self, run_id: str, task_id: str, *, number: int | None, after: int) -> Json:
        return self._get("runs", run_id, "tasks", task_id, "log", number=number, after=after)

    def events(self, run_id: str, after: int) -> list[Json]:
        return self._items("runs", run_id, "events", after=after)

    def artifacts(
        self, *, run_id: str | None, task_id: str | None, type: str | None, limit: int, cursor: str | None
    ) -> Json:
        return self._get("artifacts", run_id=run_id, task_id=task_id, type=type, limit=limit, cursor=cursor)

    def artifact(self, artifact_id: str) -> Json:
        return self._get("artifacts", artifact_id)

    def lineage(self, artifact_id: str, *, depth: int) -> Json:
        return self._get("artifacts", artifact_id, "lineage", depth=depth)

    def experiments(self) -> list[Json]:
        return self._items("experiments")

    def tracking_runs(self, experiment_id: str, limit: int) -> list[Json]:
        return self._items("experiments", experiment_id, "runs", limit=limit)

    def registered_models(self) -> list[Json]:
        return self._items("models")

    def registered_model(self, name: str) -> Json:
        return self._get("models", name)

    def health(self) -> Json:
        return self._connection.request("GET", ("health",), accept=(503,))

    def _get(self, *path: str, wait: float = 0.0, **query: Json) -> Json:
        return self._connection.request("GET", (*_API, *path), query=query, wait=wait)

    def _items(self, *path: str, **query: Json) -> list[Json]:
        items: list[Json] = self._get(*path, **query)["items"]
        return items
