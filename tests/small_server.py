"""A real server of the API on a free port, in a thread of the tests' process."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import attrs

from millrace.core.types import Json
from millrace.interfaces import Operations
from millrace.server import HttpServer, create_app


@attrs.frozen
class Answer:
    status: int
    headers: dict[str, str]
    text: str

    @property
    def json(self) -> Json:
        return json.loads(self.text)

    @property
    def error(self) -> Json:
        return self.json["error"]


@attrs.frozen
class SmallServer:
    url: str
    port: int
    stop: Callable[[], None]

    def ask(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Answer:
        """One request on a connection of its own. A body that is not bytes is sent as JSON."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port)
        try:
            given = dict(headers or {})
            if body is not None and not isinstance(body, bytes):
                body = json.dumps(body).encode()
                given.setdefault("Content-Type", "application/json")
            connection.request(method, path, body=body, headers=given)
            answer = connection.getresponse()
            names = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, names, answer.read().decode())
        finally:
            connection.close()

    def get(self, path: str) -> Answer:
        return self.ask("GET", path)


@contextmanager
def serving(operations: Operations, *, port: int = 0, body_limit: int = 100_000) -> Iterator[SmallServer]:
    """The server while the block runs."""
    server = HttpServer("127.0.0.1", port)
    ready = threading.Event()
    app = create_app(operations, version="0.0.test", body_limit=body_limit)
    thread = threading.Thread(target=server.run, args=(app, lambda _url: ready.set()))
    thread.start()
    try:
        ready.wait()
        yield SmallServer(server.url, server.port, server.stop)
    finally:
        server.stop()
        thread.join()
