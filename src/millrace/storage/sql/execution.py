"""Pipeline runs, task runs, attempts, values, cache entries and events.

Invariant: rows of a run change only under its lease (``steps``), through ``create_run``, ``request_cancel`` and the
lease itself (``leases``).
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Callable, Sequence

import attrs

from millrace.core.errors import ConflictError, NotFoundError, UsageError
from millrace.core.graph import Latest
from millrace.core.records import (
    ArtifactRecord,
    Attempt,
    CacheEntry,
    PipelineRun,
    RunEvent,
    Step,
    TaskOutputs,
    TaskRun,
)
from millrace.core.states import RunState, RunTrigger
from millrace.storage.sql import leases, outputs, rows
from millrace.storage.sql.conditions import PROJECT, SCHEDULED, UNFINISHED
from millrace.storage.sql.connection import Connection, Row, insert
from millrace.storage.sql.database import Database
from millrace.storage.sql.steps import write_steps

_SHORTEST_PREFIX = 6
_PART_OF_ID = re.compile(r"[0-9a-z_-]+", re.IGNORECASE)

# One run per pipeline and logical date, whoever's clock struck first.
_INSERT_RUN = insert(
    "pipeline_run",
    ("project_id", "reversed_id", *rows.PIPELINE_RUN),
    f"ON CONFLICT (project_id, pipeline, logical_date) WHERE {SCHEDULED} DO NOTHING",
)
_SET_NEXT_DUE = "UPDATE pipeline SET next_due_at = ? WHERE project_id = ? AND name = ?"
_RUN = f"SELECT {rows.columns(rows.PIPELINE_RUN)} FROM pipeline_run"  # noqa: S608 -- constants
_LAST_SCHEDULED = f"{_RUN} WHERE project_id = ? AND pipeline = ? AND {SCHEDULED} ORDER BY logical_date DESC LIMIT 1"
_RUN_BY_ID = f"{_RUN} WHERE run_id = ?"
_RUNS_BY_PREFIX = f"{_RUN} WHERE run_id >= ? AND run_id < ? LIMIT 2"
_RUNS_BY_SUFFIX = f"{_RUN} WHERE reversed_id >= ? AND reversed_id < ? LIMIT 2"
_NEWEST_FIRST = "ORDER BY run_id DESC LIMIT ?"
_RENEW = """
    UPDATE pipeline_run SET lease_expires_at = ? WHERE lease_owner = ? AND run_id {among} RETURNING run_id
"""
_RELEASE = """
    UPDATE pipeline_run SET lease_owner = NULL, lease_expires_at = NULL WHERE lease_owner = ? AND run_id {among}
"""
_TASK_RUN = f"SELECT {rows.columns(rows.TASK_RUN)} FROM task_run"  # noqa: S608 -- constants
_ATTEMPT = f"SELECT {rows.columns(rows.ATTEMPT)} FROM attempt"  # noqa: S608 -- constants
_EVENTS = f"""
    SELECT {rows.columns(rows.EVENT)} FROM run_event WHERE run_id = ? AND seq > ? ORDER BY seq
"""  # noqa: S608 -- constants
_CANCEL_REQUESTS = "SELECT run_id FROM pipeline_run WHERE run_id {among} AND cancel_requested"
_WAKES_AT = f"SELECT MIN(lease_expires_at) FROM pipeline_run WHERE {UNFINISHED} AND lease_expires_at IS NOT NULL"  # noqa: S608 -- constants
# The new epoch fences off whoever leased it before and may still believe that it is queued.
_CANCEL_QUEUED = """
    UPDATE pipeline_run SET state = 'cancelled', cancel_requested = ?, ended_at = ?, reason = ?,
           lease_owner = NULL, lease_expires_at = NULL, lease_epoch = lease_epoch + 1
    WHERE run_id = ?
