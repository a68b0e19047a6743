"""The database behind every SQL store: one URL, SQLite or PostgreSQL.

Invariant: whoever holds an opened ``Database`` finds today's schema in it, and never sees an error of a driver:
what the database refuses is a :class:`~millrace.core.errors.StorageError` with a remedy.
"""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from millrace.core.errors import DatabaseVersionError, SettingsError, StorageError
from millrace.storage.sql.connection import Connection, insert
from millrace.storage.sql.sqlite import SqliteBackend
from millrace.storage.sql.versions import HEAD, REVISIONS

if TYPE_CHECKING:
    from millrace.storage.sql.postgresql import PostgresBackend

_VERSION_TABLE = (
    "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL,"
    " CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))"
)
_DEFAULT_EXPERIMENT = insert(
    "experiment",
    (
        "experiment_id",
        "project_id",
        "name",
        "artifact_location",
        "lifecycle_stage",
        "creation_time",
        "last_update_time",
    ),
)
"""Experiment 0, which is there from the start, as in MLflow."""
_CREATING = 6_034_717_001
"""Key of the PostgreSQL advisory lock that lets one process make the tables."""


class Database:
    """Opened with :meth:`open`; used as ``with database.write() as connection:`` or ``database.read()``.

    ``write`` commits when its block ends and rolls back when it raises. On SQLite it waits for the one writer, so
    inside the block ``read`` may be used (it sees the state before) but not ``write`` again.
    """

    def __init__(self, url: str) -> None:
        """Connect, without looking at the schema."""
        self.url = url
        self.backend = _backend(url)

    @classmethod
    def open(cls, url: str) -> Database:
        """Connect to ``sqlite:///path`` or ``postgresql://...``; a fresh database gets its tables.

        An older SQLite database is upgraded; an older PostgreSQL one, which others may be using, is refused with the
        command that does it. DatabaseVersionError for one of a newer Millrace.
        """
        database = cls(url)
        try:
            database._prepare()
        except BaseException:
            database.close()
            raise
        return database

    @property
    def sqlite(self) -> bool:
        return self.backend.sqlite

    def write(self) -> AbstractContextManager[Connection]:
        return self.backend.write()

    def read(self) -> AbstractContextManager[Connection]:
        return self.backend.read()

    def close(self) -> None:
        self.backend.close()

    def version(self) -> str | None:
        """The revision that the schema is at; None where Millrace has made no tables."""
        if "alembic_version" not in self.backend.tables():
            return None
        with self.read() as connection:
            row = connection.row("SELECT version_num FROM alembic_version")
        return None if row is None else str(row[0])

    def _prepare(self) -> None:
        version = self.version()
        if version is None:
            self.create()
        elif version not in REVISIONS:
            raise newer_version(self.url, version)
        elif version != HEAD:
            if not self.sqlite:
                raise StorageError(
                    f"the database is at version {version}, this Millrace needs {HEAD}",
                    remedy="Stop the other servers, then: millrace db upgrade",
                )
            from millrace.storage.sql.migrate import run_migrations  # lazy: Alembic and SQLAlchemy take 0.3 s

            run_migrations(self.backend)

    def create(self) -> None:
        """Make all tables in an empty database, in one transaction; another process doing the same waits."""
        with self.write() as connection:
            if not self.sqlite:
                connection.rows("SELECT pg_advisory_xact_lock(?)", (_CREATING,))
            there = _tables(connection)
            if "alembic_version" in there:
                return
            if there:
                raise StorageError(
                    f"the database is not empty and not Millrace's: it has a table {min(there)!r}",
                    remedy="Name an empty database, or another file.",
                )
            for statement in _create_statements(sqlite=self.sqlite):
                connection.change(statement)
            connection.change(_VERSION_TABLE)
            connection.change("INSERT INTO alembic_version (version_num) VALUES (?)", (HEAD,))
            now = time.time_ns() // 1_000_000
            connection.change(_DEFAULT_EXPERIMENT, (0, "default", "Default", "", "active", now, now))


def newer_version(url: str, version: str) -> DatabaseVersionError:
    return DatabaseVersionError(
        f"the database was made by a newer Millrace (version {version}; this one knows up to {HEAD})",
        where=url.rpartition("@")[2],
        remedy="Install that Millrace (pip install --upgrade millrace), or use another home folder.",
    )


def _tables(connection: Connection) -> set[str]:
    sql = (
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite~_%' ESCAPE '~'"
        if connection.sqlite
        else "SELECT tablename FROM pg_tables WHERE schemaname = current_schema()"
    )
    return {row[0] for row in connection.rows(sql)}


def _create_statements(*, sqlite: bool) -> tuple[str, ...]:
    if sqlite:
        from millrace.storage.sql.sqlite_ddl import STATEMENTS  # lazy: only a fresh database needs it

        return STATEMENTS
    from millrace.storage.sql.ddl import create_statements  # lazy: SQLite homes do without SQLAlchemy

    return tuple(create_statements("postgresql"))


def _backend(url: str) -> SqliteBackend | PostgresBackend:
    scheme, _, rest = url.partition("://")
    if scheme == "sqlite":
        path = rest.removeprefix("/")
        if not path or path == ":memory:":
            raise SettingsError(
                "a SQLite database must be a file: several connections share it",
                remedy="sqlite:///path/to/millrace.db",
            )
        return SqliteBackend(Path(path))
    if scheme in {"postgresql", "postgres", "postgresql+psycopg"}:
        from millrace.storage.sql.postgresql import PostgresBackend  # lazy: SQLite homes do without SQLAlchemy

        return PostgresBackend(url)
    raise SettingsError(
        f"{scheme or url!r} is no database that Millrace knows",
        remedy="sqlite:///path/to/millrace.db or postgresql://user:password@host/database",
    )
