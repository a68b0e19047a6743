"""Opens what a home folder, or a team's database and object store, holds."""

from __future__ import annotations

import os
import socket
import tempfile

import attrs

from millrace.core.errors import StorageError
from millrace.interfaces import ArtifactStore, Clock, Ids, Notifier
from millrace.operations.local import LocalOperations, OperationsParts
from millrace.operations.source_digests import SourceDigests
from millrace.storage.clock import SystemClock
from millrace.storage.ids import UuidIds
from millrace.storage.logs import FileLogStore
from millrace.storage.notifier import notifier_for
from millrace.storage.sql.artifact_index import SqlArtifactIndex
from millrace.storage.sql.database import Database
from millrace.storage.sql.execution import SqlExecutionStore
from millrace.storage.sql.pipelines import SqlPipelineStore
from millrace.storage.sql.registry import SqlRegistryStore
from millrace.storage.sql.tracking import SqlTrackingStore
from millrace.wiring.artifact_root import open_artifacts
from millrace.wiring.settings import Settings


@attrs.frozen
class Stores:
    """Every store of one installation, over one database and one artifact root."""

    database: Database
    pipelines: SqlPipelineStore
    execution: SqlExecutionStore
    index: SqlArtifactIndex
    tracking: SqlTrackingStore
    registry: SqlRegistryStore
    artifacts: ArtifactStore
    logs: FileLogStore
    notifier: Notifier
    clock: Clock
    ids: Ids
    source_digests: SourceDigests

    def operations_parts(self) -> OperationsParts:
        return OperationsParts(
            pipelines=self.pipelines,
            execution=self.execution,
            index=self.index,
            tracking=self.tracking,
            registry=self.registry,
            logs=self.logs,
            notifier=self.notifier,
            clock=self.clock,
            ids=self.ids,
        )

    def operations(self) -> LocalOperations:
        return LocalOperations(self.operations_parts())

    def close(self) -> None:
        self.notifier.close()
        self.logs.close()
        self.database.close()


def open_stores(settings: Settings) -> Stores:
    """Make the home folder if need be and open everything in it. StorageError with a remedy if that cannot be."""
    try:
        settings.home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(
            f"the home folder {settings.home} cannot be made: {error.strerror}",
            remedy="Choose another one: --home DIR, or MILLRACE_HOME.",
        ) from error
    database = Database.open(settings.database)
    clock, ids = SystemClock(), UuidIds()
    artifacts = open_artifacts(settings.artifacts, settings.home)
    return Stores(
        database=database,
        pipelines=SqlPipelineStore(database),
        execution=SqlExecutionStore(database),
        index=SqlArtifactIndex(database),
        tracking=SqlTrackingStore(database, clock=clock, ids=ids, artifact_root=artifacts.root),
        registry=SqlRegistryStore(database, clock=clock),
        artifacts=artifacts,
        logs=FileLogStore(settings.home / "logs"),
        notifier=notifier_for(database, settings.home),
        clock=clock,
        ids=ids,
        source_digests=SourceDigests(),
    )


def check_writable(settings: Settings, stores: Stores) -> None:
    """StorageError unless the home folder and the database take writes: a read-only one opens, and fails later."""
    try:
        with tempfile.TemporaryFile(dir=settings.home):
            pass
    except OSError as error:
        raise StorageError(
            f"the home folder {settings.home} cannot be written: {error.strerror}",
            remedy="Make it writable, or choose another one: --home DIR, or MILLRACE_HOME.",
        ) from error
    with stores.database.write():
        pass


def process_name(role: str) -> str:
    """Who holds a lease: role, host and process."""
    return f"{role}@{socket.gethostname()}:{os.getpid()}"
