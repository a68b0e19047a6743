"""What a graph must satisfy before anything may run it.

Invariant: a graph that passes :func:`check` names only tasks, outputs, inputs and parameters that exist, gives every
required input, exchanges only types that fit, and has no cycle. Every error is a GraphError that carries the line of
the user's file (``Graph.source_lines``) and what was probably meant. Pure: the same graph gives the same answer, so it
serves graphs from Python files and from documents alike.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping

from millrace.core.errors import CycleError, GraphError, did_you_mean
from millrace.core.graph import (
    Binding,
    Constant,
    FunctionRef,
    Gathered,
    Graph,
    InputSpec,
    Latest,
    OutputRef,
    OutputSpec,
    ParameterRef,
    TaskSpec,
    references,
)
from millrace.core.rules.trigger_rule import TRIGGER_RULES
from millrace.core.types import Artifact, Json, ValueType

_NAME = re.compile(r"[\w.\-]{1,250}", re.ASCII)
_ALSO_FITS = {
    (ValueType.INT, ValueType.FLOAT),
    (ValueType.STR, ValueType.PATH),
    (ValueType.PATH, ValueType.STR),
}
_PIPELINE_NAME_RULE = "Letters, digits, underscore, dash and dot, at most 250 characters."


def check(graph: Graph) -> None:
    """GraphError (CycleError) at the first thing that is wrong."""
    _check_pipeline(graph)
    _check_unique(graph)
    for task in graph.tasks:
        where = graph.where(task.task_id)
        check_task(task, where)
        _check_upstream(graph, task, where)
        for spec in task.inputs:
            if spec.name in task.bindings:
                _Fit(graph, task, spec, where).check(task.bindings[spec.name])
    cycle = find_cycle({t.task_id: t.upstream for t in graph.tasks})
    if cycle:
        path = " -> ".join([*cycle, cycle[0]])
        raise CycleError(
            f"the tasks of pipeline {graph.name!r} wait for one another in a circle: {path}",
            where=graph.where(cycle[0]),
            remedy="Take one of these dependencies away.",
        )


def check_task(task: TaskSpec, where: str | None = None) -> None:
    """What can be said of one task alone: its name, rule and numbers, unknown and missing inputs, constants."""
    check_name("task", task.task_id, where)
    if task.trigger_rule not in TRIGGER_RULES:
        raise GraphError(
            f"task {task.task_id} has the trigger rule {task.trigger_rule!r}, which does not exist",
            where=where,
            remedy=did_you_mean(task.trigger_rule, TRIGGER_RULES),
        )
    retry = task.retry
    for what, number in (
        ("retries", retry.retries),
        ("retry_delay", retry.delay),
        ("max_retry_delay", retry.max_delay),
    ):
        if number < 0:
            raise GraphError(f"{what} of task {task.task_id} is negative", where=where)
    if task.execution_timeout is not None and task.execution_timeout <= 0:
        raise GraphError(f"execution_timeout of task {task.task_id} must be more than zero", where=where)
    _check_repeated(f"task {task.task_id} has two inputs", (i.name for i in task.inputs), where)
    _check_repeated(f"task {task.task_id} has two outputs", (o.name for o in task.outputs), where)
    _check_arguments(task, where)


def check_name(noun: str, name: str, where: str | None = None) -> None:
    """GraphError unless ``name`` may name a task or a pipeline."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise GraphError(f"{name!r} is not a valid {noun} name", where=where, remedy=_PIPELINE_NAME_RULE)


