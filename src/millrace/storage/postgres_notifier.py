"""Notifications over PostgreSQL's LISTEN and NOTIFY on the channel ``millrace``.

Invariant: whoever listens is woken after every connection to the server that was lost and made anew, since
notifications were missed meanwhile.
"""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Callable

import psycopg
from sqlalchemy import URL

from millrace.storage.sql.database import Database
from millrace.storage.sql.postgresql import PostgresBackend

_CHANNEL = "millrace"
_RETRY_SECONDS = 1.0


class PostgresNotifier:
    """``notify`` uses a pooled connection; ``listen`` starts a thread with a connection of its own."""

    def __init__(self, database: Database) -> None:
        assert isinstance(database.backend, PostgresBackend)
        self._database = database
        self._url = database.backend.engine.url
        self._lock = threading.Lock()
        self._wakes: list[Callable[[], None]] = []
        self._thread: threading.Thread | None = None
        self._stop_read, self._stop_write = os.pipe()
        self._closed = False

    def notify(self) -> None:
        with self._database.write() as connection:
            connection.rows("SELECT pg_notify(?, '')", (_CHANNEL,))

    def listen(self, wake: Callable[[], None]) -> None:
        """Returns when the server has confirmed the first LISTEN, or could not be reached for it."""
        listening = threading.Event()
        with self._lock:
            if self._closed:
                return
            self._wakes = [*self._wakes, wake]
            if self._thread is not None:
                return
            self._thread = threading.Thread(target=self._run, args=(listening,), name="millrace-notifier", daemon=True)
            self._thread.start()
        listening.wait()

    def close(self) -> None:
        with self._lock:
            if self._closed:
                return
            self._closed = True
        os.write(self._stop_write, b"!")
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()
        os.close(self._stop_read)
        os.close(self._stop_write)

    def _run(self, listening: threading.Event) -> None:
        stopped = False
        while not stopped:
            try:
                stopped = self._listen_once(listening)
            except psycopg.Error:
                stopped = bool(select.select([self._stop_read], [], [], _RETRY_SECONDS)[0])
            listening.set()

    def _listen_once(self, listening: threading.Event) -> bool:
        """Until the connection breaks (an error) or :meth:`close` (True)."""
        with psycopg.connect(_conninfo(self._url), autocommit=True, connect_timeout=10) as connection:
            connection.execute(f"LISTEN {_CHANNEL}")
            again = listening.is_set()
            listening.set()
            if again:
                self._wake_all()
            while True:
                ready, _, _ = select.select([connection.fileno(), self._stop_read], [], [])
                if self._stop_read in ready:
                    return True
                if list(connection.notifies(timeout=0)):
                    self._wake_all()

    def _wake_all(self) -> None:
        for wake in self._wakes:
            wake()


def _conninfo(url: URL) -> str:
    return url.set(drivername="postgresql").render_as_string(hide_password=False)
