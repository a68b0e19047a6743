"""Who schedules which pipeline run.

Invariant: a lease is given to one scheduler at a time and every lease of a run has a higher epoch than the one before;
``admit`` is asked with counts that no other scheduler changes until the lease is committed.
"""

from __future__ import annotations

from collections.abc import Callable

import attrs

from millrace.core.records import PipelineRun
from millrace.storage.sql.conditions import UNFINISHED
from millrace.storage.sql.connection import Connection, Row
from millrace.storage.sql.rows import PIPELINE_RUN, columns, pipeline_run_of

Admit = Callable[[str, int], int]

_FREE = "(lease_expires_at IS NULL OR lease_expires_at <= ?)"
_ANY_FREE = f"SELECT 1 FROM pipeline_run WHERE {UNFINISHED} AND {_FREE} LIMIT 1"  # noqa: S608 -- constants
# A queued run that a scheduler holds is about to start: it counts as active.
_COUNTS = f"""
    SELECT pipeline,
           SUM(CASE WHEN state = 'running' OR NOT {_FREE} THEN 1 ELSE 0 END),
           SUM(CASE WHEN state = 'queued' AND {_FREE} THEN 1 ELSE 0 END)
    FROM pipeline_run WHERE {UNFINISHED} GROUP BY pipeline
"""  # noqa: S608 -- constants
_SELECT = f"SELECT {columns(PIPELINE_RUN)} FROM pipeline_run WHERE {UNFINISHED}"  # noqa: S608 -- constants
_OLDEST_FIRST = "ORDER BY queued_at, run_id LIMIT ?"
_RUNNING = f"{_SELECT} AND state = 'running' AND {_FREE} {_OLDEST_FIRST}"
_QUEUED = f"{_SELECT} AND pipeline = ? AND state = 'queued' AND {_FREE} {_OLDEST_FIRST}"
_TAKE = "UPDATE pipeline_run SET lease_owner = ?, lease_epoch = ?, lease_expires_at = ? WHERE run_id = ?"
_LEASING = 6_034_717_002
"""Key of the PostgreSQL advisory lock under which one scheduler at a time counts and leases."""


def anything_to_lease(connection: Connection, now: int) -> bool:
    """Asked first, on a reader, so that an idle scheduler takes no lock."""
    return connection.row(_ANY_FREE, (now,)) is not None


def lease_runs(
    connection: Connection, owner: str, *, now: int, ttl: int, limit: int, admit: Admit
) -> list[PipelineRun]:
    skip_locked = ""
    if not connection.sqlite:
        connection.rows("SELECT pg_advisory_xact_lock(?)", (_LEASING,))
        skip_locked = " FOR NO KEY UPDATE SKIP LOCKED"
    found: list[Row] = connection.rows(_RUNNING + skip_locked, (now, limit))
    for pipeline, active, waiting in connection.rows(_COUNTS, (now, now)):
        room = min(admit(pipeline, int(active)), limit) if waiting else 0
        if room > 0:
            found += connection.rows(_QUEUED + skip_locked, (pipeline, now, room))
    runs = sorted(map(pipeline_run_of, found), key=lambda r: (r.queued_at, r.run_id))[:limit]
    expires = now + ttl
    connection.change_many(_TAKE, [(owner, r.lease_epoch + 1, expires, r.run_id) for r in runs])
    return [attrs.evolve(r, lease_owner=owner, lease_epoch=r.lease_epoch + 1, lease_expires_at=expires) for r in runs]
