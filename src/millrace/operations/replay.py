"""Replay: one task of any past run again, here, with its exact inputs and code. The past run is not touched."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType

import attrs

from millrace.core.attempts import AttemptReport, Launch, ResolvedArtifact, ResolvedInput, WrittenOutput
from millrace.core.errors import ConflictError, NotFoundError, TaskFailure
from millrace.core.graph import TaskSpec
from millrace.core.records import Attempt, PipelineRun, PipelineVersion, TaskOutputs, TaskRun
from millrace.core.states import TaskState
from millrace.core.types import Json
from millrace.interfaces import ArtifactIndex, ArtifactStore, Clock, CodeLoader, ExecutionStore, Ids, PipelineStore
from millrace.scheduler.inputs import Missing, RunView, as_resolved, resolve_inputs
from millrace.worker.attempt import run_attempt

Debugger = Callable[[TracebackType], None]
"""Called with the traceback where user code raised."""


@attrs.frozen
class ReplayedOutput:
    """``same``: whether it equals what the past run gave; None when that gave nothing to compare with."""

    name: str
    shown: str
    same: bool | None


@attrs.frozen
class ReplayResult:
    run_id: str
    task_id: str
    version: str
    event: str
    """succeeded, failed or skipped."""
    reason: str
    detail: str
    seconds: float
    outputs: tuple[ReplayedOutput, ...]
    logged: Mapping[str, Json]
    """What it logged to tracking: metrics, params, tags. A replay logs nothing for others to see."""

    def to_json(self) -> Json:
        return {**attrs.asdict(self), "outputs": [attrs.asdict(o) for o in self.outputs]}


@attrs.frozen
class Replayer:
    """Reads from the stores; writes to a temporary folder that is gone afterwards."""

    pipelines: PipelineStore
    execution: ExecutionStore
    index: ArtifactIndex
    artifacts: ArtifactStore
    scratch: Callable[[Path], ArtifactStore]
    """An artifact store in a folder."""
    loader: CodeLoader
    clock: Clock
    ids: Ids

    def replay(self, run_id: str, task_id: str, debugger: Debugger | None = None) -> ReplayResult:
        """Run ``task_id`` of run ``run_id`` again. ConflictError when its inputs never existed or are gone."""
        run = self.execution.run(run_id)
        version = self.pipelines.version(run.version)
        spec = version.graph.by_id.get(task_id)
        if spec is None:
            raise NotFoundError("task", task_id, version.graph.by_id, where=f"run {run.run_id}")
        task_run = self._origin(run, task_id)
        origin = self.execution.run(task_run.run_id)
        version = self.pipelines.version(origin.version)
        inputs = self._inputs(origin, version, spec, task_run)
        started = self.clock.now()
        folder = Path(tempfile.mkdtemp(prefix="millrace-replay-"))
        try:
            services = _RecordedServices()
            report = run_attempt(
                self._launch(origin, version, spec, inputs, folder),
                loader=self.loader,
                artifacts=_Overlay(self.artifacts, self.scratch(folder)),
                services=services,
                clock=self.clock,
                guard=lambda _at: _stop_in(debugger),
            )
            outputs = self._compare(task_run, report)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        seconds = (report.at - (report.started_at or started)) / 1_000_000
        return ReplayResult(
            run_id=run.run_id,
            task_id=task_id,
            version=origin.version,
            event=report.event,
            reason=report.reason,
            detail=report.detail,
            seconds=seconds,
            outputs=outputs,
            logged=services.logged,
        )

    def _origin(self, run: PipelineRun, task_id: str) -> TaskRun:
        """The task run that really ran: the one that a cached one was taken from."""
        found = next(iter(self.execution.task_runs(run.run_id, task_id)), None)
        if found is None:
            raise ConflictError(f"run {run.run_id} never started, so task {task_id!r} has nothing to replay")
        return found if found.cached_from is None else self.execution.task_run(found.cached_from)

    def _inputs(
        self, run: PipelineRun, version: PipelineVersion, spec: TaskSpec, task_run: TaskRun
    ) -> dict[str, ResolvedInput]:
        spec = version.graph.by_id[task_run.task_id]
        task_runs = self.execution.task_runs(run.run_id)
        done = {t.task_run_id: t.task_id for t in task_runs if t.state is TaskState.SUCCESS}
        given = self.execution.outputs(list(done))
        outputs = {task_id: given.get(task_run_id, TaskOutputs()) for task_run_id, task_id in done.items()}
        resolved = resolve_inputs(spec, RunView(run, outputs), self.execution)
        if isinstance(resolved, Missing):
            raise ConflictError(f"task {spec.task_id!r} of run {run.run_id} cannot be replayed: {resolved.reason}")
        return self._as_recorded(resolved, task_run)

    def _as_recorded(self, resolved: dict[str, ResolvedInput], task_run: TaskRun) -> dict[str, ResolvedInput]:
        """Artifacts exactly as the newest attempt read them, checked byte for byte."""
        attempts = self.execution.attempts(task_run.run_id, task_run.task_id)
        recorded = self._recorded(attempts)
        exact = {}
        for name, given in resolved.items():
            artifacts = recorded.get(name, given.artifacts) if attempts else given.artifacts
            for artifact in artifacts:
                self.artifacts.verify(artifact.uri, artifact.digest)
            exact[name] = attrs.evolve(given, artifacts=artifacts)
        if attempts:
            optional = [n for n, g in exact.items() if g.artifacts and n not in recorded]
            for name in optional:  # resolved today, but the attempt did not have it
                del exact[name]
        return exact

    def _recorded(self, attempts: Sequence[Attempt]) -> dict[str, tuple[ResolvedArtifact, ...]]:
        recorded: dict[str, tuple[ResolvedArtifact, ...]] = {}
        if attempts:
            for use in self.index.used_by(attempts[-1].attempt_id):
                record = as_resolved(self.index.artifact(use.artifact_id))
                recorded[use.name] = (*recorded.get(use.name, ()), record)
        return recorded

    def _launch(
        self,
        run: PipelineRun,
        version: PipelineVersion,
        spec: TaskSpec,
        inputs: Mapping[str, ResolvedInput],
        folder: Path,
    ) -> Launch:
        return Launch(
            attempt_id=self.ids.new(),
            token=1,
            task_run_id="",
            run_id=run.run_id,
            pipeline=run.pipeline,
            task_id=spec.task_id,
            number=1,
            code=version.code,
            inputs=inputs,
            output_uri=str(folder / "outputs"),
            params=run.params,
            logical_date=run.logical_date,
            data_interval_start=run.data_interval_start,
            data_interval_end=run.data_interval_end,
        )

    def _compare(self, task_run: TaskRun, report: AttemptReport) -> tuple[ReplayedOutput, ...]:
        before = self.execution.outputs([task_run.task_run_id]).get(task_run.task_run_id, TaskOutputs())
        return tuple(_compared(output, before) for output in report.outputs)


def _compared(output: WrittenOutput, before: TaskOutputs) -> ReplayedOutput:
    if output.kind == "value":
        same = before.values[output.name] == output.value if output.name in before.values else None
        return ReplayedOutput(output.name, repr(output.value), same)
    past = before.artifacts.get(output.name)
    return ReplayedOutput(
        output.name, f"{output.type} {output.digest[:19]}", None if past is None else past.digest == output.digest
    )


@contextlib.contextmanager
def _stop_in(debugger: Debugger | None) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        if debugger is not None and error.__traceback__ is not None:
            debugger(error.__traceback__)
        raise


class _RecordedServices:
    """Keeps what the task logs; refuses what others would see."""

    def __init__(self) -> None:
        self.logged: dict[str, dict[str, Json]] = {"metrics": {}, "params": {}, "tags": {}}

    def call(self, verb: str, arguments: Mapping[str, Json]) -> Json:
        if verb == "tracking.log_batch":
            for metric in arguments.get("metrics") or ():
                self.logged["metrics"][metric["key"]] = metric["value"]
            self.logged["params"].update(arguments.get("params") or {})
            self.logged["tags"].update(arguments.get("tags") or {})
            return {"run_id": "0" * 32}
        if verb.startswith("tracking."):
            return {"run_id": "0" * 32}
        raise TaskFailure(f"a replay does not call {verb}: it would change what others see")

    def send(self, verb: str, arguments: Mapping[str, Json]) -> None:
        self.call(verb, arguments)


class _Overlay:
    """Reads from the real store, writes to the scratch one."""

    def __init__(self, real: ArtifactStore, scratch: ArtifactStore) -> None:
        self._real = real
        self._scratch = scratch
        self.root = scratch.root
        self.staging = scratch.staging
        self.publish: Callable[[Path, str], tuple[str, int]] = scratch.publish
        self.delete = scratch.delete
        self.fetch: Callable[[str], Path] = real.fetch
        self.exists: Callable[[str], bool] = real.exists
        self.verify = real.verify
        self.uris = real.uris


__all__ = ["Debugger", "ReplayResult", "ReplayedOutput", "Replayer"]
