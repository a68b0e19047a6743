"""SQLite: one writer connection behind a lock, readers on their own.

Invariant: every write transaction starts with BEGIN IMMEDIATE, so it never fails half-way because another process
wrote in between; readers (WAL) wait for nobody and see one state of the database for the whole ``with`` block.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from millrace.core.errors import StorageError
from millrace.storage.sql.connection import Connection

if TYPE_CHECKING:
    import sqlalchemy

_BUSY_SECONDS = 30.0
_WAL_PAGES = 8000
"""Pages of 4 KiB in the log before SQLite folds it back: a step writes some 15, and folding costs milliseconds."""


class SqliteBackend:
    """The file at ``path``; it and its folder are made if they are not there."""

    sqlite = True

    def __init__(self, path: Path) -> None:
        self.path = path
        self._writing = threading.Lock()
        self._writing_thread = 0
        self._idle_readers: list[sqlite3.Connection] = []
        with self._explained():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._writer = self._connect()
            self._use_wal()
            self._writer.execute("PRAGMA synchronous=NORMAL")
            self._writer.execute(f"PRAGMA wal_autocheckpoint={_WAL_PAGES}")

    @contextmanager
    def write(self) -> Iterator[Connection]:
        writer = self._writer
        assert self._writing_thread != threading.get_ident(), "a write inside a write would wait for itself"
        with self._writing, self._explained():
            self._writing_thread = threading.get_ident()
            try:
                writer.execute("BEGIN IMMEDIATE")
                yield Connection(writer.cursor(), sqlite=True)
                writer.execute("COMMIT")
            finally:
                self._writing_thread = 0
                if writer.in_transaction:  # SQLite has rolled back by itself after some errors
                    writer.execute("ROLLBACK")

    @contextmanager
    def read(self) -> Iterator[Connection]:
        with self._explained():
            try:
                reader = self._idle_readers.pop()
            except IndexError:
                reader = self._connect()
                reader.execute("PRAGMA query_only=ON")
            try:
                reader.execute("BEGIN")
                yield Connection(reader.cursor(), sqlite=True)
            finally:
                if reader.in_transaction:
                    reader.execute("ROLLBACK")
                self._idle_readers.append(reader)

    def tables(self) -> set[str]:
        with self.read() as connection:
            return {row[0] for row in connection.rows("SELECT name FROM sqlite_master WHERE type = 'table'")}

    @contextmanager
    def watching(self) -> Iterator[Callable[[], int]]:
        """A function that gives another number after any commit of another connection."""
        with self._explained():
            watcher = self._connect()
            try:
                yield lambda: int(watcher.execute("PRAGMA data_version").fetchone()[0])
            finally:
                watcher.close()

    @contextmanager
    def migrating(self) -> Iterator[sqlalchemy.Connection]:
        """The writer's connection with an open transaction, for Alembic."""
        import sqlalchemy  # lazy: only migrations need it here

        writer = self._writer
        engine = sqlalchemy.create_engine("sqlite://", creator=lambda: writer, poolclass=sqlalchemy.StaticPool)
        with self._writing, self._explained(), engine.connect() as connection:
            writer.execute("PRAGMA foreign_keys=OFF")  # SQLite changes a table by making it anew
            try:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
                yield connection
                connection.commit()
            except sqlalchemy.exc.DBAPIError as error:
                raise (explain(error.orig, self.path) if isinstance(error.orig, sqlite3.Error) else error) from error
            finally:
                if writer.in_transaction:
                    writer.execute("ROLLBACK")
                writer.execute("PRAGMA foreign_keys=ON")

    def close(self) -> None:
        with self._writing:
            while self._idle_readers:
                self._idle_readers.pop().close()
            self._writer.close()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA foreign_keys=ON")
        return connection

    def _use_wal(self) -> None:
        # SQLite does not wait for a lock here when two processes open a fresh file at once.
        give_up = time.monotonic() + _BUSY_SECONDS
        while self._writer.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
            try:
                self._writer.execute("PRAGMA journal_mode=WAL")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > give_up:
                    raise
                time.sleep(0.01)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise explain(error, self.path) from error
        except OSError as error:
            raise StorageError(
                f"cannot open the database {self.path}: {error.strerror}",
                remedy="Give it a folder that you may write to (--home, or --database).",
            ) from error


_EXPLANATIONS = {
    sqlite3.SQLITE_FULL: ("the disk is full", "Free some space; nothing was half-written."),
    sqlite3.SQLITE_READONLY: (
        "it is read-only",
        "Make the file and its folder writable, or use another home folder (--home).",
    ),
    sqlite3.SQLITE_CANTOPEN: (
        "it cannot be opened",
        "The folder must exist and be writable: SQLite keeps files beside the database.",
    ),
    sqlite3.SQLITE_NOTADB: ("it is not a SQLite database", "Name another file, or move this one away."),
    sqlite3.SQLITE_CORRUPT: (
        "the file is damaged",
        "Restore a backup; `sqlite3 FILE .recover` saves what can be read.",
    ),
    sqlite3.SQLITE_BUSY: (
        f"another process has kept it locked for {_BUSY_SECONDS:.0f} seconds",
        "End that process, or use PostgreSQL for many writers.",
    ),
    sqlite3.SQLITE_IOERR: ("the disk reports an error", "Check the disk and its free space."),
}


def explain(error: sqlite3.Error, path: Path) -> StorageError:
    """What SQLite's error code means for the person who reads it."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    what, remedy = _EXPLANATIONS.get(code, (str(error), None))
    return StorageError(f"the database {path} refuses: {what}", remedy=remedy)