def find_cycle(upstream: Mapping[str, tuple[str, ...]]) -> list[str]:
    """Names along one cycle, each the upstream of the next, the first written first; or an empty list.

    Names that are not keys count as ended.
    """
    left = {name: sum(u in upstream for u in dict.fromkeys(ups)) for name, ups in upstream.items()}
    downstream: dict[str, list[str]] = {name: [] for name in upstream}
    for name, ups in upstream.items():
        for u in dict.fromkeys(ups):
            if u in downstream:
                downstream[u].append(name)
    ready = [name for name, count in left.items() if count == 0]
    while ready:
        for name in downstream[ready.pop()]:
            left[name] -= 1
            if left[name] == 0:
                ready.append(name)
    # What is left waits for something that is left: walking upstream must come back.
    stuck = {name for name, count in left.items() if count > 0}
    if not stuck:
        return []
    walked: dict[str, int] = {}
    path: list[str] = []
    at = next(name for name in upstream if name in stuck)
    while at not in walked:
        walked[at] = len(path)
        path.append(at)
        at = next(u for u in upstream[at] if u in stuck)
    cycle = path[walked[at] :][::-1]
    members = set(cycle)
    first = cycle.index(next(name for name in upstream if name in members))
    return cycle[first:] + cycle[:first]


def _check_pipeline(graph: Graph) -> None:
    where = graph.where()
    check_name("pipeline", graph.name, where)
    if graph.max_active_runs < 1:
        raise GraphError(f"max_active_runs of pipeline {graph.name!r} must be at least 1", where=where)
    if graph.run_timeout is not None and graph.run_timeout <= 0:
        raise GraphError(f"run_timeout of pipeline {graph.name!r} must be more than zero", where=where)
    _check_repeated(f"pipeline {graph.name!r} has two parameters", (p.name for p in graph.parameters), where)
    for parameter in graph.parameters:
        fitting = parameter.required or parameter.default is None or parameter.type.accepts(parameter.default)
        if not fitting:
            raise GraphError(
                f"parameter {parameter.name!r} is {parameter.type.article} and its default is {parameter.default!r}",
                where=where,
                remedy="Change the annotation or the default.",
            )
        if parameter.required and graph.schedule is not None:
            raise GraphError(
                f"parameter {parameter.name!r} of pipeline {graph.name!r} has no default, and a schedule gives none",
                where=where,
                remedy=f"Give {parameter.name} a default, or take the schedule away.",
            )


def _check_unique(graph: Graph) -> None:
    seen: dict[str, int] = {}
    for place, task in enumerate(graph.tasks):
        if task.task_id in seen:
            raise GraphError(
                f"pipeline {graph.name!r} has two tasks called {task.task_id!r}",
                where=graph.where(task.task_id),
                remedy="Give each its own task_id.",
            )
        seen[task.task_id] = place


def _check_repeated(what: str, names: Iterable[str], where: str | None) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise GraphError(f"{what} called {name!r}", where=where)
        seen.add(name)


def _check_arguments(task: TaskSpec, where: str | None) -> None:
    known = [i.name for i in task.inputs]
    for name in task.bindings:
        if name not in known:
            remedy = did_you_mean(name, known) or "It takes no inputs."
            raise GraphError(f"task {task.task_id} has no input {name!r}", where=where, remedy=remedy)
    for spec in task.inputs:
        binding = task.bindings.get(spec.name)
        if binding is None and not spec.optional:
            raise GraphError(
                f"task {task.task_id} lacks its input {spec.name!r}",
                where=where,
                remedy=f"Pass {spec.name}=..., {_taken(spec)}.",
            )
        if isinstance(binding, Constant):
            _check_constant(task, spec, binding.value, where)


def _check_constant(task: TaskSpec, spec: InputSpec, value: Json, where: str | None) -> None:
    if value is None and spec.optional and spec.default is None:
        return
    what = f"task {task.task_id} takes {_taken(spec)} for {spec.name!r}, not {shortened(value)}"
    if spec.kind == "value":
        if not value_type(spec.type).accepts(value):
            raise GraphError(what, where=where, remedy=f"Change the value, or the annotation of {spec.name!r}.")
        return
    remedy = "Pass the output of a task." if spec.kind == "artifact" else "Pass a function of a module."
    raise GraphError(what, where=where, remedy=remedy)


