"""JSON over kept-alive HTTP connections, by the standard library.

Not httpx: importing it takes 130 ms, as long as the whole rest of a command that asks a server, and JSON requests to
one server need nothing of it.

Only a request that changes nothing is sent again when the server has dropped the idle connection; every other one
gets a fresh connection, so it is never sent twice.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import ssl
import threading
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode, urlsplit

from millrace.core.errors import MillraceError, ServiceError, SettingsError
from millrace.core.types import Json

TIMEOUT = 30.0
"""Seconds without a byte from the server until it counts as unreachable."""


class _Answer(NamedTuple):
    status: int
    kind: str
    text: bytes


class Connection:
    """Requests to one server, from any number of threads: each takes an idle connection or opens one."""

    def __init__(self, url: str) -> None:
        try:
            parts = urlsplit(url if "://" in url else f"http://{url}")
            host, port = parts.hostname, parts.port
        except ValueError:
            host, port = None, None
        if not host or port == 0 or parts.scheme not in {"http", "https"}:
            raise SettingsError(
                f"{url!r} is no address of a Millrace server", remedy="For example: http://127.0.0.1:8080"
            )
        self.url = f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"
        self._prefix = parts.path.rstrip("/")
        self._secure = parts.scheme == "https"
        self._host, self._port = host, port
        self._idle: list[http.client.HTTPConnection] = []
        self._lock = threading.Lock()

    def request(
        self,
        method: str,
        path: tuple[str, ...],
        *,
        query: Mapping[str, Any] | None = None,
        body: Json = None,
        wait: float = 0.0,
        accept: tuple[int, ...] = (),
    ) -> Json:
        """The answer's JSON. ``path`` is given in parts, each quoted here; ``wait``: seconds the server may take more.

        The server's error is raised as its own class; a status in ``accept`` is an answer too.
        """
        given = {k: v for k, v in (query or {}).items() if v is not None}
        target = "/".join([self._prefix, *(quote(part, safe="") for part in path)])
        target += f"?{urlencode(given)}" if given else ""
        raw = None if body is None else json.dumps(body).encode()
        try:
            answer = self._exchange(method, target, raw, TIMEOUT + wait)
        except (http.client.HTTPException, OSError) as error:
            raise self._unreachable(error) from error
        return self._read(answer, accept)

    def close(self) -> None:
        """Close the idle connections."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _exchange(self, method: str, target: str, raw: bytes | None, timeout: float) -> _Answer:
        kept = self._take() if method == "GET" else None
        if kept is not None:
            with contextlib.suppress(http.client.HTTPException, ConnectionError):  # the server has dropped it
                return self._send(kept, method, target, raw, timeout)
        return self._send(self._open(timeout), method, target, raw, timeout)

    def _send(
        self, connection: http.client.HTTPConnection, method: str, target: str, raw: bytes | None, timeout: float
    ) -> _Answer:
        headers = {"Accept": "application/json"}
        if raw is not None:
            headers["Content-Type"] = "application/json"
        try:
            if connection.sock is not None:
                connection.sock.settimeout(timeout)
            connection.request(method, target, body=raw, headers=headers)
            answer = connection.getresponse()
            read = _Answer(answer.status, answer.headers.get_content_type(), answer.read())
        except BaseException:
            connection.close()
            raise
        with self._lock:
            self._idle.append(connection)
        return read

    def _take(self) -> http.client.HTTPConnection | None:
        with self._lock:
            return self._idle.pop() if self._idle else None

    def _open(self, timeout: float) -> http.client.HTTPConnection:
        if self._secure:
            return http.client.HTTPSConnection(
                self._host, self._port, timeout=timeout, context=ssl.create_default_context()
            )
        return http.client.HTTPConnection(self._host, self._port, timeout=timeout)

    def _unreachable(self, error: Exception) -> ServiceError:
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error) or type(error).__name__
        return ServiceError(
            f"no Millrace server answers at {self.url} ({why})",
            remedy="Start one with `millrace up`, or unset MILLRACE_URL to work on the home folder's store",
        )

    def _read(self, answer: _Answer, accept: tuple[int, ...]) -> Json:
        try:
            document = json.loads(answer.text)
        except ValueError:
            document = None
        if answer.status >= 400 and isinstance(document, dict) and isinstance(document.get("error"), dict):
            raise rebuild_error(document["error"])
        if document is not None and (answer.status < 300 or answer.status in accept):
            return document
        raise ServiceError(
            f"what answers at {self.url} is not a Millrace server (HTTP {answer.status}, {answer.kind})",
            remedy="Check MILLRACE_URL or --url",
        )


def rebuild_error(detail: Mapping[str, Json]) -> MillraceError:
    """The error that the server raised, as the same class; ServiceError for a class that is not known here."""
    kind = _classes(MillraceError).get(str(detail.get("type")), ServiceError)
    error = kind.__new__(kind)
    MillraceError.__init__(
        error, str(detail.get("message", "")), where=detail.get("where"), remedy=detail.get("remedy")
    )
    return error


def _classes(root: type[MillraceError]) -> dict[str, type[MillraceError]]:
    found = {root.__name__: root}
    for kind in root.__subclasses__():
        found.update(_classes(kind))
    return found
