"""Writing scheduler steps: the hottest path of the database.

Invariant: all steps of one call, or none. A step whose lease is no longer its owner's refuses them all, decided on
rows that stay locked until the commit.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from millrace.core.errors import StorageError
from millrace.core.records import PipelineRun, Step
from millrace.interfaces import LeaseLost
from millrace.storage.sql import rows
from millrace.storage.sql.connection import Connection, Row, insert, update
from millrace.storage.sql.json_text import encode, storable

_LEASES = "SELECT run_id, lease_owner, lease_epoch FROM pipeline_run WHERE run_id {among} ORDER BY run_id"
_LEASE = "SELECT run_id, lease_owner, lease_epoch FROM pipeline_run WHERE run_id = ?"
_NEXT_POSITION = "SELECT COALESCE(MAX(position) + 1, 0) FROM task_run WHERE run_id = ?"
# The lease and the request to cancel are not the step's to change.
_UPDATE_RUN = update("pipeline_run", ("state", "started_at", "ended_at", "reason"), "run_id")
_INSERT_TASK_RUN = insert("task_run", ("task_run_id", "run_id", "task_id", "position", *rows.TASK_RUN_CHANGES))
_UPDATE_TASK_RUN = update("task_run", rows.TASK_RUN_CHANGES, "task_run_id")
_INSERT_ATTEMPT = insert("attempt", rows.ATTEMPT)
_UPDATE_ATTEMPT = update("attempt", rows.ATTEMPT_CHANGES, "attempt_id")
_INSERT_ARTIFACT = insert("artifact", rows.ARTIFACT)
_INSERT_USE = insert("artifact_use", rows.USE)
_INSERT_VALUE = insert(
    "value",
    ("task_run_id", "name", "document"),
    "ON CONFLICT (task_run_id, name) DO UPDATE SET document = excluded.document",
)
# A newer result replaces the older one (whose outputs may be gone) and keeps the count of hits.
_INSERT_CACHE_ENTRY = insert(
    "cache_entry",
    rows.CACHE_ENTRY,
    "ON CONFLICT (key) DO UPDATE SET parts = excluded.parts, task_run_id = excluded.task_run_id,"
    " created_at = excluded.created_at, pipeline = excluded.pipeline, task_id = excluded.task_id",
)
_HIT = "UPDATE cache_entry SET hits = hits + 1 WHERE key = ?"
_INSERT_EVENT = insert("run_event", rows.EVENT)


def write_steps(connection: Connection, steps: Sequence[Step]) -> None:
    """In the order of the foreign keys. LeaseLost if a lease is lost."""
    _check_leases(connection, steps)
    change = connection.change_many
    runs = [s.run for s in steps if s.run is not None]
    change(_UPDATE_RUN, [_run_changes(r) for r in runs])
    change(_INSERT_TASK_RUN, _new_task_runs(connection, steps))
    changed = [(*rows.task_run_changes(t), t.task_run_id) for s in steps for t in s.task_runs]
    _all_there("task run", change(_UPDATE_TASK_RUN, changed), changed)
    attempts = [rows.attempt_keys(a) + rows.attempt_changes(a) for s in steps for a in s.new_attempts]
    change(_INSERT_ATTEMPT, attempts)
    changed = [(*rows.attempt_changes(a), a.attempt_id) for s in steps for a in s.attempts]
    _all_there("attempt", change(_UPDATE_ATTEMPT, changed), changed)
    change(_INSERT_ARTIFACT, [rows.artifact_row(a) for s in steps for a in s.artifacts])
    change(_INSERT_USE, [rows.use_row(u) for s in steps for u in s.uses])
    change(_INSERT_VALUE, [(v.task_run_id, v.name, encode(v.value)) for s in steps for v in s.values])
    # Sorted: two schedulers on PostgreSQL would wait for each other over rows locked in different orders.
    change(_INSERT_CACHE_ENTRY, sorted(rows.cache_entry_row(c) for s in steps for c in s.cache_entries))
    change(_HIT, sorted((key,) for s in steps for key in s.cache_hits))
    change(_INSERT_EVENT, [rows.event_row(e) for s in steps for e in s.events])


def _check_leases(connection: Connection, steps: Sequence[Step]) -> None:
    run_ids = sorted({s.run_id for s in steps})
    if len(run_ids) == 1:
        held = connection.rows(_LEASE + connection.lock_rows, (run_ids[0],))
    else:
        sql = _LEASES.format(among=connection.among) + connection.lock_rows
        held = connection.rows(sql, (connection.array(run_ids),))
    leases = {run_id: (owner, epoch) for run_id, owner, epoch in held}
    lost = sorted({s.run_id for s in steps if leases.get(s.run_id) != (s.lease_owner, s.lease_epoch)})
    if lost:
        raise LeaseLost(
            f"another scheduler holds {'run' if len(lost) == 1 else 'runs'} {', '.join(lost)} now; nothing was written"
        )


def _run_changes(run: PipelineRun) -> Row:
    return (run.state.value, run.started_at, run.ended_at, storable(run.reason), run.run_id)


def _new_task_runs(connection: Connection, steps: Iterable[Step]) -> list[Row]:
    """They come in the graph's order, which ``position`` keeps."""
    new: list[Row] = []
    next_position: dict[str, int] = {}
    for step in steps:
        for t in step.new_task_runs:
            if t.run_id not in next_position:
                row = connection.row(_NEXT_POSITION, (t.run_id,))
                next_position[t.run_id] = 0 if row is None else row[0]
            new.append((t.task_run_id, t.run_id, t.task_id, next_position[t.run_id], *rows.task_run_changes(t)))
            next_position[t.run_id] += 1
    return new


def _all_there(noun: str, count: int, changed: Sequence[Row]) -> None:
    if count != len(changed):
        names = ", ".join(str(row[-1]) for row in changed[:5])
        raise StorageError(f"a step changes {len(changed)} {noun}s of which {count} are in the database: {names}")
