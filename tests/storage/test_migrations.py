"""Migrating from nothing and making the tables at once give the same database."""

from __future__ import annotations

import importlib
import pkgutil
import re
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from millrace.core.errors import StorageError
from millrace.storage.migrations import versions as version_files
from millrace.storage.sql import sqlite_ddl
from millrace.storage.sql.database import Database
from millrace.storage.sql.ddl import sqlite_module
from millrace.storage.sql.migrate import run_migrations
from millrace.storage.sql.schema import metadata
from millrace.storage.sql.upgrade import status
from millrace.storage.sql.versions import HEAD, REVISIONS
from tests.postgres_server import PostgresServer

PostgresTables = """
    SELECT table_name, column_name, data_type, is_nullable, column_default
    FROM information_schema.columns WHERE table_schema = 'public'
"""
PostgresIndexes = "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'"
PostgresConstraints = """
    SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
    WHERE connamespace = 'public'::regnamespace
"""
Rows = "SELECT experiment_id, project_id, name, artifact_location, lifecycle_stage FROM experiment"


def description(database: Database) -> set[tuple[object, ...]]:
    """Everything that the database knows about its tables, and the rows that are there from the start."""
    found: set[tuple[object, ...]] = set()
    with database.read() as connection:
        found |= set(connection.rows(Rows))
        if database.sqlite:
            for name, sql in connection.rows("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL"):
                parts = re.split(
                    r",(?![^(]*\))", " ".join(sql.split()).replace("( ", "(")
                )  # the order of constraints does not count
                found |= {(name, part.strip(" ()").removesuffix(") WITHOUT ROWID").strip(" ()")) for part in parts}
        else:
            for query in (PostgresTables, PostgresIndexes, PostgresConstraints):
                found |= set(connection.rows(query))
    return found


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def urls(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, str]:
    """Two empty databases."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/one.db", f"sqlite:///{tmp_path}/100%.db"
    server: PostgresServer = request.getfixturevalue("postgres_server")
    return server.url(server.create_database()), server.url(server.create_database())


def test_migrated_and_made_at_once_are_the_same(urls: tuple[str, str]) -> None:
    migrated, made = Database(urls[0]), Database.open(urls[1])
    run_migrations(migrated.backend)
    assert migrated.version() == HEAD
    assert status(urls[0]).state == "current"
    one, other = description(migrated), description(made)
    assert len(one) > 200
    assert one == other
    with migrated.backend.migrating() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, metadata) == []
    migrated.close()
    made.close()


def test_an_experiment_made_after_either_has_a_new_id(urls: tuple[str, str]) -> None:
    from millrace.storage.sql.tracking import SqlTrackingStore
    from millrace.testing.fakes import FakeClock, SequentialIds

    databases = Database(urls[0]), Database.open(urls[1])
    run_migrations(databases[0].backend)
    for database in databases:
        store = SqlTrackingStore(database, clock=FakeClock(), ids=SequentialIds(), artifact_root="/a")
        assert [store.create_experiment(n).experiment_id for n in ("a", "b")] == ["1", "2"]
        database.close()


def test_a_migration_that_fails_changes_nothing(urls: tuple[str, str]) -> None:
    database = Database(urls[0])
    with database.write() as connection:
        connection.change("CREATE TABLE tag (other TEXT)")
    before = database.backend.tables()
    with pytest.raises(StorageError, match="tag"):
        run_migrations(database.backend)
    assert database.backend.tables() == before
    database.close()


def test_the_list_of_revisions_is_that_of_the_files() -> None:
    modules = [
        importlib.import_module(f"{version_files.__name__}.{m.name}")
        for m in pkgutil.iter_modules(version_files.__path__)
    ]
    assert tuple(m.revision for m in modules) == REVISIONS
    assert [m.down_revision for m in modules] == [None, *REVISIONS[:-1]]


def test_the_printed_statements_are_those_of_the_schema() -> None:
    source = Path(sqlite_ddl.__file__).read_text(encoding="utf-8")
    assert source == sqlite_module(), "python -m millrace.storage.sql.ddl > src/millrace/storage/sql/sqlite_ddl.py"


def test_every_table_found_by_name_belongs_to_a_project() -> None:
    named = [t for t in metadata.sorted_tables if {"name", "pipeline"} & set(t.c.keys()) and t.primary_key]
    without = {t.name for t in named if "project_id" not in t.c}
    assert without == {"artifact", "artifact_use", "cache_entry", "value"}, "reached by ids and keys, not by names"
