"""The tasks of a pipeline under construction, and which pipeline is being constructed.

Invariant: a task that could be added is right as far as one task can tell (``check_task``); what needs the whole
graph is checked when it is complete.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from typing import Any

import attrs

from millrace.authoring.arguments import bind_arguments
from millrace.authoring.function_interface import Interface
from millrace.authoring.function_names import code_of
from millrace.authoring.handles import Argument, Node, PendingLatest
from millrace.authoring.options import TaskOptions
from millrace.authoring.source_lines import caller
from millrace.core.errors import GraphError, did_you_mean
from millrace.core.graph import Binding, Latest, OutputRef, SourceLine, TaskSpec, references
from millrace.core.graph_check import check_task

current_body: ContextVar[PipelineBody | None] = ContextVar("millrace_current_body", default=None)
"""The pipeline that tasks are being added to; None outside."""


@attrs.frozen
class TaskDefinition:
    """What is known of a task before it stands in a pipeline."""

    component: str
    function: Callable[..., Any]
    interface: Interface
    options: TaskOptions
    cached_by_default: bool = False


class PipelineBody:
    """The tasks of one pipeline, in the order in which they were written."""

    def __init__(self, defaults: TaskOptions, *, cache: bool | None) -> None:
        self._defaults, self._cache = defaults, cache
        self.nodes: dict[str, Node] = {}
        self._cached: dict[str, bool] = {}
        self._places: dict[str, int] = {}
        self._numbers: dict[str, int] = {}

    def add(
        self, definition: TaskDefinition, args: Sequence[Any], kwargs: Mapping[str, Any], *, numbered: bool
    ) -> Node:
        """A task more. ``numbered``: a taken id gets ``__1``, ``__2`` ...; otherwise it is an error."""
        line = caller()
        task_id = definition.options.task_id or definition.component
        if task_id in self.nodes:
            if not numbered:
                raise GraphError(
                    f"there is a task {task_id!r} already, at {self.nodes[task_id].line}",
                    where=str(line),
                    remedy="Give each its own task_id.",
                )
            task_id = self._next_id(task_id)
        node = Node(
            task_id=task_id,
            component=definition.component,
            function=definition.function,
            interface=definition.interface,
            options=definition.options.over(self._defaults),
            line=line,
            body=self,
        )
        bind_arguments(node, args, kwargs)
        self._cached[task_id] = definition.cached_by_default if self._cache is None else self._cache
        pending = Latest(OutputRef("", ""))  # found out when all tasks are there
        bindings = {n: pending if isinstance(a, PendingLatest) else a for n, a in node.arguments.items()}
        check_task(self._spec(node, bindings), str(line))
        self._places[task_id] = len(self.nodes)
        self.nodes[task_id] = node
        return node

    @property
    def revision(self) -> tuple[int, int]:
        """Another one whenever a task or a dependency was added."""
        return len(self.nodes), sum(len(n.upstream) for n in self.nodes.values())

    def tasks(self) -> tuple[TaskSpec, ...]:
        """The finished specs. Upstream tasks stand in the order of the tasks, so that of ``>>`` lines is nothing."""
        return tuple(
            self._spec(n, {k: self._settled(n, a) for k, a in n.arguments.items()}) for n in self.nodes.values()
        )

    def lines(self) -> dict[str, SourceLine]:
        return {name: node.line for name, node in self.nodes.items()}

    def _next_id(self, base: str) -> str:
        number = self._numbers.get(base, 0) + 1
        while f"{base}__{number}" in self.nodes:
            number += 1
        self._numbers[base] = number
        return f"{base}__{number}"

    def _spec(self, node: Node, bindings: Mapping[str, Binding]) -> TaskSpec:
        where, options = str(node.line), node.options
        waits = {r.task for b in bindings.values() for r in references(b)} | set(node.upstream)
        places = self._places
        return TaskSpec(
            task_id=node.task_id,
            component=node.component,
            code=code_of(node.function),
            inputs=node.interface.inputs,
            outputs=node.interface.outputs,
            bindings=dict(bindings),
            upstream=tuple(sorted(waits, key=lambda name: places.get(name, len(places)))),
            trigger_rule=str(options.trigger_rule or "all_success"),
            retry=options.retry(where),
            execution_timeout=options.timeout(where),
            cache=self._cached[node.task_id] if options.cache is None else bool(options.cache),
            environment=options.distributions(where),
            doc=options.doc or "",
        )

    def _settled(self, node: Node, argument: Argument) -> Binding:
        if not isinstance(argument, PendingLatest):
            return argument
        of = self._reference(argument.of, node)
        where = None if argument.where is None else self._reference(argument.where, node)
        return Latest(of, where=where, flag=argument.flag, other_than=argument.other_than)

    def _reference(self, named: str | OutputRef, node: Node) -> OutputRef:
        """``"task.output"``, or ``"task"`` when it has one output; task ids may hold dots themselves."""
        if isinstance(named, OutputRef):
            return named
        task_id, _, output = named.rpartition(".")
        if named in self.nodes:
            only = self.nodes[named].only_output()
            return only.binding
        if task_id not in self.nodes:
            raise GraphError(
                f"latest({named!r}) of task {node.task_id} names a task that is not in the pipeline",
                where=str(node.line),
                remedy=did_you_mean(task_id or named, self.nodes),
            )
        return OutputRef(task_id, output)
