"""Every seam of Millrace, in one place.

Who may write what
    A scheduler *leases* a pipeline run (``ExecutionStore.lease``): it gets the run's next ``lease_epoch`` and is the
    only one who commits steps for it while the lease lasts. It renews at a third of the lease's length. A scheduler
    that died is followed by another when the lease ends; a commit with the old epoch is refused (``LeaseLost``), so two
    schedulers never both move one run.

    An *attempt* has a fencing token, one higher than the attempt before it. A report with an older token changes
    nothing.
    An attempt publishes its outputs below a folder of its own and reports them; only the commit of that report makes
    them live, so what a fenced attempt wrote is never seen. Folders that no live artifact names are swept by
    ``operations.sweep``.

    Workers have no database. A task reaches the platform through :class:`TaskServices` only.
"""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

import attrs

from millrace.core.attempts import AttemptReport, Launch
from millrace.core.errors import MillraceError
from millrace.core.graph import Latest
from millrace.core.records import (
    ArtifactRecord,
    ArtifactUse,
    Attempt,
    CacheEntry,
    Experiment,
    ImportFailure,
    Metric,
    ModelVersion,
    Pipeline,
    PipelineRun,
    PipelineVersion,
    RegisteredModel,
    RunEvent,
    Step,
    TaskOutputs,
    TaskRun,
    TrackingRun,
)
from millrace.core.states import RunState
from millrace.core.types import Json


class LeaseLost(MillraceError):
    """Another scheduler holds the run now; nothing was written."""

    http_status = 409


class Clock(Protocol):
    """Now, in epoch microseconds UTC."""

    def now(self) -> int: ...


class Ids(Protocol):
    """New ids: time-ordered UUIDv7 strings, and 32 hex digits for tracking runs."""

    def new(self) -> str: ...

    def new_tracking(self) -> str: ...


class Notifier(Protocol):
    """Wakes whoever waits for work on this store, in this process or another. Losing a wake-up only costs time."""

    def notify(self) -> None:
        """Something changed (a run was queued, a cancel was asked for)."""

    def listen(self, wake: Callable[[], None]) -> None:
        """Call ``wake`` (from any thread) at every notification until :meth:`close`."""

    def close(self) -> None: ...


# --- storage ---------------------------------------------------------------------------------------------------


class PipelineStore(Protocol):
    """Pipelines, their versions and the files that failed to import."""

    def register(self, version: PipelineVersion, *, source: str, next_due_at: int | None, now: int) -> Pipeline:
        """Upsert the pipeline and its version; a known version is not written again."""

    def add_version(self, version: PipelineVersion) -> None:
        """Write a version without making it its pipeline's latest: for a run of a file that is not the registered
        one."""

    def pipeline(self, name: str) -> Pipeline:
        """NotFoundError with near names."""

    def pipelines(self) -> list[Pipeline]: ...

    def version(self, version: str) -> PipelineVersion: ...

    def set_paused(self, name: str, *, paused: bool, now: int) -> Pipeline: ...

    def set_next_due(self, name: str, next_due_at: int | None) -> None: ...

    def due(self, now: int) -> list[Pipeline]:
        """Unpaused pipelines whose ``next_due_at`` has come."""

    def next_due(self) -> int | None:
        """The earliest ``next_due_at`` of unpaused pipelines."""

    def remove_missing(self, source: str, present: Sequence[str], now: int) -> list[str]:
        """Forget pipelines that ``source`` no longer defines (their runs stay). Their names."""

    def set_import_failure(self, file: str, failure: ImportFailure | None) -> None:
        """Record, or with None clear, the failure of a file."""

    def import_failures(self) -> list[ImportFailure]: ...