"""
_REQUEST_CANCEL = "UPDATE pipeline_run SET cancel_requested = ? WHERE run_id = ?"


class SqlExecutionStore:
    """:class:`~millrace.interfaces.ExecutionStore` over a :class:`Database`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # --- writing -----------------------------------------------------------------------------------------------

    def create_run(self, run: PipelineRun, *, next_due_at: int | None = None) -> PipelineRun:
        scheduled = run.trigger is RunTrigger.SCHEDULE
        with self._database.write() as connection:
            new = connection.change(_INSERT_RUN, (PROJECT, run.run_id[::-1], *rows.pipeline_run_row(run)))
            if not new:
                raise ConflictError(
                    f"pipeline {run.pipeline!r} already has a run for logical date {run.logical_date}",
                    remedy="Trigger a manual run to run it once more.",
                )
            if scheduled:
                connection.change(_SET_NEXT_DUE, (next_due_at, PROJECT, run.pipeline))
        return run

    def commit(self, steps: Sequence[Step]) -> None:
        with self._database.write() as connection:
            write_steps(connection, steps)

    def lease(
        self, owner: str, *, now: int, ttl: int, limit: int, admit: Callable[[str, int], int]
    ) -> list[PipelineRun]:
        """``admit`` is called inside the transaction: it may read the database and must not write to it."""
        with self._database.read() as connection:
            if not leases.anything_to_lease(connection, now):
                return []
        with self._database.write() as connection:
            return leases.lease_runs(connection, owner, now=now, ttl=ttl, limit=limit, admit=admit)

    def renew(self, owner: str, run_ids: Sequence[str], *, now: int, ttl: int) -> list[str]:
        with self._database.write() as connection:
            _lock_in_order(connection, run_ids)
            sql = _RENEW.format(among=connection.among)
            held = {row[0] for row in connection.rows(sql, (now + ttl, owner, connection.array(run_ids)))}
        return [run_id for run_id in run_ids if run_id in held]

    def release(self, owner: str, run_ids: Sequence[str]) -> None:
        with self._database.write() as connection:
            _lock_in_order(connection, run_ids)
            connection.change(_RELEASE.format(among=connection.among), (owner, connection.array(run_ids)))

    def last_scheduled(self, pipeline: str) -> PipelineRun | None:
        with self._database.read() as connection:
            row = connection.row(_LAST_SCHEDULED, (PROJECT, pipeline))
        return None if row is None else rows.pipeline_run_of(row)

    def request_cancel(self, run_id: str, *, now: int) -> PipelineRun:
        run_id = self.run(run_id).run_id
        with self._database.write() as connection:
            row = connection.row(_RUN_BY_ID + connection.lock_rows, (run_id,))
            assert row is not None  # runs are never deleted
            run = rows.pipeline_run_of(row)
            if run.state.ended:
                raise ConflictError(f"run {run_id} has already ended: {run.state}")
            held = run.lease_expires_at is not None and run.lease_expires_at > now
            if run.state is RunState.QUEUED and not held:
                reason = "cancelled before it started"
                connection.change(_CANCEL_QUEUED, (True, now, reason, run_id))
                return attrs.evolve(
                    run,
                    state=RunState.CANCELLED,
                    cancel_requested=True,
                    ended_at=now,
                    reason=reason,
                    lease_owner=None,
                    lease_expires_at=None,
                    lease_epoch=run.lease_epoch + 1,
                )
            connection.change(_REQUEST_CANCEL, (True, run_id))
        return attrs.evolve(run, cancel_requested=True)

    # --- reading -----------------------------------------------------------------------------------------------

    def run(self, run_id: str) -> PipelineRun:
        """By id, or by the beginning or the end of one: 6 characters or more that only one run has."""
        with self._database.read() as connection:
            exact = connection.row(_RUN_BY_ID, (run_id,))
            if exact is not None:
                return rows.pipeline_run_of(exact)
            part = run_id.lower()
            found: list[Row] = []
            if len(part) >= _SHORTEST_PREFIX and _PART_OF_ID.fullmatch(part):
                found = connection.rows(_RUNS_BY_PREFIX, _range(part))
                found = found or connection.rows(_RUNS_BY_SUFFIX, _range(part[::-1]))
        if not found:
            raise NotFoundError("run", run_id, remedy="`millrace runs` lists them.")
        if len(found) > 1:
            raise UsageError(f"several runs begin or end with {run_id!r}", remedy="Give more characters of the id.")
        return rows.pipeline_run_of(found[0])

    def runs(
        self,
        *,
        pipeline: str | None = None,
        states: Sequence[RunState] = (),
        limit: int = 50,
        cursor: str | None = None,
    ) -> tuple[list[PipelineRun], str | None]:
        with self._database.read() as connection:
            if states:  # each state has its own order in the index; merged they are newest first again
                listings = [_listing(connection, pipeline, s, limit, cursor) for s in dict.fromkeys(states)]
                found = list(heapq.merge(*listings, key=lambda row: row[0], reverse=True))
            else:
                found = _listing(connection, pipeline, None, limit, cursor)
        page = [rows.pipeline_run_of(row) for row in found[:limit]]
        return page, page[-1].run_id if len(found) > limit else None

    def task_runs(self, run_id: str, task_id: str | None = None) -> list[TaskRun]:
        condition, parameters = ("", (run_id,)) if task_id is None else ("AND task_id = ?", (run_id, task_id))
        with self._database.read() as connection:
            found = connection.rows(f"{_TASK_RUN} WHERE run_id = ? {condition} ORDER BY position", parameters)
        return [rows.task_run_of(row) for row in found]

    def task_run(self, task_run_id: str) -> TaskRun:
        with self._database.read() as connection:
            row = connection.row(f"{_TASK_RUN} WHERE task_run_id = ?", (task_run_id,))
        if row is None:
            raise NotFoundError("task run", task_run_id)
        return rows.task_run_of(row)

    def attempts(self, run_id: str, task_id: str | None = None) -> list[Attempt]:
        condition, parameters = ("", (run_id,)) if task_id is None else ("AND task_id = ?", (run_id, task_id))
        with self._database.read() as connection:
            found = connection.rows(
                f"{_ATTEMPT} WHERE run_id = ? {condition} ORDER BY launched_at, token, attempt_id", parameters
            )
        return [rows.attempt_of(row) for row in found]

    def attempt(self, attempt_id: str) -> Attempt:
        with self._database.read() as connection:
            row = connection.row(f"{_ATTEMPT} WHERE attempt_id = ?", (attempt_id,))
        if row is None:
            raise NotFoundError("attempt", attempt_id)
        return rows.attempt_of(row)

    def outputs(self, task_run_ids: Sequence[str]) -> dict[str, TaskOutputs]:
        with self._database.read() as connection:
            return outputs.outputs_of(connection, task_run_ids)

    def latest(
        self, pipeline: str, binding: Latest, *, other_than_digest: str | None, before_run: str
    ) -> ArtifactRecord | None:
        with self._database.read() as connection:
            return outputs.latest_artifact(
                connection, pipeline, binding, other_than_digest=other_than_digest, before_run=before_run
            )

    def cancel_requests(self, run_ids: Sequence[str]) -> list[str]:
        with self._database.read() as connection:
            sql = _CANCEL_REQUESTS.format(among=connection.among)
            return [row[0] for row in connection.rows(sql, (connection.array(run_ids),))]

    def cached(self, key: str) -> CacheEntry | None:
        with self._database.read() as connection:
            return outputs.cache_entry_with_live_outputs(connection, key)

    def cache_entries(self, pipeline: str, task_id: str, *, limit: int) -> list[CacheEntry]:
        with self._database.read() as connection:
            return outputs.newest_cache_entries(connection, pipeline, task_id, limit)

    def events(self, run_id: str, after: int = 0) -> list[RunEvent]:
        with self._database.read() as connection:
            return [rows.event_of(row) for row in connection.rows(_EVENTS, (run_id, after))]

    def last_event(self, run_id: str) -> int:
        with self._database.read() as connection:
            row = connection.row("SELECT MAX(seq) FROM run_event WHERE run_id = ?", (run_id,))
        return 0 if row is None or row[0] is None else row[0]

    def wakes_at(self) -> int | None:
        with self._database.read() as connection:
            row = connection.row(_WAKES_AT)
        return None if row is None else row[0]


def _lock_in_order(connection: Connection, run_ids: Sequence[str]) -> None:
    """As a commit locks the runs of its steps: in another order the two would wait for each other."""
    if not connection.sqlite:
        sql = f"SELECT 1 FROM pipeline_run WHERE run_id {connection.among} ORDER BY run_id{connection.lock_rows}"  # noqa: S608 -- constants
        connection.rows(sql, (connection.array(run_ids),))


def _listing(
    connection: Connection, pipeline: str | None, state: RunState | None, limit: int, cursor: str | None
) -> list[Row]:
    """One row more than the limit, so that the caller knows whether there is a next page."""
    conditions: list[str] = ["run_id < ?"] if cursor else []
    parameters: list[str] = [cursor] if cursor else []
    if pipeline is not None:
        conditions += ["project_id = ?", "pipeline = ?"]
        parameters += [PROJECT, pipeline]
    if state is not None:
        conditions.append("state = ?")
        parameters.append(state.value)
    where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
    return connection.rows(f"{_RUN} {where} {_NEWEST_FIRST}", (*parameters, limit + 1))


def _range(part: str) -> tuple[str, str]:
    """The bounds of all strings that begin with ``part``."""
    return part, part[:-1] + chr(ord(part[-1]) + 1)
