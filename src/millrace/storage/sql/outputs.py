"""What task runs wrote, and what a ``Latest`` binding means.

Invariant: a task run that was taken from the cache has the outputs of the task run it names in ``cached_from``, and
only live artifacts are ever handed to a task.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from millrace.core.graph import Latest, OutputRef
from millrace.core.records import ArtifactRecord, CacheEntry, TaskOutputs
from millrace.core.states import RunState, TaskState
from millrace.core.types import Json
from millrace.storage.sql.conditions import PROJECT
from millrace.storage.sql.connection import Connection
from millrace.storage.sql.json_text import decode
from millrace.storage.sql.rows import ARTIFACT, CACHE_ENTRY, artifact_of, cache_entry_of, columns

_CACHED_FROM = "SELECT task_run_id, cached_from FROM task_run WHERE task_run_id {among} AND cached_from IS NOT NULL"
_VALUES = "SELECT task_run_id, name, document FROM value WHERE task_run_id {among}"
_ARTIFACTS = f"""
    SELECT t.task_run_id, {columns(ARTIFACT, "a")} FROM task_run t
    JOIN artifact a ON a.run_id = t.run_id AND a.task_id = t.task_id
    WHERE t.task_run_id {{among}} ORDER BY a.artifact_id
"""  # noqa: S608 -- constants


def outputs_of(connection: Connection, task_run_ids: Collection[str]) -> dict[str, TaskOutputs]:
    sources = sources_of(connection, task_run_ids)
    wanted = connection.array(set(sources.values()))
    values: dict[str, dict[str, Json]] = {}
    for task_run_id, name, document in connection.rows(_VALUES.format(among=connection.among), (wanted,)):
        values.setdefault(task_run_id, {})[name] = decode(document)
    artifacts = _artifacts(connection, set(sources.values()))
    outputs: dict[str, TaskOutputs] = {}
    for task_run_id, source in sources.items():
        live = {name: a for name, a in artifacts.get(source, {}).items() if a.state == "live"}
        outputs[task_run_id] = TaskOutputs(values.get(source, {}), live)
    return outputs


def sources_of(connection: Connection, task_run_ids: Collection[str]) -> dict[str, str]:
    """Task run -> the one that really wrote its outputs."""
    sources = {t: t for t in task_run_ids}
    asked = set(task_run_ids)
    sql = _CACHED_FROM.format(among=connection.among)
    while asked:
        links: dict[str, str] = dict(connection.rows(sql, (connection.array(asked),)))
        sources = {t: links.get(s, s) for t, s in sources.items()}
        asked = set(links.values())
    return sources


def _artifacts(connection: Connection, task_run_ids: Collection[str]) -> dict[str, dict[str, ArtifactRecord]]:
    """By task run and output name, the newest where a task wrote twice (it was cleared)."""
    found: dict[str, dict[str, ArtifactRecord]] = {}
    sql = _ARTIFACTS.format(among=connection.among)
    for task_run_id, *row in connection.rows(sql, (connection.array(task_run_ids),)):
        record = artifact_of(tuple(row))
        found.setdefault(task_run_id, {})[record.output] = record
    return found


# --- the cache -------------------------------------------------------------------------------------------------

_ENTRY = f"SELECT {columns(CACHE_ENTRY)} FROM cache_entry WHERE key = ?"  # noqa: S608 -- constants
_ENTRIES = f"""
    SELECT {columns(CACHE_ENTRY)} FROM cache_entry
    WHERE pipeline = ? AND task_id = ? ORDER BY created_at DESC LIMIT ?
"""  # noqa: S608 -- constants


def cache_entry_with_live_outputs(connection: Connection, key: str) -> CacheEntry | None:
    row = connection.row(_ENTRY, (key,))
    if row is None:
        return None
    entry = cache_entry_of(row)
    sources = sources_of(connection, [entry.task_run_id])
    artifacts = _artifacts(connection, list(sources.values()))
    live = all(a.state == "live" for outputs in artifacts.values() for a in outputs.values())
    return entry if live else None


def newest_cache_entries(connection: Connection, pipeline: str, task_id: str, limit: int) -> list[CacheEntry]:
    return [cache_entry_of(row) for row in connection.rows(_ENTRIES, (pipeline, task_id, limit))]


# --- Latest bindings -------------------------------------------------------------------------------------------

_RUNS_BEFORE = """
    SELECT run_id, state FROM pipeline_run
    WHERE project_id = ? AND pipeline = ? AND run_id < ? ORDER BY run_id DESC LIMIT ?
"""
_TASK_RUNS = """
    SELECT run_id, task_id, task_run_id, state FROM task_run WHERE run_id {among} AND task_id {among}
"""
_PORTIONS = (4, 16, 80)
"""How many runs are looked at in one go, newest first; the answer is mostly in the first. 100 runs in all."""


def latest_artifact(
    connection: Connection, pipeline: str, binding: Latest, *, other_than_digest: str | None, before_run: str
) -> ArtifactRecord | None:
    before = before_run
    for portion in _PORTIONS:
        runs = connection.rows(_RUNS_BEFORE, (PROJECT, pipeline, before, portion))
        if not runs:
            return None
        before = runs[-1][0]
        ids = [run_id for run_id, state in runs if binding.where is not None or state == RunState.SUCCESS]
        candidates = _RunOutputs(connection, ids, [r for r in (binding.of, binding.where, binding.other_than) if r])
        for run_id in ids:
            artifact = candidates.artifact(run_id, binding.of)
            if artifact is None or artifact.state != "live":
                continue
            if candidates.answers(run_id, binding, other_than_digest):
                return artifact
    return None


class _RunOutputs:
    """The artifacts that some runs wrote to some outputs, in three queries."""

    def __init__(self, connection: Connection, run_ids: Sequence[str], references: Sequence[OutputRef]) -> None:
        tasks = sorted({r.task for r in references})
        sql = _TASK_RUNS.format(among=connection.among)
        found = connection.rows(sql, (connection.array(run_ids), connection.array(tasks)))
        self._task_runs = {(run_id, task_id): (t, state) for run_id, task_id, t, state in found}
        self._sources = sources_of(connection, [t for t, _ in self._task_runs.values()])
        self._artifacts = _artifacts(connection, set(self._sources.values()))

    def artifact(self, run_id: str, reference: OutputRef) -> ArtifactRecord | None:
        """None unless the task ended in success."""
        task_run_id, state = self._task_runs.get((run_id, reference.task), ("", ""))
        if state != TaskState.SUCCESS:
            return None
        return self._artifacts.get(self._sources[task_run_id], {}).get(reference.output)

    def answers(self, run_id: str, binding: Latest, other_than_digest: str | None) -> bool:
        if binding.where is not None:
            flagged = self.artifact(run_id, binding.where)
            if flagged is None or flagged.metadata.get(binding.flag) is not True:
                return False
        if binding.other_than is not None and other_than_digest is not None:
            other = self.artifact(run_id, binding.other_than)
            return other is not None and other.digest != other_than_digest
        return True
