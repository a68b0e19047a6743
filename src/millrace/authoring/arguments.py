"""From what is passed to a task in a pipeline to the bindings of its inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from millrace.authoring.constants import constant
from millrace.authoring.earlier_runs import earlier_runs
from millrace.authoring.function_names import importable_code_of
from millrace.authoring.handles import Argument, Handle, Node, OutputHandle, ParameterHandle, PendingLatest, TaskHandle
from millrace.core.errors import GraphError
from millrace.core.graph import Constant, FunctionRef, Gathered, InputSpec
from millrace.core.types import Artifact


def bind_arguments(node: Node, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
    """Fill ``node.arguments`` from a call; unknown, missing and wrongly typed ones are left to the graph's checks."""
    interface = node.interface
    given = _by_name(node, args, kwargs)
    for name in given:
        if name in interface.output_parameters:
            raise GraphError(
                f"{name!r} is an output of task {node.task_id}: it is made for it, not passed to it",
                where=str(node.line),
                remedy=f"Leave it out, and read it as .outputs[{name!r}] of the call.",
            )
    inputs = {spec.name: spec for spec in interface.inputs}
    for name, value in {**interface.default_functions, **given}.items():
        if name not in inputs and interface.takes_any_keyword:
            node.interface = interface = interface.with_keyword(name)
            inputs[name] = interface.inputs[-1]
        node.arguments[name] = _Argument(node, name, inputs.get(name)).of(value)
    node.arguments.update(earlier_runs(node))
    _check_required(node)


def _by_name(node: Node, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    interface = node.interface
    names = interface.positional
    given: dict[str, Any] = dict(zip(names, args, strict=False))
    extra = args[len(names) :]
    if extra and not interface.variadic:
        raise GraphError(
            f"task {node.task_id} takes {_counted(len(names))} by position, and {len(args)} were given",
            where=str(node.line),
            remedy=f"It takes: {', '.join(i.name for i in interface.inputs) or 'nothing'}.",
        )
    if extra:
        given[interface.variadic] = list(extra)
    for name in kwargs:
        if name in given:
            raise GraphError(f"task {node.task_id} is given {name!r} twice", where=str(node.line))
    return {**given, **kwargs}


def _check_required(node: Node) -> None:
    """Inputs that Python needs though the graph could do without: ``x: int | None`` has no default."""
    for name in node.interface.nullable:
        if name not in node.arguments:
            raise GraphError(
                f"task {node.task_id} lacks its input {name!r}", where=str(node.line), remedy=f"Pass {name}=None."
            )


def _counted(count: int) -> str:
    return "no argument" if count == 0 else "one argument" if count == 1 else f"{count} arguments"


class _Argument:
    """One argument on its way to a binding."""

    def __init__(self, node: Node, name: str, spec: InputSpec | None) -> None:
        self.node, self.name, self.spec = node, name, spec
        self.where = str(node.line)
        self.what = f"{name!r} of task {node.task_id}"

    def of(self, value: Any) -> Argument:
        if isinstance(value, TaskHandle):
            value = value.output
        if isinstance(value, OutputHandle | ParameterHandle):
            self._check_same_pipeline(value)
            return value.binding
        if isinstance(value, PendingLatest):
            return value
        if isinstance(value, list | tuple) and (_holds_handles(value) or (not value and self._takes_many)):
            return Gathered(tuple(self._item(item) for item in value))
        if isinstance(value, dict) and _holds_handles(value):
            raise GraphError(
                f"{self.what} is a dict with an output of a task in it, which has no value yet",
                where=self.where,
                remedy="Pass that output as an argument of its own.",
            )
        if isinstance(value, Artifact):
            raise GraphError(
                f"{self.what} is a {type(value).__name__} made in the pipeline",
                where=self.where,
                remedy="Artifacts come from tasks: write one that returns it.",
            )
        if callable(value) and not isinstance(value, type):
            return self._function(value)
        return Constant(constant(value, self.what, self.where))

    @property
    def _takes_many(self) -> bool:
        return self.spec is not None and self.spec.many

    def _item(self, value: Any) -> Any:
        item = self.of(value)
        if isinstance(item, PendingLatest):
            raise GraphError(
                f"{self.what} is a list with latest(...) in it", where=self.where, remedy="Give it an input of its own."
            )
        return item

    def _function(self, value: Any) -> Argument:
        function = getattr(value, "__wrapped_task__", value)
        if self.spec is not None and self.spec.kind != "function":
            raise GraphError(
                f"{self.what} is a function, and the task takes {self.spec.type}",
                where=self.where,
                remedy=f"To pass its result, call it. To take a function, annotate {self.name!r} as Callable.",
            )
        code = importable_code_of(function, self.where)
        self.node.functions[code] = function
        return FunctionRef(code)

    def _check_same_pipeline(self, handle: OutputHandle | ParameterHandle) -> None:
        if handle.body is not self.node.body:
            raise GraphError(
                f"{self.what} comes from another pipeline: {handle!r}",
                where=self.where,
                remedy="Read what another pipeline wrote from where it was pushed or registered.",
            )


def _holds_handles(value: Any) -> bool:
    if isinstance(value, Handle | PendingLatest):
        return True
    if isinstance(value, dict):
        return any(_holds_handles(item) for item in value.values())
    return isinstance(value, list | tuple) and any(_holds_handles(item) for item in value)
