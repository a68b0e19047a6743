"""What the store gives back and takes: frozen domain objects, separate from rows and from wire shapes.

All times are UTC epoch microseconds. Ids are UUIDv7 strings (time-ordered) unless said otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from millrace.core.attempts import CodeLocation, Usage
from millrace.core.graph import Graph
from millrace.core.states import AttemptState, RunState, RunTrigger, TaskState
from millrace.core.types import Json


@attrs.frozen
class PipelineVersion:
    """A pipeline as of one graph and one state of the code it uses. ``version``: sha256 hex of both."""

    version: str
    graph: Graph
    code: CodeLocation
    code_fingerprints: Mapping[str, Mapping[str, str]]
    """Task id -> {module:qualname: fingerprint} of its function and all project code that it uses."""
    environment: Mapping[str, str]
    """Distribution -> installed version, of those that tasks declare."""
    created_at: int


@attrs.frozen
class Pipeline:
    name: str
    paused: bool
    version: str
    """The latest version."""
    source: str
    """The file it came from."""
    description: str
    tags: tuple[str, ...]
    schedule: Json
    next_due_at: int | None
    created_at: int
    updated_at: int


@attrs.frozen
class ImportFailure:
    """A pipeline file that does not import."""

    file: str
    message: str
    traceback: str
    at: int


@attrs.frozen
class PipelineRun:
    run_id: str
    pipeline: str
    version: str
    trigger: RunTrigger
    params: Mapping[str, Json]
    state: RunState
    queued_at: int
    started_at: int | None = None
    ended_at: int | None = None
    logical_date: int | None = None
    data_interval_start: int | None = None
    data_interval_end: int | None = None
    reason: str = ""
    cancel_requested: bool = False
    lease_owner: str | None = None
    lease_epoch: int = 0
    """Grows with every lease of this run: the scheduler's own fencing token."""
    lease_expires_at: int | None = None


@attrs.frozen
class TaskRun:
    task_run_id: str
    run_id: str
    task_id: str
    state: TaskState
    tries: int = 0
    """Attempts that counted as a try."""
    token: int = 0
    """Fencing token of the newest attempt."""
    queued_at: int | None = None
    started_at: int | None = None
    ended_at: int | None = None
    due_at: int | None = None
    """When a retry is due."""
    reason: str = ""
    cached_from: str | None = None
    """The task run whose outputs this one took."""


@attrs.frozen
class Attempt:
    attempt_id: str
    task_run_id: str
    run_id: str
    task_id: str
    number: int
    token: int
    state: AttemptState
    executor: str
    launched_at: int
    worker: str = ""
    started_at: int | None = None
    ended_at: int | None = None
    kind: str | None = None
    reason: str = ""
    detail: str = ""
    exit_code: int | None = None
    usage: Usage | None = None


@attrs.frozen
class ArtifactRecord:
    """A published artifact. ``producer`` is the attempt that wrote it (None: imported)."""

    artifact_id: str
    type: str
    uri: str
    digest: str
    size: int
    metadata: Mapping[str, Json]
    producer: str | None
    output: str
    run_id: str | None
    task_id: str | None
    state: str
    """pending, live or deleted."""
    created_at: int
    pipeline: str | None = None


@attrs.frozen
class ArtifactUse:
    """Lineage: ``attempt_id`` read ``artifact_id`` as its input ``name``."""

    attempt_id: str
    artifact_id: str
    name: str
    index: int = 0


@attrs.frozen
class OutputValue:
    """A JSON value that a task run wrote."""

    task_run_id: str
    name: str
    value: Json


@attrs.frozen
class CacheEntry:
    """``parts`` is the JSON of the explained :class:`~millrace.core.fingerprint.CacheKey`."""

    key: str
    pipeline: str
    task_id: str
    parts: Json
    task_run_id: str
    created_at: int
    hits: int = 0


@attrs.frozen
class RunEvent:
    """One line of a run's log of events; ``seq`` counts from 1 within the run. Replaying them gives the stored
    states."""

    run_id: str
    seq: int
    at: int
    kind: str
    """The event class's name."""
    task_id: str
    payload: Json


# --- one scheduler step, committed in one transaction --------------------------------------------------------


@attrs.frozen
class Step:
    """Every change of one scheduler step to one pipeline run. Committed whole or not at all.

    ``lease_owner`` and ``lease_epoch`` guard it: when the run's lease is no longer theirs the commit is refused with
    :class:`~millrace.interfaces.LeaseLost` and nothing is written.
    """

    run_id: str
    lease_owner: str
    lease_epoch: int
    run: PipelineRun | None = None
    """The run as it is now, if its state, times or reason changed."""
    new_task_runs: tuple[TaskRun, ...] = ()
    task_runs: tuple[TaskRun, ...] = ()
    """Task runs as they are now."""
    new_attempts: tuple[Attempt, ...] = ()
    attempts: tuple[Attempt, ...] = ()
    """Attempts as they are now."""
    uses: tuple[ArtifactUse, ...] = ()
    artifacts: tuple[ArtifactRecord, ...] = ()
    """New, live."""
    values: tuple[OutputValue, ...] = ()
    cache_entries: tuple[CacheEntry, ...] = ()
    cache_hits: tuple[str, ...] = ()
    """Keys that were hit."""
    events: tuple[RunEvent, ...] = ()


@attrs.frozen
class TaskOutputs:
    """What a task run gave: values and artifacts by output name (through ``cached_from`` when it was cached)."""

    values: Mapping[str, Json] = attrs.field(factory=dict)
    artifacts: Mapping[str, ArtifactRecord] = attrs.field(factory=dict)


@attrs.frozen
class Page:
    """One page of a listing and the cursor of the next (None at the end)."""

    items: tuple[Json, ...]
    next_cursor: str | None = None


# --- tracking and registry, in MLflow's words -----------------------------------------------------------------


@attrs.frozen
class Experiment:
    experiment_id: str
    name: str
    artifact_location: str
    lifecycle_stage: str
    creation_time: int
    """Epoch milliseconds, as MLflow's: also the three below and every time of tracking and registry."""
    last_update_time: int
    tags: Mapping[str, str] = attrs.field(factory=dict)


@attrs.frozen
class Metric:
    key: str
    value: float
    timestamp: int
    """Epoch milliseconds."""
    step: int = 0


@attrs.frozen
class TrackingRun:
    """An MLflow run. ``status``: RUNNING, SCHEDULED, FINISHED, FAILED or KILLED."""

    run_id: str
    experiment_id: str
    run_name: str
    status: str
    start_time: int
    end_time: int | None
    artifact_uri: str
    lifecycle_stage: str
    user_id: str
    task_run_id: str | None = None
    metrics: tuple[Metric, ...] = ()
    """The latest of each key."""
    params: Mapping[str, str] = attrs.field(factory=dict)
    tags: Mapping[str, str] = attrs.field(factory=dict)


@attrs.frozen
class RegisteredModel:
    name: str
    creation_timestamp: int
    last_updated_timestamp: int
    description: str = ""
    aliases: Mapping[str, int] = attrs.field(factory=dict)
    tags: Mapping[str, str] = attrs.field(factory=dict)
    latest_version: int | None = None


@attrs.frozen
class ModelVersion:
    name: str
    version: int
    source: str
    """URI of the model folder."""
    run_id: str | None
    """The tracking run."""
    status: str
    creation_timestamp: int
    last_updated_timestamp: int
    artifact_id: str | None = None
    description: str = ""
    aliases: tuple[str, ...] = ()
    tags: Mapping[str, str] = attrs.field(factory=dict)
