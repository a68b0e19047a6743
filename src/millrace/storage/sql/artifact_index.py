"""Artifacts and lineage.

Invariant: listings show live artifacts only; a single artifact is found whatever its state.
"""

from __future__ import annotations

from millrace.core.errors import NotFoundError
from millrace.core.records import ArtifactRecord, ArtifactUse
from millrace.storage.sql import rows
from millrace.storage.sql.database import Database

_ARTIFACT = f"SELECT {rows.columns(rows.ARTIFACT)} FROM artifact"  # noqa: S608 -- constants
_USE = f"SELECT {rows.columns(rows.USE)} FROM artifact_use"  # noqa: S608 -- constants


class SqlArtifactIndex:
    """:class:`~millrace.interfaces.ArtifactIndex` over a :class:`Database`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def artifact(self, artifact_id: str) -> ArtifactRecord:
        with self._database.read() as connection:
            row = connection.row(f"{_ARTIFACT} WHERE artifact_id = ?", (artifact_id,))
        if row is None:
            raise NotFoundError("artifact", artifact_id, remedy="`millrace artifacts` lists them.")
        return rows.artifact_of(row)

    def artifacts(
        self,
        *,
        run_id: str | None = None,
        task_id: str | None = None,
        type: str | None = None,
        limit: int = 100,
        cursor: str | None = None,
    ) -> tuple[list[ArtifactRecord], str | None]:
        conditions, parameters = ["state = 'live'"], []
        for column, wanted in (("run_id", run_id), ("task_id", task_id), ("type", type)):
            if wanted is not None:
                conditions.append(f"{column} = ?")
                parameters.append(wanted)
        if cursor is not None:
            conditions.append("artifact_id < ?")
            parameters.append(cursor)
        sql = f"{_ARTIFACT} WHERE {' AND '.join(conditions)} ORDER BY artifact_id DESC LIMIT ?"
        with self._database.read() as connection:
            found = connection.rows(sql, (*parameters, limit + 1))
        page = [rows.artifact_of(row) for row in found[:limit]]
        return page, page[-1].artifact_id if len(found) > limit else None

    def uses_of(self, artifact_id: str) -> list[ArtifactUse]:
        with self._database.read() as connection:
            found = connection.rows(f"{_USE} WHERE artifact_id = ? ORDER BY attempt_id, name, position", (artifact_id,))
        return [rows.use_of(row) for row in found]

    def used_by(self, attempt_id: str) -> list[ArtifactUse]:
        with self._database.read() as connection:
            found = connection.rows(f"{_USE} WHERE attempt_id = ? ORDER BY name, position", (attempt_id,))
        return [rows.use_of(row) for row in found]