class ExecutionStore(Protocol):
    """Pipeline runs, task runs, attempts, values, cache entries, events."""

    def create_run(self, run: PipelineRun, *, next_due_at: int | None = None) -> PipelineRun:
        """Insert a queued run. For a scheduled run the pipeline's ``next_due_at`` moves in the same transaction, and a
        second run for the same pipeline and logical date is refused with ConflictError."""

    def last_scheduled(self, pipeline: str) -> PipelineRun | None:
        """The scheduled run with the newest data interval."""

    def lease(
        self, owner: str, *, now: int, ttl: int, limit: int, admit: Callable[[str, int], int]
    ) -> list[PipelineRun]:
        """Take queued runs, and running ones whose lease has ended, oldest first; each with a new ``lease_epoch``.

        ``admit(pipeline, active)`` says how many more queued runs of the pipeline may start while ``active`` are
        running.
        A run taken over keeps its state.
        """

    def renew(self, owner: str, run_ids: Sequence[str], *, now: int, ttl: int) -> list[str]:
        """Those still held."""

    def release(self, owner: str, run_ids: Sequence[str]) -> None:
        """End the leases at once, so that another scheduler may take over (a clean shutdown)."""

    def commit(self, steps: Sequence[Step]) -> None:
        """All steps in one transaction. LeaseLost if one is refused."""

    def run(self, run_id: str) -> PipelineRun:
        """By id or by a unique prefix of 8 or more characters. NotFoundError."""

    def runs(
        self,
        *,
        pipeline: str | None = None,
        states: Sequence[RunState] = (),
        limit: int = 50,
        cursor: str | None = None,
    ) -> tuple[list[PipelineRun], str | None]:
        """Newest first, and the cursor of the next page."""

    def task_runs(self, run_id: str, task_id: str | None = None) -> list[TaskRun]:
        """In the graph's order of tasks; of one task alone if it is named."""

    def task_run(self, task_run_id: str) -> TaskRun: ...

    def attempts(self, run_id: str, task_id: str | None = None) -> list[Attempt]:
        """Oldest first."""

    def attempt(self, attempt_id: str) -> Attempt: ...

    def outputs(self, task_run_ids: Sequence[str]) -> dict[str, TaskOutputs]:
        """By task run id, following ``cached_from``."""

    def latest(
        self, pipeline: str, binding: Latest, *, other_than_digest: str | None, before_run: str
    ) -> ArtifactRecord | None:
        """What a :class:`~millrace.core.graph.Latest` binding resolves to for a run queued as ``before_run``."""

    def request_cancel(self, run_id: str, *, now: int) -> PipelineRun:
        """Mark it; the scheduler that holds it acts. A queued run is cancelled at once. ConflictError if it has
        ended."""

    def cancel_requests(self, run_ids: Sequence[str]) -> list[str]:
        """Which of these runs were asked to cancel."""

    def cached(self, key: str) -> CacheEntry | None:
        """The entry whose outputs are all live, else None."""

    def cache_entries(self, pipeline: str, task_id: str, *, limit: int) -> list[CacheEntry]:
        """The entries of a task, newest first, to explain a miss against."""

    def events(self, run_id: str, after: int = 0) -> list[RunEvent]: ...

    def last_event(self, run_id: str) -> int:
        """The newest event's ``seq``; 0 when there is none."""

    def wakes_at(self) -> int | None:
        """The earliest end of a lease on an unfinished run, or None."""


class ArtifactIndex(Protocol):
    """Artifacts and lineage, in the database."""

    def artifact(self, artifact_id: str) -> ArtifactRecord: ...

    def artifacts(
        self,
        *,
        run_id: str | None = None,
        task_id: str | None = None,
        type: str | None = None,
        limit: int = 100,
        cursor: str | None = None,
    ) -> tuple[list[ArtifactRecord], str | None]:
        """Newest first, live ones."""

    def uses_of(self, artifact_id: str) -> list[ArtifactUse]:
        """Who read it."""

    def used_by(self, attempt_id: str) -> list[ArtifactUse]:
        """What it read."""


