"""`millrace db upgrade`, and where a database stands.

Invariant: asking changes nothing; upgrading ends at today's schema or leaves the database as it was.
"""

from __future__ import annotations

from pathlib import Path

import attrs

from millrace.storage.sql.database import Database, newer_version
from millrace.storage.sql.migrate import run_migrations
from millrace.storage.sql.versions import HEAD, REVISIONS


@attrs.frozen
class DatabaseStatus:
    """``state``: absent (no file), empty, behind, current or newer."""

    state: str
    version: str | None
    head: str = HEAD


def status(url: str) -> DatabaseStatus:
    """Where the database stands. Makes nothing: not even the file of a SQLite database that is not there."""
    path = url.removeprefix("sqlite:///")
    if path != url and not Path(path).exists():
        return DatabaseStatus("absent", None)
    database = Database(url)
    try:
        version = database.version()
    finally:
        database.close()
    if version is None:
        return DatabaseStatus("empty", None)
    if version not in REVISIONS:
        return DatabaseStatus("newer", version)
    return DatabaseStatus("current" if version == HEAD else "behind", version)


def upgrade(url: str) -> DatabaseStatus:
    """Make or upgrade the database. DatabaseVersionError for one of a newer Millrace."""
    database = Database(url)
    try:
        version = database.version()
        if version is None:
            database.create()
        elif version not in REVISIONS:
            raise newer_version(url, version)
        elif version != HEAD:
            run_migrations(database.backend)
    finally:
        database.close()
    return DatabaseStatus("current", HEAD)
