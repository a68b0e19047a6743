"""The plan: before running, which steps will come from the cache, and for each that will not, what changed."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from millrace.core.cache_key import CacheKey, Change, explain
from millrace.core.graph import TaskSpec, references
from millrace.core.records import PipelineVersion, TaskOutputs
from millrace.core.types import Json
from millrace.interfaces import Clock, ExecutionStore, Ids
from millrace.operations.manual_runs import manual_run
from millrace.scheduler.cache_keys import SourceDigest, cache_key
from millrace.scheduler.inputs import RunView, resolve_known

COMPARED = 20
"""Latest results of a task that a miss is explained against."""


@attrs.frozen
class PlannedTask:
    """``verdict``: cached, runs, or unknown (it depends on what a step that runs will give)."""

    task_id: str
    component: str
    verdict: str
    because: tuple[str, ...]
    cached_from: str | None = None


@attrs.frozen
class Plan:
    pipeline: str
    version: str
    params: Mapping[str, Json]
    tasks: tuple[PlannedTask, ...]

    def to_json(self) -> Json:
        return {
            "pipeline": self.pipeline,
            "version": self.version,
            "params": dict(self.params),
            "tasks": [{**attrs.asdict(t), "because": list(t.because)} for t in self.tasks],
        }


@attrs.frozen
class Planner:
    """Looks into the store; writes nothing."""

    execution: ExecutionStore
    clock: Clock
    ids: Ids
    source_digest: SourceDigest

    def plan(self, version: PipelineVersion, params: Mapping[str, Json]) -> Plan:
        """The plan of a run of ``version`` with ``params`` (bound) if it were started now."""
        run = manual_run(version, params, self.ids.new(), self.clock.now())
        outputs: dict[str, TaskOutputs] = {}
        planned = {}
        for task in in_order(version.graph.tasks):
            planned[task.task_id] = self._plan(task, version, RunView(run, outputs), outputs)
        tasks = tuple(planned[t.task_id] for t in version.graph.tasks)
        return Plan(version.graph.name, version.version, dict(params), tasks)

    def _plan(
        self, task: TaskSpec, version: PipelineVersion, view: RunView, outputs: dict[str, TaskOutputs]
    ) -> PlannedTask:
        if not task.cache:
            return PlannedTask(task.task_id, task.component, "runs", ("its cache is off",))
        resolved, missing = resolve_known(task, view, self.execution)
        key = cache_key(task, version, resolved, self.source_digest)
        if not missing:
            entry = self.execution.cached(key.key)
            if entry is not None:
                outputs[task.task_id] = self.execution.outputs([entry.task_run_id])[entry.task_run_id]
                return PlannedTask(task.task_id, task.component, "cached", (), entry.task_run_id)
        unknown = _unknown_inputs(task, outputs)
        changes = self._least_changes(version.graph.name, task.task_id, key, unknown)
        if changes is None:
            return PlannedTask(task.task_id, task.component, "runs", ("it has not succeeded before",))
        if changes:
            return PlannedTask(task.task_id, task.component, "runs", tuple(c.sentence() for c in changes))
        if unknown:
            return PlannedTask(task.task_id, task.component, "unknown", (_depends(_runs_above(task, outputs)),))
        because = next(iter(missing.values()), "what it gave was deleted")
        return PlannedTask(task.task_id, task.component, "runs", (because,))

    def _least_changes(
        self, pipeline: str, task_id: str, key: CacheKey, unknown: frozenset[str]
    ) -> list[Change] | None:
        """What differs from the most similar of the task's latest results; None if there is none.

        The most similar rather than the latest: after runs with C=1 and C=2, a change of the code under C=1 is a change
        of the code, not of C.
        """
        least: list[Change] | None = None
        for entry in self.execution.cache_entries(pipeline, task_id, limit=COMPARED):
            changes = [c for c in explain(CacheKey.from_json(entry.parts), key) if not _from_above(c, unknown)]
            if least is None or len(changes) < len(least):
                least = changes
        return least


def in_order(tasks: tuple[TaskSpec, ...]) -> list[TaskSpec]:
    """Every task after its upstreams."""
    by_id = {t.task_id: t for t in tasks}
    ordered: dict[str, TaskSpec] = {}
    stack = [t.task_id for t in reversed(tasks)]
    while stack:
        task = by_id[stack[-1]]
        waiting = [u for u in task.upstream if u not in ordered]
        if waiting:
            stack.extend(waiting)
            continue
        stack.pop()
        ordered[task.task_id] = task
    return list(ordered.values())


def _unknown_inputs(task: TaskSpec, outputs: Mapping[str, TaskOutputs]) -> frozenset[str]:
    """The inputs that come from tasks which will run: nobody knows yet what they will be."""
    return frozenset(
        name for name, binding in task.bindings.items() if any(r.task not in outputs for r in references(binding))
    )


def _from_above(change: Change, unknown: frozenset[str]) -> bool:
    """Whether the change is only that an input is not known yet."""
    return change.name in unknown and change.part in ("input", "parameter")


def _runs_above(task: TaskSpec, outputs: Mapping[str, TaskOutputs]) -> list[str]:
    needed = [ref.task for binding in task.bindings.values() for ref in references(binding)]
    return sorted({name for name in needed if name not in outputs})


def _depends(above: list[str]) -> str:
    names = " and ".join(above)
    return f"depends on {names}: cached if {'they give' if len(above) > 1 else 'it gives'} the same content as before"
