"""Records of execution as rows and back: the columns in one order, written down once.

Invariant: ``x_of(x_row(record)) == record``.
"""

from __future__ import annotations

from millrace.core.attempts import Usage
from millrace.core.records import (
    ArtifactRecord,
    ArtifactUse,
    Attempt,
    CacheEntry,
    PipelineRun,
    RunEvent,
    TaskRun,
)
from millrace.core.states import AttemptState, RunState, RunTrigger, TaskState
from millrace.storage.sql.connection import Row
from millrace.storage.sql.json_text import decode, encode, storable

# Looked up by value: a dict is some nine times as fast as calling the enum, and a listing makes thousands.
_RUN_STATES = {str(s): s for s in RunState}
_TRIGGERS = {str(t): t for t in RunTrigger}
_TASK_STATES = {str(s): s for s in TaskState}
_ATTEMPT_STATES = {str(s): s for s in AttemptState}

PIPELINE_RUN = (
    "run_id",
    "pipeline",
    "version",
    '"trigger"',
    "params",
    "state",
    "queued_at",
    "started_at",
    "ended_at",
    "logical_date",
    "data_interval_start",
    "data_interval_end",
    "reason",
    "cancel_requested",
    "lease_owner",
    "lease_epoch",
    "lease_expires_at",
)


def pipeline_run_row(run: PipelineRun) -> Row:
    return (
        run.run_id,
        run.pipeline,
        run.version,
        run.trigger.value,
        encode(dict(run.params)),
        run.state.value,
        run.queued_at,
        run.started_at,
        run.ended_at,
        run.logical_date,
        run.data_interval_start,
        run.data_interval_end,
        storable(run.reason),
        run.cancel_requested,
        run.lease_owner,
        run.lease_epoch,
        run.lease_expires_at,
    )


def pipeline_run_of(row: Row) -> PipelineRun:
    run_id, pipeline, version, trigger, params, state, *rest = row
    queued_at, started_at, ended_at, logical_date, interval_start, interval_end, *rest = rest
    reason, cancel_requested, owner, epoch, expires = rest
    return PipelineRun(
        run_id,
        pipeline,
        version,
        _TRIGGERS[trigger],
        decode(params),
        _RUN_STATES[state],
        queued_at,
        started_at,
        ended_at,
        logical_date,
        interval_start,
        interval_end,
        reason,
        bool(cancel_requested),
        owner,
        epoch,
        expires,
    )


TASK_RUN_CHANGES = (
    "state",
    "tries",
    "token",
    "queued_at",
    "started_at",
    "ended_at",
    "due_at",
    "reason",
    "cached_from",
)
TASK_RUN = ("task_run_id", "run_id", "task_id", *TASK_RUN_CHANGES)


def task_run_changes(t: TaskRun) -> Row:
    return (
        t.state.value,
        t.tries,
        t.token,
        t.queued_at,
        t.started_at,
        t.ended_at,
        t.due_at,
        storable(t.reason),
        t.cached_from,
    )


def task_run_of(row: Row) -> TaskRun:
    task_run_id, run_id, task_id, state, *rest = row
    return TaskRun(task_run_id, run_id, task_id, _TASK_STATES[state], *rest)


ATTEMPT_KEYS = ("attempt_id", "task_run_id", "run_id", "task_id", "number", "token", "executor", "launched_at")
ATTEMPT_CHANGES = (
    "state",
    "worker",
    "started_at",
    "ended_at",
    "kind",
    "reason",
    "detail",
    "exit_code",
    "cpu_seconds",
    "peak_bytes",
)
ATTEMPT = (*ATTEMPT_KEYS, *ATTEMPT_CHANGES)


def attempt_keys(a: Attempt) -> Row:
    return (a.attempt_id, a.task_run_id, a.run_id, a.task_id, a.number, a.token, a.executor, a.launched_at)


def attempt_changes(a: Attempt) -> Row:
    usage = a.usage
    return (
        a.state.value,
        storable(a.worker),
        a.started_at,
        a.ended_at,
        a.kind,
        storable(a.reason),
        storable(a.detail),
        a.exit_code,
        None if usage is None else usage.cpu_seconds,
        None if usage is None else usage.peak_bytes,
    )


def attempt_of(row: Row) -> Attempt:
    attempt_id, task_run_id, run_id, task_id, number, token, executor, launched_at, state, *rest = row
    worker, started_at, ended_at, kind, reason, detail, exit_code, cpu_seconds, peak_bytes = rest
    return Attempt(
        attempt_id,
        task_run_id,
        run_id,
        task_id,
        number,
        token,
        _ATTEMPT_STATES[state],
        executor,
        launched_at,
        worker,
        started_at,
        ended_at,
        kind,
        reason,
        detail,
        exit_code,
        None if cpu_seconds is None else Usage(cpu_seconds, peak_bytes),
    )


ARTIFACT = (
    "artifact_id",
    "type",
    "uri",
    "digest",
    "size",
    "metadata",
    "producer",
    "output",
    "run_id",
    "task_id",
    "state",
    "created_at",
    "pipeline",
)


def artifact_row(a: ArtifactRecord) -> Row:
    return (
        a.artifact_id,
        a.type,
        a.uri,
        a.digest,
        a.size,
        encode(dict(a.metadata)),
        a.producer,
        a.output,
        a.run_id,
        a.task_id,
        a.state,
        a.created_at,
        a.pipeline,
    )


def artifact_of(row: Row) -> ArtifactRecord:
    artifact_id, type_, uri, digest, size, metadata, *rest = row
    return ArtifactRecord(artifact_id, type_, uri, digest, size, decode(metadata), *rest)


USE = ("attempt_id", "artifact_id", "name", "position")


def use_row(u: ArtifactUse) -> Row:
    return (u.attempt_id, u.artifact_id, u.name, u.index)


def use_of(row: Row) -> ArtifactUse:
    return ArtifactUse(*row)


CACHE_ENTRY = ("key", "pipeline", "task_id", "parts", "task_run_id", "created_at", "hits")


def cache_entry_row(c: CacheEntry) -> Row:
    return (c.key, c.pipeline, c.task_id, encode(c.parts), c.task_run_id, c.created_at, c.hits)


def cache_entry_of(row: Row) -> CacheEntry:
    key, pipeline, task_id, parts, *rest = row
    return CacheEntry(key, pipeline, task_id, decode(parts), *rest)


EVENT = ("run_id", "seq", "at", "kind", "task_id", "payload")


def event_row(e: RunEvent) -> Row:
    return (e.run_id, e.seq, e.at, e.kind, e.task_id, encode(e.payload))


def event_of(row: Row) -> RunEvent:
    run_id, seq, at, kind, task_id, payload = row
    return RunEvent(run_id, seq, at, kind, task_id, decode(payload))


def columns(names: tuple[str, ...], table: str = "") -> str:
    """For a SELECT, with the table's short name before each."""
    return ", ".join(f"{table}.{n}" if table else n for n in names)
