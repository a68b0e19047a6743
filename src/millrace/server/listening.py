"""The listening socket and the loop that serves it.

Invariant: the port is bound before anything else starts, so that a port in use stops ``millrace up`` while nothing has
been done yet; and a signal ends :meth:`HttpServer.run` by returning, so that its caller can close the rest.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from types import FrameType

import uvicorn
from starlette.applications import Starlette

from millrace.core.errors import ServiceError
from millrace.serving.http_protocol import OneWriteHttpProtocol

GRACE = 3
"""Seconds that open requests have to end once the server closes."""

BACKLOG = 512


class HttpServer:
    """One port. ``port`` 0 takes a free one; ``url`` says which."""

    def __init__(self, host: str, port: int) -> None:
        self._socket = _bind(host, port)
        self._loop: _Loop | None = None
        self._stopped = False
        self._lock = threading.Lock()
        bound = self._socket.getsockname()[1]
        shown = "localhost" if host in {"", "0.0.0.0", "::"} else host  # noqa: S104 - compared, not bound
        self.host = host
        self.port: int = bound
        self.url = f"http://[{shown}]:{bound}" if ":" in shown else f"http://{shown}:{bound}"

    def run(self, app: Starlette, ready: Callable[[str], None] | None = None) -> signal.Signals | None:
        """Serve until :meth:`stop` or, in the main thread, SIGINT or SIGTERM; the signal that ended it.

        ``ready(url)`` is called in the server's thread as soon as requests are answered.
        """
        config = uvicorn.Config(
            app,
            loop="auto",  # uvloop where there is one
            http=OneWriteHttpProtocol,
            ws="none",
            lifespan="off",
            access_log=False,
            log_config=None,
            server_header=False,
            backlog=BACKLOG,
            timeout_graceful_shutdown=GRACE,
        )
        loop = _Loop(config, app, (lambda: ready(self.url)) if ready else None)
        with self._lock:
            self._loop = loop
            if self._stopped:
                loop.should_exit = True
        try:
            loop.run([self._socket])
        finally:
            self._socket.close()
        return loop.signal

    def stop(self) -> None:
        """End :meth:`run`, from any thread; before it, :meth:`run` returns at once. Twice is as once."""
        with self._lock:
            self._stopped = True
            if self._loop is not None:
                self._loop.wake()

    def close(self) -> None:
        """Give the port back when :meth:`run` was never called."""
        self._socket.close()


def serve(app: Starlette, host: str, port: int, ready: Callable[[str], None] | None = None) -> signal.Signals | None:
    """Bind and serve until a signal. ServiceError when the address cannot be had."""
    return HttpServer(host, port).run(app, ready)


class _Loop(uvicorn.Server):
    """uvicorn's server without its ten wake-ups a second, and without killing the process after a clean shutdown."""

    def __init__(self, config: uvicorn.Config, app: Starlette, ready: Callable[[], None] | None) -> None:
        super().__init__(config)
        self._app = app
        self._ready = ready
        self._woken: asyncio.Event | None = None
        self._event_loop: asyncio.AbstractEventLoop | None = None
        self.signal: signal.Signals | None = None

    def wake(self) -> None:
        """Ask the loop to end."""
        self.should_exit = True
        self._app.state.closing = True
        if self._event_loop is not None and self._woken is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
                self._event_loop.call_soon_threadsafe(self._woken.set)

    async def main_loop(self) -> None:
        self._woken = asyncio.Event()
        self._event_loop = asyncio.get_running_loop()
        tick = 0
        if self._ready is not None:
            self._ready()
        while not await self.on_tick(tick):
            tick += 10  # in tenths of a second, as on_tick counts: it renews the Date header at each
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), 1.0)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - the signature of signal handlers
        if self.should_exit and sig == signal.SIGINT:
            self.force_exit = True
        self.signal = self.signal or signal.Signals(sig)
        self.wake()


def _bind(host: str, port: int) -> socket.socket:
    try:
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (socket.gaierror, UnicodeError):
        raise ServiceError(
            f"this machine has no address {host!r} to listen on", remedy="Give one with --host, for example 127.0.0.1"
        ) from None
    except OverflowError:
        raise ServiceError(f"{port} is not a port", remedy="Give one from 1 to 65535 with --port") from None
    family, kind, protocol, _name, address = found[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # inherited by accepted connections on Linux: no answer waits for the acknowledgement of its header
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise _refused(host, port, error) from None
    return listener


def _refused(host: str, port: int, error: OSError) -> ServiceError:
    if error.errno == errno.EADDRINUSE:
        return ServiceError(
            f"port {port} is in use by another program", remedy="Choose another port with --port, or stop that program"
        )
    if error.errno == errno.EACCES:
        return ServiceError(
            f"port {port} is reserved for the system", remedy="Choose one from 1024 upwards with --port"
        )
    if error.errno == errno.EADDRNOTAVAIL:
        return ServiceError(
            f"{host!r} is no address of this machine", remedy="Give one that is with --host, for example 127.0.0.1"
        )
    return ServiceError(f"cannot listen on {host}:{port}: {error.strerror or error}")
