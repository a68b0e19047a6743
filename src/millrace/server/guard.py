"""The outermost middleware: what keeps the API safe while it has no login.

It prevents four things: a page of another site that drives a server on this machine (by a name of its own that
resolves to 127.0.0.1, or by a plain cross-site POST), a body that fills the memory, and an unexpected exception that
shows a traceback to the caller or ends the connection without an answer.
"""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from millrace.server.answers import JsonResponse, answer_unexpected, error_answer

BODY_LIMIT = 4 * 1024 * 1024
"""Bytes of a request's body. Parameters are small; data travels as artifacts."""

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def is_loopback(host: str) -> bool:
    """Whether ``host`` names this machine only."""
    name = host.strip("[]").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


class Guard:
    """Checks Host, Origin and the body's size before the routes see a request."""

    def __init__(self, app: ASGIApp, *, loopback_only: bool, body_limit: int = BODY_LIMIT) -> None:
        self.app = app
        self.loopback_only = loopback_only
        self.body_limit = body_limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        refused = self._refuse(scope, headers)
        if refused is None and "content-length" not in headers and "transfer-encoding" in headers:
            replay = await self._read_chunked(receive)
            if replay is None:
                refused = self._too_large()
            else:
                receive = replay
        if refused is not None:
            await refused(scope, receive, send)
            return
        await self._run(scope, receive, send)

    async def _run(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def watch(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self.app(scope, receive, watch)
        except Exception as error:  # noqa: BLE001 - the outermost place: whatever is left becomes an answer with an id
            answer = answer_unexpected(error, scope["method"], scope["path"])
            if not started:
                await answer(scope, receive, send)

    def _refuse(self, scope: Scope, headers: Headers) -> JsonResponse | None:
        host = headers.get("host", "")
        if self.loopback_only and not is_loopback(_name_of(host)):
            return error_answer(
                403,
                "UsageError",
                f"this server answers to localhost only, not to {host!r}",
                remedy="Start it with --host and the address that others use, if others are to reach it",
            )
        origin = headers.get("origin")
        if origin is not None and scope["method"] not in _SAFE_METHODS and urlsplit(origin).netloc != host:
            return error_answer(403, "UsageError", f"a page of {origin} may not change anything here")
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > self.body_limit:
            return self._too_large()
        return None

    def _too_large(self) -> JsonResponse:
        return error_answer(
            413,
            "UsageError",
            f"the request's body is over {self.body_limit} bytes",
            remedy="Pass large data as an artifact, not as a parameter",
        )

    async def _read_chunked(self, receive: Receive) -> Receive | None:
        """The body read whole, to be received again; None when it is too large."""
        messages: list[Message] = []
        size = 0
        while True:
            message = await receive()
            messages.append(message)
            size += len(message.get("body", b""))
            if size > self.body_limit:
                return None
            if message["type"] != "http.request" or not message.get("more_body"):
                break

        async def replay() -> Message:
            return messages.pop(0) if messages else await receive()

        return replay


def _name_of(host: str) -> str:
    """``[::1]:8080`` -> ``[::1]``, ``localhost:8080`` -> ``localhost``."""
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.partition(":")[0]
