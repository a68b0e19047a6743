"""Runs one attempt: the one implementation behind the in-process executor and the worker process.

Invariant: whatever user code does short of ending the process, :func:`run_attempt` returns a report of one end. It
raises nothing. User code runs inside ``guard`` only, so whoever interrupts it (a timer, a signal) never interrupts
the publication of its outputs.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager

from millrace.core.attempts import AttemptReport, FailureKind, Launch, WrittenOutput
from millrace.core.errors import FailWithoutRetry, ServiceError, SkipTask, StorageError
from millrace.core.types import Json
from millrace.interfaces import ArtifactStore, Clock, CodeLoader, TaskContext, TaskServices, task_context
from millrace.worker.inputs import arguments
from millrace.worker.outputs import Outputs
from millrace.worker.tracebacks import reason_of, user_traceback
from millrace.worker.usage import cpu_seconds, used_since

Guard = Callable[[int], AbstractContextManager[object]]
"""Entered around user code with the time of its start, epoch microseconds."""


def _unguarded(_started_at: int) -> AbstractContextManager[None]:
    return contextlib.nullcontext()


def run_attempt(
    launch: Launch,
    *,
    loader: CodeLoader,
    artifacts: ArtifactStore,
    services: TaskServices,
    clock: Clock,
    guard: Guard = _unguarded,
) -> AttemptReport:
    """Load, resolve, call, publish. The report's event is succeeded, failed or skipped."""
    attempt = _Attempt(launch, loader, artifacts, services, clock, guard)
    cpu_before = cpu_seconds()
    event = "failed"
    kind: FailureKind | None = None
    reason = detail = ""
    outputs: tuple[WrittenOutput, ...] = ()
    exit_code: int | None = None
    try:
        outputs = attempt.run()
        event = "succeeded"
    except SkipTask as skip:
        event, reason = "skipped", skip.message
    except BaseException as error:  # noqa: BLE001 -- user code may raise anything; each ends its own attempt only
        kind, exit_code = attempt.kind_of(error)
        reason, detail = _described(error, launch), user_traceback(error)
    if event != "succeeded":
        attempt.discard()
    return AttemptReport(
        attempt_id=launch.attempt_id,
        token=launch.token,
        run_id=launch.run_id,
        task_id=launch.task_id,
        event=event,
        at=clock.now(),
        kind=kind,
        reason=reason,
        detail=detail,
        exit_code=exit_code,
        outputs=outputs,
        usage=used_since(cpu_before),
        started_at=attempt.started_at,
    )


class _Attempt:
    def __init__(
        self,
        launch: Launch,
        loader: CodeLoader,
        artifacts: ArtifactStore,
        services: TaskServices,
        clock: Clock,
        guard: Guard,
    ) -> None:
        self._launch = launch
        self._loader = loader
        self._artifacts = artifacts
        self._services = services
        self._clock = clock
        self._guard = guard
        self._outputs: Outputs | None = None
        self._loaded = False
        self.started_at: int | None = None

    def run(self) -> tuple[WrittenOutput, ...]:
        launch = self._launch
        token = task_context.set(
            TaskContext(launch, self._services)
        )  # while loading too: a module may look what runs it
        try:
            task = self._loader.load(launch)
            self._loaded = True
            outputs = self._outputs = Outputs(launch, task, self._artifacts)
            given: Mapping[str, object] = arguments(launch, task.input_artifacts, self._loader, self._artifacts)
            written = outputs.parameters()
            returned = self._call(task.call, {**given, **written})
            published, numbers = outputs.collect(returned)
            if numbers:
                metrics = [{"key": key, "value": value} for key, value in numbers.items()]
                self._services.send("tracking.log_batch", {"metrics": metrics})
        finally:
            task_context.reset(token)
        outputs.remove_staging()
        return published

    def _call(self, call: Callable[..., Json], given: Mapping[str, object]) -> Json:
        self.started_at = self._clock.now()
        with self._guard(self.started_at):
            return call(**given)

    def discard(self) -> None:
        if self._outputs is not None:
            self._outputs.discard()

    def kind_of(self, error: BaseException) -> tuple[FailureKind, int | None]:
        if isinstance(error, SystemExit):
            return FailureKind.EXITED, _exit_code(error)
        if isinstance(error, KeyboardInterrupt):
            return FailureKind.CANCELLED, None
        if isinstance(error, MemoryError):
            return FailureKind.OUT_OF_MEMORY, None
        if isinstance(error, FailWithoutRetry):
            return FailureKind.NO_RETRY, None
        if not self._loaded and isinstance(error, StorageError | ServiceError):
            return FailureKind.NOT_STARTED, None  # the snapshot of the code could not be read
        return FailureKind.RAISED, None


def _exit_code(error: SystemExit) -> int:
    """As the operating system would give it on: its lowest eight bits."""
    return error.code & 0xFF if isinstance(error.code, int) else int(error.code is not None)


def _described(error: BaseException, launch: Launch) -> str:
    if isinstance(error, SystemExit):
        shown = str(_exit_code(error)) if isinstance(error.code, int) else ""
        if isinstance(error.code, str):
            shown = repr(error.code)
        return f"user code called sys.exit({shown}) before it returned"
    if isinstance(error, KeyboardInterrupt):
        return "interrupted from the keyboard"
    if isinstance(error, MemoryError):
        return "out of memory: " + reason_of(error, launch.code.root)
    return reason_of(error, launch.code.root)
