"""Pipelines, their versions, and the files that do not import.

Invariant: a version is written once; what is registered again changes nothing but what differs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs

from millrace.core.attempts import CodeLocation
from millrace.core.errors import NotFoundError
from millrace.core.graph import Graph
from millrace.core.records import ImportFailure, Pipeline, PipelineVersion
from millrace.core.types import Json
from millrace.storage.sql.conditions import PROJECT
from millrace.storage.sql.connection import Connection, Row, insert
from millrace.storage.sql.database import Database
from millrace.storage.sql.json_text import decode, encode, storable

_PIPELINE = (
    "name",
    "paused",
    "version",
    "source",
    "description",
    "tags",
    "schedule",
    "next_due_at",
    "created_at",
    "updated_at",
)
_VERSION = ("version", "graph", "code", "code_fingerprints", "environment", "created_at")
_SELECT = f"SELECT {', '.join(_PIPELINE)} FROM pipeline WHERE project_id = ?"  # noqa: S608 -- constants
_BY_NAME = f"{_SELECT} AND name = ?"
_SELECT_VERSION = f"SELECT {', '.join(_VERSION)} FROM pipeline_version WHERE version = ?"  # noqa: S608 -- constants
_GRAPH = "SELECT graph FROM pipeline_version WHERE version = ?"
_INSERT_VERSION = insert("pipeline_version", ("project_id", "pipeline", *_VERSION), "ON CONFLICT (version) DO NOTHING")
_UPSERT = insert(
    "pipeline",
    ("project_id", *_PIPELINE),
    "ON CONFLICT (project_id, name) DO UPDATE SET "
    + ", ".join(f"{c} = excluded.{c}" for c in _PIPELINE if c not in {"name", "paused", "created_at"}),
)
_SET_PAUSED = "UPDATE pipeline SET paused = ?, updated_at = ? WHERE project_id = ? AND name = ?"
_SET_NEXT_DUE = "UPDATE pipeline SET next_due_at = ? WHERE project_id = ? AND name = ?"
_DUE = f"{_SELECT} AND next_due_at <= ? AND NOT paused ORDER BY next_due_at, name"
_NEXT_DUE = """
    SELECT next_due_at FROM pipeline
    WHERE project_id = ? AND next_due_at IS NOT NULL AND NOT paused ORDER BY next_due_at LIMIT 1