def _check_upstream(graph: Graph, task: TaskSpec, where: str | None) -> None:
    known = graph.by_id
    for name in task.upstream:
        if name not in known:
            raise GraphError(
                f"task {task.task_id} waits for task {name!r}, which is not in pipeline {graph.name!r}",
                where=where,
                remedy=did_you_mean(name, known),
            )
    for name, binding in task.bindings.items():
        for reference in references(binding):
            if reference.task in known and reference.task not in task.upstream:
                raise GraphError(
                    f"task {task.task_id} reads {reference.task}.{reference.output} for {name!r} "
                    "and does not wait for that task",
                    where=where,
                    remedy=f"Add {reference.task!r} to its upstream tasks.",
                )


class _Fit:
    """Whether a binding exists and gives what one input takes."""

    def __init__(self, graph: Graph, task: TaskSpec, spec: InputSpec, where: str | None) -> None:
        self.graph, self.task, self.spec, self.where = graph, task, spec, where

    def check(self, binding: Binding) -> None:
        match binding:
            case Constant():
                pass  # check_task looked at it: it needs no graph
            case ParameterRef(name):
                self._parameter(name)
            case OutputRef():
                self._one_output(binding)
            case Gathered(items):
                self._gathered(items)
            case Latest():
                self._latest(binding)
            case FunctionRef(code):
                self._function(code)

    def _one_output(self, ref: OutputRef) -> None:
        output = self._output(ref)
        if self.spec.many:
            raise self._mismatch(f"the single output {ref.task}.{ref.output}", remedy="Pass a list: [...].")
        self._accept(output, f"{ref.task}.{ref.output}")

    def _accept(self, output: OutputSpec, source: str) -> None:
        given = _given(output)
        if output.kind != self.spec.kind:
            raise self._mismatch(f"{given} of {source}", remedy=_other_kind(self.spec))
        if output.kind == "artifact":
            if self.spec.type not in (output.lineage or (output.type,)):
                raise self._mismatch(f"{given} of {source}", remedy=_wrong_artifact(self.spec, output))
        elif not fits(value_type(output.type), value_type(self.spec.type)):
            raise self._mismatch(f"{given} of {source}", remedy="Change one of the two annotations.")

    def _parameter(self, name: str) -> None:
        parameter = next((p for p in self.graph.parameters if p.name == name), None)
        if parameter is None:
            known = [p.name for p in self.graph.parameters]
            raise GraphError(
                f"task {self.task.task_id} reads the parameter {name!r}, which pipeline {self.graph.name!r} lacks",
                where=self.where,
                remedy=did_you_mean(name, known),
            )
        source = f"the parameter {name!r}"
        if self.spec.kind != "value":
            raise self._mismatch(source, remedy="A parameter of a run is a plain value; read the file in a task.")
        if not fits(parameter.type, value_type(self.spec.type)):
            raise self._mismatch(
                f"{source}, which is {parameter.type.article}", remedy="Change one of the two annotations."
            )

    def _gathered(self, items: tuple[Binding, ...]) -> None:
        if self.spec.kind == "value":
            if value_type(self.spec.type) not in (ValueType.LIST, ValueType.JSON):
                raise self._mismatch("a list", remedy=f"Annotate {self.spec.name!r} as a list.")
            element = InputSpec(self.spec.name, "value", ValueType.JSON, optional=True)
        elif self.spec.many:
            element = InputSpec(self.spec.name, self.spec.kind, self.spec.type)
        else:
            raise self._mismatch(
                "a list", remedy=f"Annotate {self.spec.name!r} as list[{self.spec.type}], or pass one."
            )
        fit = _Fit(self.graph, self.task, element, self.where)
        for item in items:
            if isinstance(item, Constant):
                _check_constant(self.task, element, item.value, self.where)
            fit.check(item)

    def _latest(self, binding: Latest) -> None:
        name = self.spec.name
        if not self.spec.optional:
            raise GraphError(
                f"input {name!r} of task {self.task.task_id} takes the latest {binding.of.task}.{binding.of.output}, "
                "and the first run has none",
                where=self.where,
                remedy=f"Annotate it as optional: {name}: {self.spec.type} | None = None",
            )
        if (binding.where is None) != (not binding.flag):
            raise GraphError(
                f"the latest(...) for {name!r} of task {self.task.task_id} needs both `where` and `flag`, or neither",
                where=self.where,
            )
        for ref in (binding.of, binding.where, binding.other_than):
            if ref is not None and self._output(ref).kind != "artifact":
                raise GraphError(
                    f"latest(...) for {name!r} of task {self.task.task_id} names {ref.task}.{ref.output}, "
                    "which is a plain value",
                    where=self.where,
                    remedy="Name an artifact output.",
                )
        self._accept(self._output(binding.of), f"{binding.of.task}.{binding.of.output}")

    def _function(self, code: str) -> None:
        if self.spec.kind != "function":
            raise self._mismatch(f"the function {code}", remedy="Annotate the parameter as Callable to take one.")

    def _output(self, ref: OutputRef) -> OutputSpec:
        task = self.graph.by_id.get(ref.task)
        if task is None:
            raise GraphError(
                f"input {self.spec.name!r} of task {self.task.task_id} names task {ref.task!r}, "
                f"which is not in pipeline {self.graph.name!r}",
                where=self.where,
                remedy=did_you_mean(ref.task, self.graph.by_id),
            )
        output = task.output(ref.output)
        if output is None:
            raise GraphError(
                f"input {self.spec.name!r} of task {self.task.task_id} names output {ref.output!r}, "
                f"which task {ref.task} lacks",
                where=self.where,
                remedy=did_you_mean(ref.output, (o.name for o in task.outputs)) or f"{ref.task} has no outputs.",
            )
        return output

    def _mismatch(self, given: str, remedy: str | None = None) -> GraphError:
        return GraphError(
            f"task {self.task.task_id} takes {_taken(self.spec)} for {self.spec.name!r}, not {given}",
            where=self.where,
            remedy=remedy,
        )


