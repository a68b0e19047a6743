"""Run the scoring server: on the calling thread until a signal, or on a thread of its own inside a program.

Invariant: the URL is announced only when it answers; SIGTERM and Ctrl-C finish the requests under way, close
the port and return.
"""

from __future__ import annotations

import contextlib
import errno
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from millrace.core.errors import ServiceError
from millrace.models import load_model
from millrace.serving.app import create_app
from millrace.serving.http_protocol import OneWriteHttpProtocol

_GRACE = 5  # seconds that requests under way get when the server ends


class _AnnouncingServer(uvicorn.Server):
    """Tells when it listens, and ends by returning instead of raising the signal again."""

    def __init__(self, config: uvicorn.Config, announce: Callable[[], None]) -> None:
        super().__init__(config)
        self._announce = announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._announce()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        with super().capture_signals():
            try:
                yield
            finally:
                self._captured_signals.clear()


def serve(
    model_path: Path, host: str = "127.0.0.1", port: int = 5000, ready: Callable[[str], None] | None = None
) -> None:
    """Serve the model folder until SIGTERM or Ctrl-C. ``port`` 0 takes a free one; ``ready`` gets the URL.

    Raises ``ModelError`` when the model cannot be loaded and ``ServiceError`` when the port cannot be had.
    """
    app = create_app(load_model(model_path))
    with _listening(host, port) as listener:
        url = _url(listener)
        server = _server(app, lambda: ready(url) if ready else None)
        server.run(sockets=[listener])


@contextlib.contextmanager
def running_server(model_path: Path, host: str = "127.0.0.1", port: int = 0) -> Iterator[str]:
    """The server on a thread of this process while the block runs; gives its URL."""
    app = create_app(load_model(model_path))
    with _listening(host, port) as listener:
        url, answers = _url(listener), threading.Event()
        server = _server(app, answers.set)
        thread = threading.Thread(target=server.run, args=([listener],), name="model-server", daemon=True)
        thread.start()
        try:
            while not answers.wait(timeout=0.5):
                if not thread.is_alive():
                    raise ServiceError("the model server ended while starting", remedy="See the log for the reason.")
            yield url
        finally:
            server.should_exit = True
            thread.join()


def _server(app: FastAPI, announce: Callable[[], None]) -> _AnnouncingServer:
    config = uvicorn.Config(
        app,
        loop="auto",
        http=OneWriteHttpProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_GRACE,
    )
    return _AnnouncingServer(config, announce)


@contextlib.contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    with contextlib.closing(listener):
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # accepted connections inherit it
        try:
            listener.bind((host, port))
            listener.listen(2048)
        except (OSError, OverflowError) as error:
            raise _cannot_listen(host, port, error) from error
        yield listener


def _cannot_listen(host: str, port: int, error: OSError | OverflowError) -> ServiceError:
    where = f"{host}:{port}"
    if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
        return ServiceError(
            f"port {port} is in use", where=where, remedy="Stop what listens there, or choose another port (0: any)."
        )
    return ServiceError(f"cannot listen: {error}", where=where, remedy="Choose another host or port (0: any free one).")


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
