"""Notifications between the processes of one SQLite home: a FIFO per listener in ``<home>/wake/``.

Invariant: a FIFO in that folder under a final name has a reader for as long as its process lives; one without a reader
is the rest of a dead process and may be removed by anybody.
"""

from __future__ import annotations

import errno
import itertools
import os
import select
import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from millrace.core.errors import StorageError
from millrace.storage.sql.database import Database
from millrace.storage.sql.sqlite import SqliteBackend

_NET_SECONDS = 1.0
_numbers = itertools.count(1)


class FifoNotifier:
    """``notify`` writes a byte to every listener's FIFO; ``listen`` starts one thread.

    Below that is a net: once a second the listening thread asks SQLite whether another connection has committed
    (``PRAGMA data_version``, some microseconds), for writers that died before they notified.
    """

    def __init__(self, home: Path, database: Database) -> None:
        assert isinstance(database.backend, SqliteBackend)
        self._folder = home / "wake"
        self._backend = database.backend
        self._lock = threading.Lock()
        self._wakes: list[Callable[[], None]] = []
        self._listener: _Listener | None = None
        self._closed = False

    def notify(self) -> None:
        try:
            fifos = list(self._folder.iterdir())
        except FileNotFoundError:
            return
        for fifo in fifos:
            if fifo.name.startswith("wake-"):
                _ring(fifo)

    def listen(self, wake: Callable[[], None]) -> None:
        with self._lock:
            if self._closed:
                return
            self._wakes = [*self._wakes, wake]
            if self._listener is None:
                self._listener = _Listener(self._folder, self._backend, self._wake_all)

    def close(self) -> None:
        with self._lock:
            self._closed = True
            listener, self._listener = self._listener, None
        if listener is not None:
            listener.close()

    def _wake_all(self) -> None:
        for wake in self._wakes:
            wake()


def _ring(fifo: Path) -> None:
    try:
        descriptor = os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
    except FileNotFoundError:
        return
    except OSError as error:
        if error.errno != errno.ENXIO:
            raise
        fifo.unlink(missing_ok=True)  # no reader: its process is dead
        return
    try:
        os.write(descriptor, b"!")
    except (BlockingIOError, BrokenPipeError):
        pass  # full: it will wake anyway; broken: it has just gone
    finally:
        os.close(descriptor)


class _Listener:
    def __init__(self, folder: Path, backend: SqliteBackend, wake: Callable[[], None]) -> None:
        self._wake = wake
        # From here on every commit is noticed, not only from when the thread has started.
        self._watching = ExitStack()
        self._data_version = self._watching.enter_context(backend.watching())
        self._seen = self._data_version()
        self._path = folder / f"wake-{os.getpid()}-{next(_numbers)}"
        self._fifo = _make_fifo(self._path)
        self._stop_read, self._stop_write = os.pipe()
        self._thread = threading.Thread(target=self._run, name="millrace-notifier", daemon=True)
        self._thread.start()

    def close(self) -> None:
        os.write(self._stop_write, b"!")
        if self._thread is not threading.current_thread():
            self._thread.join()
        self._watching.close()
        self._path.unlink(missing_ok=True)
        for descriptor in (self._fifo, self._stop_read, self._stop_write):
            os.close(descriptor)

    def _run(self) -> None:
        while True:
            ready, _, _ = select.select([self._fifo, self._stop_read], [], [], _NET_SECONDS)
            if self._stop_read in ready:
                return
            if self._fifo in ready:
                os.read(self._fifo, 65536)
                self._wake()
            elif (version := self._data_version()) != self._seen:
                self._seen = version
                self._wake()


def _make_fifo(path: Path) -> int:
    """Opened for reading and writing, so that it never reports an end when the last writer leaves."""
    # Under another name until it has its reader: a notifier removes what has none.
    unread = path.with_name(f"new-{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        unread.unlink(missing_ok=True)
        os.mkfifo(unread)
        descriptor = os.open(unread, os.O_RDWR | os.O_NONBLOCK)
        unread.rename(path)
    except OSError as error:
        raise StorageError(
            f"cannot make {path}: {error.strerror}",
            remedy="The home folder must be writable and on a file system that has FIFOs.",
        ) from error
    return descriptor
