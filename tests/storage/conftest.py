"""Each store over a fresh SQLite file and over a fresh PostgreSQL database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from millrace.interfaces import ArtifactIndex, ExecutionStore, PipelineStore, RegistryStore, TrackingStore
from millrace.storage.sql.artifact_index import SqlArtifactIndex
from millrace.storage.sql.database import Database
from millrace.storage.sql.execution import SqlExecutionStore
from millrace.storage.sql.pipelines import SqlPipelineStore
from millrace.storage.sql.registry import SqlRegistryStore
from millrace.storage.sql.tracking import SqlTrackingStore
from millrace.testing.fakes import FakeClock, SequentialIds
from tests.postgres_server import PostgresServer


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/a home/millrace.db"
    return str(request.getfixturevalue("postgres_url"))


@pytest.fixture(scope="session")
def shared_postgres(postgres_server: PostgresServer) -> Iterator[Database]:
    """One database for all tests that only need it empty: making one takes half a second."""
    database = Database.open(postgres_server.url(postgres_server.create_database()))
    yield database
    database.close()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """As fresh as a new one: no rows but the default experiment."""
    if request.param == "sqlite":
        database = Database.open(f"sqlite:///{tmp_path}/a home/millrace.db")
        yield database
        database.close()
        return
    shared: Database = request.getfixturevalue("shared_postgres")
    yield shared
    tables = shared.backend.tables() - {"alembic_version", "experiment"}
    with shared.write() as connection:
        connection.change(f"TRUNCATE {', '.join(sorted(tables))} RESTART IDENTITY")
        connection.change("DELETE FROM experiment WHERE experiment_id <> 0")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def pipelines(database: Database) -> PipelineStore:
    return SqlPipelineStore(database)


@pytest.fixture
def execution(database: Database) -> ExecutionStore:
    return SqlExecutionStore(database)


@pytest.fixture
def index(database: Database) -> ArtifactIndex:
    return SqlArtifactIndex(database)


@pytest.fixture
def tracking(database: Database, clock: FakeClock) -> TrackingStore:
    return SqlTrackingStore(database, clock=clock, ids=SequentialIds(), artifact_root="/artifacts")


@pytest.fixture
def registry(database: Database, clock: FakeClock) -> RegistryStore:
    return SqlRegistryStore(database, clock=clock)
