"""From bindings to what a task reads: values, artifacts and functions, resolved when every upstream has ended."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from millrace.core.attempts import ResolvedArtifact, ResolvedInput
from millrace.core.graph import Binding, Constant, FunctionRef, Gathered, InputSpec, Latest, OutputRef, ParameterRef
from millrace.core.graph import TaskSpec as Task
from millrace.core.records import ArtifactRecord, PipelineRun, TaskOutputs
from millrace.core.types import Value
from millrace.interfaces import ExecutionStore


@attrs.frozen
class Missing:
    """An input that cannot be had, and why."""

    reason: str


@attrs.frozen
class RunView:
    """What inputs are resolved against: the run's parameters and what its tasks have given so far."""

    run: PipelineRun
    outputs: Mapping[str, TaskOutputs]
    """Task id -> outputs, of the tasks that ended in success."""


def resolve_inputs(task: Task, view: RunView, store: ExecutionStore) -> dict[str, ResolvedInput] | Missing:
    """Every input of ``task`` by name. An optional input that is not there is left out: its default applies."""
    resolved, missing = resolve_known(task, view, store)
    for name, reason in missing.items():
        return Missing(f"input {name!r} {reason}")
    return resolved


def resolve_known(task: Task, view: RunView, store: ExecutionStore) -> tuple[dict[str, ResolvedInput], dict[str, str]]:
    """What can be resolved, and why each needed input that cannot be is missing."""
    resolved: dict[str, ResolvedInput] = {}
    missing: dict[str, str] = {}
    for spec in task.inputs:
        binding = task.bindings.get(spec.name)
        if binding is None:
            continue
        found = _resolve(binding, spec, view, store)
        if not isinstance(found, Missing):
            resolved[spec.name] = found
        elif not spec.optional:
            missing[spec.name] = found.reason
    return resolved, missing


def _resolve(binding: Binding, spec: InputSpec, view: RunView, store: ExecutionStore) -> ResolvedInput | Missing:
    match binding:
        case Constant(value):
            return ResolvedInput("value", value)
        case ParameterRef(name):
            return ResolvedInput("value", view.run.params.get(name))
        case OutputRef():
            return _output(binding, view)
        case FunctionRef(code):
            return ResolvedInput("function", code)
        case Gathered():
            return _gathered(binding, spec, view, store)
        case Latest():
            return _latest(binding, view, store)


def _output(ref: OutputRef, view: RunView) -> ResolvedInput | Missing:
    given = view.outputs.get(ref.task)
    if given is None:
        return Missing(f"needs output {ref.output!r} of task {ref.task!r}, which did not succeed")
    if ref.output in given.values:
        return ResolvedInput("value", given.values[ref.output])
    artifact = given.artifacts.get(ref.output)
    if artifact is None:
        return Missing(f"needs output {ref.output!r} of task {ref.task!r}, which did not give it")
    kind = "value" if artifact.type == Value.type_name else "artifact"
    return ResolvedInput(kind, None, (as_resolved(artifact),))


def _gathered(binding: Gathered, spec: InputSpec, view: RunView, store: ExecutionStore) -> ResolvedInput | Missing:
    parts: list[ResolvedInput] = []
    for item in binding.items:
        part = _resolve(item, spec, view, store)
        if isinstance(part, Missing):
            return part
        parts.append(part)
    artifacts = tuple(a for p in parts for a in p.artifacts)
    if artifacts and spec.kind == "value":
        return Missing("gathers values of which one is larger than 64 KiB; pass it as an artifact")
    if artifacts:
        return ResolvedInput("artifact", None, artifacts, many=True)
    return ResolvedInput("value", [p.value for p in parts], many=True)


def _latest(binding: Latest, view: RunView, store: ExecutionStore) -> ResolvedInput | Missing:
    digest: str | None = None
    if binding.other_than is not None:
        present = _output(binding.other_than, view)
        if isinstance(present, Missing):
            return present
        digest = present.artifacts[0].digest if present.artifacts else None
    found = store.latest(view.run.pipeline, binding, other_than_digest=digest, before_run=view.run.run_id)
    if found is None:
        return Missing(
            f"needs {binding.of.output!r} of task {binding.of.task!r} from an earlier run, and there is none"
        )
    return ResolvedInput("artifact", None, (as_resolved(found),))


def as_resolved(artifact: ArtifactRecord) -> ResolvedArtifact:
    return ResolvedArtifact(artifact.artifact_id, artifact.type, artifact.uri, artifact.digest, artifact.metadata)
