"""What a pipeline function holds while the graph is built: handles to tasks, outputs and parameters.

Invariant: a handle has no value. Whatever would need one (a comparison, arithmetic, an f-string, a loop) is refused
with the line and the remedy, because the answer would silently be that of the handle object.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NoReturn, TypeAlias

import attrs

from millrace.authoring.function_interface import Interface
from millrace.authoring.options import TaskOptions
from millrace.authoring.source_lines import caller
from millrace.core.errors import GraphError, did_you_mean
from millrace.core.graph import Binding, OutputRef, ParameterRef, SourceLine


class UnknownOutput(GraphError, AttributeError):
    """An attribute of a handle that is no output; an AttributeError too, so that ``hasattr`` works."""


@attrs.frozen
class PendingLatest:
    """``latest(...)`` before every task is known. A string stands for ``"task.output"`` or ``"task"``."""

    of: str | OutputRef
    where: str | OutputRef | None
    flag: str
    other_than: OutputRef | None


Argument: TypeAlias = Binding | PendingLatest


@attrs.define(eq=False)
class Node:
    """One task of a pipeline under construction."""

    task_id: str
    component: str
    function: Callable[..., Any]
    interface: Interface
    options: TaskOptions
    line: SourceLine
    body: object
    """The pipeline body it stands in, by identity."""
    arguments: dict[str, Argument] = attrs.field(factory=dict)
    upstream: dict[str, None] = attrs.field(factory=dict)
    functions: dict[str, Callable[..., Any]] = attrs.field(factory=dict)
    """The functions passed as arguments, by ``module:qualname``."""

    def output(self, name: str) -> OutputHandle:
        known = [o.name for o in self.interface.outputs]
        if name in known:
            return OutputHandle(self, name)
        raise UnknownOutput(
            f"task {self.task_id} has no output {name!r}",
            where=str(caller()),
            remedy=did_you_mean(name, known) or "It has no outputs.",
        )

    def only_output(self) -> OutputHandle:
        names = [o.name for o in self.interface.outputs]
        if len(names) == 1:
            return OutputHandle(self, names[0])
        listed = ", ".join(names) or "none"
        raise GraphError(
            f"task {self.task_id} is used as one output, and its outputs are: {listed}",
            where=str(caller()),
            remedy=f"Say which, for example .outputs[{names[0]!r}]." if names else "Return a value from it.",
        )

    def wait_for(self, other: Node) -> None:
        if other.body is not self.body:
            raise GraphError(
                f"task {self.task_id} cannot wait for task {other.task_id}, which stands in another pipeline",
                where=str(caller()),
            )
        self.upstream[other.task_id] = None


class Handle:
    """Whatever stands for a value that is not there yet."""

    def _what(self) -> str:
        raise NotImplementedError

    def _no_value(self, *_: Any) -> NoReturn:
        raise GraphError(
            f"{self._what()} has no value while the pipeline is being built",
            where=str(caller()),
            remedy="Pass it to a task and decide, compute or format there.",
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Handle):
            self._no_value()
        return self is other

    def __hash__(self) -> int:
        return id(self)

    def __iter__(self) -> Iterator[Any]:
        self._no_value()

    def __str__(self) -> str:  # noqa: PLE0307 - it never returns, on purpose
        self._no_value()

    def __format__(self, spec: str) -> str:
        self._no_value()

    __bool__ = __len__ = __int__ = __float__ = __index__ = _no_value
    __lt__ = __le__ = __gt__ = __ge__ = _no_value
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = _no_value
    __floordiv__ = __rfloordiv__ = __mod__ = __rmod__ = __pow__ = __rpow__ = __neg__ = __abs__ = _no_value
    __contains__ = _no_value


class ParameterHandle(Handle):
    """A parameter of the pipeline, inside its function."""

    def __init__(self, name: str, body: object) -> None:
        self._name, self._body = name, body

    @property
    def binding(self) -> ParameterRef:
        return ParameterRef(self._name)

    @property
    def body(self) -> object:
        return self._body

    def _what(self) -> str:
        return f"the parameter {self._name!r}"

    def __repr__(self) -> str:
        return f"<parameter {self._name}>"


class Ordered(Handle):
    """A handle that belongs to a task, so it can be put before or after others: ``a >> b``, ``a >> [b, c] >> d``."""

    _node: Node

    def __rshift__(self, other: Any) -> Any:
        for node in nodes_of(other):
            node.wait_for(self._node)
        return other

    def __lshift__(self, other: Any) -> Any:
        for node in nodes_of(other):
            self._node.wait_for(node)
        return other

    def __rrshift__(self, other: Any) -> Any:
        self.__lshift__(other)
        return self

    def __rlshift__(self, other: Any) -> Any:
        self.__rshift__(other)
        return self

    def set_downstream(self, other: Any) -> None:
        """``self >> other``."""
        self.__rshift__(other)

    def set_upstream(self, other: Any) -> None:
        """``self << other``."""
        self.__lshift__(other)


class OutputHandle(Ordered):
    """One output of a task."""

    def __init__(self, node: Node, name: str) -> None:
        self._node, self._name = node, name

    @property
    def binding(self) -> OutputRef:
        return OutputRef(self._node.task_id, self._name)

    @property
    def body(self) -> object:
        return self._node.body

    def _what(self) -> str:
        return f"output {self._name!r} of task {self._node.task_id}"

    def __repr__(self) -> str:
        return f"<output {self._node.task_id}.{self._name}>"


class TaskHandle(Ordered):
    """A task in a pipeline. ``handle.outputs["model"]``, ``handle.model`` and unpacking give its outputs.

    To mypy outputs are Any, since they are passed where the task that takes them declares what it will get.
    """

    def __init__(self, node: Node) -> None:
        self._node = node

    @property
    def task_id(self) -> str:
        return self._node.task_id

    @property
    def outputs(self) -> Mapping[str, Any]:
        return _Outputs({o.name: OutputHandle(self._node, o.name) for o in self._node.interface.outputs}, self._node)

    @property
    def output(self) -> Any:
        """The only output; GraphError naming them if there are several."""
        return self._node.only_output()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return self._node.output(name)

    def __getitem__(self, name: str) -> Any:
        if not isinstance(name, str):
            self._no_value()
        return self._node.output(name)

    def __iter__(self) -> Iterator[Any]:
        if len(self._node.interface.outputs) < 2:
            self._no_value()
        return iter(self.outputs.values())

    def _what(self) -> str:
        return f"the result of task {self._node.task_id}"

    def __repr__(self) -> str:
        return f"<task {self._node.task_id}>"


class _Outputs(dict[str, OutputHandle]):
    """The outputs of a task by name; a wrong name is an error with near matches."""

    def __init__(self, items: Mapping[str, OutputHandle], node: Node) -> None:
        super().__init__(items)
        self._node = node

    def __missing__(self, name: str) -> OutputHandle:
        return self._node.output(name)


def nodes_of(value: Any) -> Iterable[Node]:
    """The tasks that stand on one side of ``>>``: one handle, or a list of them."""
    if isinstance(value, Ordered):
        return [value._node]  # noqa: SLF001 - the module's own class
    if isinstance(value, list | tuple):
        return [node for item in value for node in nodes_of(item)]
    what = "the function itself" if callable(value) else f"{type(value).__name__}"
    raise GraphError(
        f"`>>` and `<<` take tasks and lists of tasks, not {what}",
        where=str(caller()),
        remedy="Call the task: name()." if callable(value) else None,
    )
