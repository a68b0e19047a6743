"""Bringing a database to today's schema with Alembic, and saying where it stands.

Invariant: a migration that fails leaves the database as it was (both systems change tables in a transaction).
"""

from __future__ import annotations

from pathlib import Path

import attrs

from millrace.storage.sql.database import Database, newer_version
from millrace.storage.sql.versions import HEAD, REVISIONS

_MIGRATIONS = Path(__file__).parents[1] / "migrations"


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
            run_migrations(database)
    finally:
        database.close()
    return DatabaseStatus("current", HEAD)


def run_migrations(database: Database, target: str = "head") -> None:
    """Alembic's upgrade from wherever the database is, in one transaction."""
    from alembic import command  # lazy: only an older database needs Alembic
    from alembic.config import Config  # lazy: as above

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    with database.backend.migrating() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, target)
