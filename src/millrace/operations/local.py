"""``LocalOperations``: every verb over the stores of this installation."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping

import attrs

from millrace.core.errors import ConflictError, NotFoundError, UsageError, did_you_mean
from millrace.core.parameters import bind_parameters
from millrace.core.records import Attempt, PipelineRun, TaskRun
from millrace.core.states import RunState
from millrace.core.types import Json
from millrace.interfaces import (
    ArtifactIndex,
    Clock,
    ExecutionStore,
    Ids,
    LogStore,
    Notifier,
    PipelineStore,
    RegistryStore,
    TrackingStore,
)
from millrace.operations.documents import (
    artifact_document,
    event_document,
    experiment_document,
    import_failure_document,
    model_version_document,
    outputs_document,
    parameters_document,
    pipeline_document,
    registered_model_document,
    run_document,
    task_run_document,
    tracking_run_document,
)
from millrace.operations.lineage import LineageWalk
from millrace.operations.manual_runs import manual_run

NET_SECONDS = 0.5
"""A waiter looks again after this long even without a notification."""


@attrs.frozen
class OperationsParts:
    """``health`` says how the parts of this process are; None where no server runs."""

    pipelines: PipelineStore
    execution: ExecutionStore
    index: ArtifactIndex
    tracking: TrackingStore
    registry: RegistryStore
    logs: LogStore
    notifier: Notifier
    clock: Clock
    ids: Ids
    health: Callable[[], Json] | None = None


class LocalOperations:
    """Implements :class:`millrace.interfaces.Operations`."""

    def __init__(self, parts: OperationsParts) -> None:
        self._parts = parts
        self._changed = threading.Condition()
        self._changes = 0
        self._listening = False

    # --- pipelines ----------------------------------------------------------------------------------------------------

    def pipelines(self) -> list[Json]:
        return [pipeline_document(p) for p in self._parts.pipelines.pipelines()]

    def pipeline(self, name: str) -> Json:
        pipeline = self._parts.pipelines.pipeline(name)
        graph = self._parts.pipelines.version(pipeline.version).graph
        return {**pipeline_document(pipeline), "graph": graph.to_json(), "parameters": parameters_document(graph)}

    def import_failures(self) -> list[Json]:
        return [import_failure_document(f) for f in self._parts.pipelines.import_failures()]

    def set_paused(self, name: str, *, paused: bool) -> Json:
        changed = self._parts.pipelines.set_paused(name, paused=paused, now=self._parts.clock.now())
        self._parts.notifier.notify()
        return pipeline_document(changed)

    # --- runs ---------------------------------------------------------------------------------------------------------

    def trigger(self, pipeline: str, params: Mapping[str, Json]) -> Json:
        found = self._parts.pipelines.pipeline(pipeline)
        version = self._parts.pipelines.version(found.version)
        run = manual_run(
            version, bind_parameters(version.graph, params), self._parts.ids.new(), self._parts.clock.now()
        )
        created = self._parts.execution.create_run(run)
        self._parts.notifier.notify()
        return run_document(created)

    def wait(self, run_id: str, timeout: float) -> Json:
        self._listen()
        deadline = time.monotonic() + timeout
        while True:
            with self._changed:
                seen = self._changes
            run = self._parts.execution.run(run_id)
            left = deadline - time.monotonic()
            if run.state.ended or left <= 0:
                return run_document(run)
            with self._changed:
                if self._changes == seen:
                    self._changed.wait(min(left, NET_SECONDS))

    def runs(self, *, pipeline: str | None, state: str | None, limit: int, cursor: str | None) -> Json:
        states: tuple[RunState, ...] = ()
        if state is not None:
            try:
                states = (RunState(state),)
            except ValueError:
                raise UsageError(
                    f"no run state {state!r}", remedy=did_you_mean(state, [s.value for s in RunState])
                ) from None
        found, following = self._parts.execution.runs(pipeline=pipeline, states=states, limit=limit, cursor=cursor)
        return {"items": [run_document(r) for r in found], "next_cursor": following}

    def run(self, run_id: str) -> Json:
        run = self._parts.execution.run(run_id)
        graph = self._parts.pipelines.version(run.version).graph
        attempts: dict[str, list[Attempt]] = defaultdict(list)
        for attempt in self._parts.execution.attempts(run.run_id):
            attempts[attempt.task_id].append(attempt)
        tasks = [
            task_run_document(t, graph.by_id[t.task_id], attempts[t.task_id])
            for t in self._parts.execution.task_runs(run.run_id)
        ]
        return {**run_document(run), "tasks": tasks}

    def cancel(self, run_id: str) -> Json:
        run = self._parts.execution.run(run_id)
        cancelled = self._parts.execution.request_cancel(run.run_id, now=self._parts.clock.now())
        self._parts.notifier.notify()
        return run_document(cancelled)

    def events(self, run_id: str, after: int) -> list[Json]:
        run = self._parts.execution.run(run_id)
        return [event_document(e) for e in self._parts.execution.events(run.run_id, after)]

    # --- task runs ----------------------------------------------------------------------------------------------------

    def task_run(self, run_id: str, task_id: str) -> Json:
        run, task_run = self._find(run_id, task_id)
        execution = self._parts.execution
        graph = self._parts.pipelines.version(run.version).graph
        attempts = execution.attempts(run.run_id, task_id)
        outputs = execution.outputs([task_run.task_run_id]).get(task_run.task_run_id)
        read: dict[str, list[Json]] = defaultdict(list)
        if attempts:
            for use in self._parts.index.used_by(attempts[-1].attempt_id):
                read[use.name].append(artifact_document(self._parts.index.artifact(use.artifact_id)))
        tracked = self._parts.tracking.tracking_runs(task_run_ids=[task_run.cached_from or task_run.task_run_id])
        return {
            **task_run_document(task_run, graph.by_id[task_id], attempts),
            "inputs": dict(read),
            "outputs": {} if outputs is None else outputs_document(outputs),
            "tracking_runs": [tracking_run_document(r) for r in tracked],
        }

    def log(self, run_id: str, task_id: str, *, number: int | None, after: int) -> Json:
        run, task_run = self._find(run_id, task_id)
        attempts = self._parts.execution.attempts(run.run_id, task_id)
        chosen = [a for a in attempts if number is None or a.number == number]
        if number is not None and not chosen:
            raise NotFoundError("attempt", str(number), [str(a.number) for a in attempts], where=f"task {task_id!r}")
        if not chosen:
            return {"text": "", "offset": 0, "ended": task_run.state.ended}
        attempt = chosen[-1]
        text, offset = self._parts.logs.read(attempt.attempt_id, after=after)
        return {"text": text, "offset": offset, "ended": attempt.state.ended and not text}

    def _find(self, run_id: str, task_id: str) -> tuple[PipelineRun, TaskRun]:
        run = self._parts.execution.run(run_id)
        found = self._parts.execution.task_runs(run.run_id, task_id)
        if not found:
            known = [t.task_id for t in self._parts.pipelines.version(run.version).graph.tasks]
            if task_id in known:
                raise ConflictError(f"run {run.run_id} has not started yet, so task {task_id!r} has no state")
            raise NotFoundError("task", task_id, known, where=f"run {run.run_id} of pipeline {run.pipeline!r}")
        return run, found[0]

    # --- artifacts ----------------------------------------------------------------------------------------------------

    def artifacts(
        self, *, run_id: str | None, task_id: str | None, type: str | None, limit: int, cursor: str | None
    ) -> Json:
        run = None if run_id is None else self._parts.execution.run(run_id).run_id
        found, following = self._parts.index.artifacts(
            run_id=run, task_id=task_id, type=type, limit=limit, cursor=cursor
        )
        return {"items": [artifact_document(a) for a in found], "next_cursor": following}

    def artifact(self, artifact_id: str) -> Json:
        return artifact_document(self._parts.index.artifact(artifact_id))

    def lineage(self, artifact_id: str, *, depth: int) -> Json:
        return LineageWalk(self._parts.index, self._parts.execution).walk(artifact_id, depth)

    # --- tracking and registry ----------------------------------------------------------------------------------------

    def experiments(self) -> list[Json]:
        return [experiment_document(e) for e in self._parts.tracking.experiments()]

    def tracking_runs(self, experiment_id: str, limit: int) -> list[Json]:
        self._parts.tracking.experiment(experiment_id)
        found = self._parts.tracking.tracking_runs(experiment_id=experiment_id, limit=limit)
        return [tracking_run_document(r) for r in found]

    def registered_models(self) -> list[Json]:
        return [registered_model_document(m) for m in self._parts.registry.registered_models()]

    def registered_model(self, name: str) -> Json:
        document = registered_model_document(self._parts.registry.registered_model(name))
        document["versions"] = [model_version_document(v) for v in self._parts.registry.model_versions(name)]
        return document

    # --- the process --------------------------------------------------------------------------------------------------

    def health(self) -> Json:
        if self._parts.health is None:
            raise ConflictError("no server runs here", remedy="Start one with: millrace up")
        return self._parts.health()

    def _listen(self) -> None:
        with self._changed:
            if self._listening:
                return
            self._listening = True
        self._parts.notifier.listen(self._on_change)

    def _on_change(self) -> None:
        with self._changed:
            self._changes += 1
            self._changed.notify_all()