class TrackingStore(Protocol):
    """Experiments and runs by MLflow's rules: params immutable, metric history append-only, a latest value per key.

    Errors carry MLflow's codes through their class: NotFoundError -> RESOURCE_DOES_NOT_EXIST, ConflictError ->
    RESOURCE_ALREADY_EXISTS, UsageError -> INVALID_PARAMETER_VALUE.
    """

    def create_experiment(
        self, name: str, *, artifact_location: str | None = None, tags: Mapping[str, str] | None = None
    ) -> Experiment: ...

    def experiment(self, experiment_id: str) -> Experiment: ...

    def experiment_by_name(self, name: str) -> Experiment | None: ...

    def experiments(self) -> list[Experiment]: ...

    def create_run(
        self,
        experiment_id: str,
        *,
        run_name: str = "",
        start_time: int,
        user_id: str = "",
        tags: Mapping[str, str] | None = None,
        task_run_id: str | None = None,
    ) -> TrackingRun: ...

    def update_run(
        self,
        run_id: str,
        *,
        status: str | None = None,
        end_time: int | None = None,
        run_name: str | None = None,
    ) -> TrackingRun: ...

    def tracking_run(self, run_id: str) -> TrackingRun: ...

    def tracking_runs(
        self, *, experiment_id: str | None = None, task_run_ids: Sequence[str] | None = None, limit: int = 100
    ) -> list[TrackingRun]:
        """Newest first, active ones."""

    def log_batch(
        self,
        run_id: str,
        *,
        metrics: Sequence[Metric] = (),
        params: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """All or nothing, in one transaction."""

    def metric_history(self, run_id: str, key: str) -> list[Metric]: ...


class RegistryStore(Protocol):
    """Registered models, immutable versions 1..n never reused, aliases."""

    def create_registered_model(
        self, name: str, *, description: str = "", tags: Mapping[str, str] | None = None
    ) -> RegisteredModel: ...

    def registered_model(self, name: str) -> RegisteredModel: ...

    def registered_models(self) -> list[RegisteredModel]: ...

    def create_model_version(
        self,
        name: str,
        source: str,
        *,
        run_id: str | None = None,
        artifact_id: str | None = None,
        description: str = "",
        tags: Mapping[str, str] | None = None,
    ) -> ModelVersion:
        """The registered model is made if it is not there."""

    def model_version(self, name: str, version: int) -> ModelVersion: ...

    def model_versions(self, name: str) -> list[ModelVersion]:
        """Newest first."""

    def model_version_by_alias(self, name: str, alias: str) -> ModelVersion: ...

    def set_alias(self, name: str, alias: str, version: int) -> None: ...

    def delete_alias(self, name: str, alias: str) -> None: ...


class ArtifactStore(Protocol):
    """Bytes, by URI, below one root: a folder or any fsspec URL. A half-written artifact is never visible."""

    @property
    def root(self) -> str: ...

    def publish(self, local: Path, uri: str) -> tuple[str, int]:
        """Move (or upload) a finished local file or folder to ``uri`` atomically. Its digest (``sha256:<hex>``) and
        size in bytes.

        The digest of a folder is that of the sorted list of relative paths with the digests of their files.
        """

    def staging(self, uri: str) -> Path:
        """A fresh local path, on the same file system where possible, to write an output before :meth:`publish`."""

    def fetch(self, uri: str) -> Path:
        """A local path to read: the folder itself for a local store, a cached copy otherwise. StorageError if it is
        gone."""

    def exists(self, uri: str) -> bool: ...

    def verify(self, uri: str, digest: str) -> None:
        """ArtifactCorrupt when the bytes have another digest."""

    def delete(self, uri: str) -> None: ...

    def uris(self) -> Iterator[str]:
        """Every published attempt folder, for the sweeper and the checker of invariants."""


class LogStore(Protocol):
    """One text log per attempt, appended line by line while it runs."""

    def append(self, attempt_id: str, lines: Iterable[str]) -> None: ...

    def read(self, attempt_id: str, *, after: int = 0) -> tuple[str, int]:
        """Text from byte ``after`` (whole lines, some megabytes at most), and the offset to go on from."""


# --- running attempts --------------------------------------------------------------------------------------------


class Executor(Protocol):
    """Runs attempts and reports them. It decides nothing.

    For each launch exactly one end report (succeeded, failed, skipped) is sent, whatever happens to the worker;
    before it
    at most one ``started``. Reports may come from any thread.
    """

    name: str

    def start(self, report: Callable[[Sequence[AttemptReport]], None]) -> None: ...

    def slots(self) -> int:
        """How many more launches it takes now. The scheduler asks before it commits a launch."""

    def submit(self, launches: Sequence[Launch]) -> None: ...

    def stop(self, attempt_id: str, reason: str) -> None:
        """Kill it (SIGTERM, then SIGKILL); the end report says ``cancelled`` and ``reason``. Unknown ids are
        ignored."""

    def pump(self) -> bool:
        """For executors that run in the scheduler's own thread: run one submitted attempt. False if there was none."""

    def close(self) -> None:
        """Stop everything and leave no process behind."""


class TaskServices(Protocol):
    """What a running task may ask of the platform. One call is one message, over a pipe or in process.

    The verbs are the methods of :class:`TrackingStore` and :class:`RegistryStore` that tasks may use, plus
    ``artifacts.latest``; the list is in ``operations.task_services`` and everything else is refused.
    """

    def call(self, verb: str, arguments: Mapping[str, Json]) -> Json:
        """The verb's answer. Errors of the verb are raised here as the same classes."""

    def send(self, verb: str, arguments: Mapping[str, Json]) -> None:
        """Without waiting for an answer; an error ends the attempt. All sent before an attempt's end are done
        before its end counts."""


@attrs.define
class TaskContext:
    """The attempt that is running in this thread or coroutine. ``tracking_run_id`` is set when it first logs."""

    launch: Launch
    services: TaskServices
    tracking_run_id: str | None = None


task_context: contextvars.ContextVar[TaskContext | None] = contextvars.ContextVar("millrace_task", default=None)
"""The one token for "what is running here"; None outside a task."""


@attrs.frozen
class LoadedTask:
    """One task of a loaded pipeline as the worker calls it: inputs by name in, return value out."""

    call: Callable[..., Json]
    output_parameters: Mapping[str, type]
    """Parameters that are outputs (``Output[Model]``) and the artifact class to make."""
    input_artifacts: Mapping[str, type]
    """Parameters that are artifacts and the class to make."""
    returns: Mapping[str, type | None]
    """Outputs that come by return (one named ``return_value`` or the fields of a NamedTuple); the artifact class,
    None for a value."""


class CodeLoader(Protocol):
    """Loads the code of a pipeline version in this process (a worker, a replay, an in-process run)."""

    def load(self, launch: Launch) -> LoadedTask:
        """The task's callable. Raises what the user's module raises when it does not import."""

    def function(self, code: str) -> Callable[..., Json]:
        """The function that ``module:qualname`` names in the loaded project or in an installed package."""


S = TypeVar("S")
R = TypeVar("R")


class ShardRunner(Protocol):
    """Maps a function over shards: on local threads or processes, or a cluster. Results in the order of the shards."""

    def map(self, function: Callable[[S], R], shards: Sequence[S]) -> Iterator[R]: ...


# --- the verbs people call -----------------------------------------------------------------------------------------


class Operations(Protocol):
    """What the command line, the server's routes and ``.run()`` call. Implemented over the stores
    (``operations.LocalOperations``) and over HTTP (``client.HttpOperations``); answers are plain JSON documents of
    ``/api/v1``."""

    def pipelines(self) -> list[Json]: ...

    def pipeline(self, name: str) -> Json: ...

    def import_failures(self) -> list[Json]: ...

    def set_paused(self, name: str, *, paused: bool) -> Json: ...

    def trigger(self, pipeline: str, params: Mapping[str, Json]) -> Json:
        """The new run. ParameterError names unknown, missing and wrongly typed parameters."""

    def wait(self, run_id: str, timeout: float) -> Json:
        """The run, as soon as it has ended or after ``timeout`` seconds."""

    def runs(self, *, pipeline: str | None, state: str | None, limit: int, cursor: str | None) -> Json: ...

    def run(self, run_id: str) -> Json:
        """With every task run: state, attempts, queued, start and end times."""

    def cancel(self, run_id: str) -> Json: ...

    def task_run(self, run_id: str, task_id: str) -> Json:
        """With attempts, inputs, outputs."""

    def log(self, run_id: str, task_id: str, *, number: int | None, after: int) -> Json:
        """``{"text", "offset", "ended"}``."""

    def events(self, run_id: str, after: int) -> list[Json]: ...

    def artifacts(
        self, *, run_id: str | None, task_id: str | None, type: str | None, limit: int, cursor: str | None
    ) -> Json: ...

    def artifact(self, artifact_id: str) -> Json: ...

    def lineage(self, artifact_id: str, *, depth: int) -> Json:
        """``{"nodes", "edges"}`` both ways."""

    def experiments(self) -> list[Json]: ...

    def tracking_runs(self, experiment_id: str, limit: int) -> list[Json]: ...

    def registered_models(self) -> list[Json]: ...

    def registered_model(self, name: str) -> Json:
        """With its versions."""

    def health(self) -> Json: ...