def fits(given: ValueType, taken: ValueType) -> bool:
    """Whether a value of type ``given`` may be passed where ``taken`` is declared."""
    return given is taken or ValueType.JSON in (given, taken) or (given, taken) in _ALSO_FITS


def value_type(name: str) -> ValueType:
    """The ValueType of a name in a graph; GraphError for a name that is none."""
    try:
        return ValueType(name)
    except ValueError:
        remedy = did_you_mean(name, (t.value for t in ValueType))
        raise GraphError(f"there is no value type {name!r}", remedy=remedy) from None


def shortened(value: Json) -> str:
    """``value`` in at most some 60 characters, for a message."""
    text = json.dumps(value, ensure_ascii=False, default=repr)
    return text if len(text) <= 60 else text[:57] + "..."


def _taken(spec: InputSpec) -> str:
    if spec.kind == "function":
        return "a function"
    if spec.kind == "artifact":
        return f"a list of {spec.type} artifacts" if spec.many else f"{_with_article(spec.type)} artifact"
    return value_type(spec.type).article


def _given(output: OutputSpec) -> str:
    if output.kind == "artifact":
        return f"the {output.type} artifact"
    return f"the value ({value_type(output.type).article})"


def _with_article(noun: str) -> str:
    return f"{'an' if noun[:1].lower() in 'aeiou' else 'a'} {noun}"


def _other_kind(spec: InputSpec) -> str:
    if spec.kind == "artifact":
        return "An artifact input takes an artifact output: annotate the output with an artifact class."
    if spec.kind == "function":
        return "Pass a function of a module."
    return f"To read an artifact, annotate {spec.name!r} with its class, for example Dataset."


def _wrong_artifact(spec: InputSpec, output: OutputSpec) -> str:
    if spec.type == Artifact.type_name:
        return "Change one of the two annotations."
    lineage = ", ".join(output.lineage[1:]) or "no other type"
    return f"{output.type} is also {lineage}, and none of these is {spec.type}."