"""
_FAILURE = ("file", "message", "traceback", "at")
_UPSERT_FAILURE = insert(
    "import_failure",
    ("project_id", *_FAILURE),
    "ON CONFLICT (project_id, file) DO UPDATE SET"
    " message = excluded.message, traceback = excluded.traceback, at = excluded.at",
)
_TIMETABLE = ("schedule", "start_date", "end_date", "timezone", "catchup")


class SqlPipelineStore:
    """:class:`~millrace.interfaces.PipelineStore` over a :class:`Database`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def register(self, version: PipelineVersion, *, source: str, next_due_at: int | None, now: int) -> Pipeline:
        """``next_due_at`` holds for a new pipeline, for one that comes from another file now, and for one whose
        timetable
        changed. Else the stored one stays, so that intervals missed while nothing ran are not forgotten."""
        graph = version.graph
        with self._database.write() as connection:
            connection.change(_INSERT_VERSION, (PROJECT, graph.name, *_version_row(version)))
            row = connection.row(_BY_NAME + connection.lock_rows, (PROJECT, graph.name))
            known = None if row is None else _pipeline_of(row)
            pipeline = Pipeline(
                name=graph.name,
                paused=known is not None and known.paused,
                version=version.version,
                source=source,
                description=graph.description,
                tags=graph.tags,
                schedule=graph.schedule,
                next_due_at=next_due_at,
                created_at=now if known is None else known.created_at,
                updated_at=now,
            )
            if known is not None:
                stays = known.source == source and known.next_due_at is not None
                if stays and _same_timetable(connection, known.version, graph):
                    pipeline = attrs.evolve(pipeline, next_due_at=known.next_due_at)
                if attrs.evolve(pipeline, updated_at=known.updated_at) == known:
                    return known
            connection.change(_UPSERT, (PROJECT, *_pipeline_row(pipeline)))
        return pipeline

    def add_version(self, version: PipelineVersion) -> None:
        with self._database.write() as connection:
            connection.change(_INSERT_VERSION, (PROJECT, version.graph.name, *_version_row(version)))

    def pipeline(self, name: str) -> Pipeline:
        with self._database.read() as connection:
            return _pipeline(connection, name)

    def pipelines(self) -> list[Pipeline]:
        with self._database.read() as connection:
            return [_pipeline_of(row) for row in connection.rows(f"{_SELECT} ORDER BY name", (PROJECT,))]

    def version(self, version: str) -> PipelineVersion:
        with self._database.read() as connection:
            row = connection.row(_SELECT_VERSION, (version,))
        if row is None:
            raise NotFoundError("pipeline version", version)
        return _version_of(row)

    def set_paused(self, name: str, *, paused: bool, now: int) -> Pipeline:
        with self._database.write() as connection:
            connection.change(_SET_PAUSED, (paused, now, PROJECT, name))
            return _pipeline(connection, name)

    def set_next_due(self, name: str, next_due_at: int | None) -> None:
        with self._database.write() as connection:
            if not connection.change(_SET_NEXT_DUE, (next_due_at, PROJECT, name)):
                _pipeline(connection, name)

    def due(self, now: int) -> list[Pipeline]:
        with self._database.read() as connection:
            return [_pipeline_of(row) for row in connection.rows(_DUE, (PROJECT, now))]

    def next_due(self) -> int | None:
        with self._database.read() as connection:
            row = connection.row(_NEXT_DUE, (PROJECT,))
        return None if row is None else row[0]

    def remove_missing(self, source: str, present: Sequence[str], now: int) -> list[str]:
        # `now` is for stores that keep a history of pipelines; this one forgets.
        del now
        kept = set(present)
        with self._database.write() as connection:
            found = connection.rows("SELECT name FROM pipeline WHERE project_id = ? AND source = ?", (PROJECT, source))
            gone = sorted(name for (name,) in found if name not in kept)
            connection.change_many(
                "DELETE FROM pipeline WHERE project_id = ? AND name = ?", [(PROJECT, name) for name in gone]
            )
        return gone

    def set_import_failure(self, file: str, failure: ImportFailure | None) -> None:
        with self._database.write() as connection:
            if failure is None:
                connection.change("DELETE FROM import_failure WHERE project_id = ? AND file = ?", (PROJECT, file))
            else:
                row = (PROJECT, file, storable(failure.message), storable(failure.traceback), failure.at)
                connection.change(_UPSERT_FAILURE, row)

    def import_failures(self) -> list[ImportFailure]:
        sql = f"SELECT {', '.join(_FAILURE)} FROM import_failure WHERE project_id = ? ORDER BY file"  # noqa: S608 -- constants
        with self._database.read() as connection:
            return [ImportFailure(*row) for row in connection.rows(sql, (PROJECT,))]


def _pipeline(connection: Connection, name: str) -> Pipeline:
    row = connection.row(_BY_NAME, (PROJECT, name))
    if row is None:
        known = connection.rows("SELECT name FROM pipeline WHERE project_id = ?", (PROJECT,))
        raise NotFoundError("pipeline", name, [other for (other,) in known])
    return _pipeline_of(row)


def _pipeline_row(p: Pipeline) -> Row:
    tags, schedule = encode(list(p.tags)), encode(p.schedule)
    head = (p.name, p.paused, p.version, p.source, p.description, tags, schedule)
    return (*head, p.next_due_at, p.created_at, p.updated_at)


def _pipeline_of(row: Row) -> Pipeline:
    name, paused, version, source, description, tags, schedule, *times = row
    return Pipeline(name, bool(paused), version, source, description, tuple(decode(tags)), decode(schedule), *times)


def _version_row(v: PipelineVersion) -> Row:
    code = encode(attrs.asdict(v.code))
    fingerprints = encode({task: dict(parts) for task, parts in v.code_fingerprints.items()})
    return (v.version, encode(v.graph.to_json()), code, fingerprints, encode(dict(v.environment)), v.created_at)


def _version_of(row: Row) -> PipelineVersion:
    version, graph, code, fingerprints, environment, created_at = row
    return PipelineVersion(
        version=version,
        graph=Graph.from_json(decode(graph)),
        code=CodeLocation(**decode(code)),
        code_fingerprints=decode(fingerprints),
        environment=decode(environment),
        created_at=created_at,
    )


def _same_timetable(connection: Connection, version: str, graph: Graph) -> bool:
    row = connection.row(_GRAPH, (version,))
    if row is None:
        return False
    old: Mapping[str, Json] = decode(row[0])
    return all(old[field] == getattr(graph, field) for field in _TIMETABLE)
