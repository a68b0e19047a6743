"""Inputs that come from an earlier run of the pipeline because their component says so.

Invariant: what the pipeline's author passes wins, None included; what cannot be told from the task's own arguments
is left out, and the input keeps its default.
"""

from __future__ import annotations

from millrace.authoring.handles import Node
from millrace.core.graph import Latest, OutputRef
from millrace.core.types import FromEarlierRun


def earlier_runs(node: Node) -> dict[str, Latest]:
    """The bindings of the inputs that are annotated with `FromEarlierRun` and for which nothing was passed."""
    found = {}
    for name, source in node.interface.earlier_runs.items():
        binding = None if name in node.arguments else _binding(node, source)
        if binding is not None:
            found[name] = binding
    return found


def _binding(node: Node, source: FromEarlierRun) -> Latest | None:
    of = _output(node, source.of)
    where = None if source.where is None else _output(node, source.where)
    other_than = None if source.other_than is None else _output(node, source.other_than)
    unknown = (source.where is not None and where is None) or (source.other_than is not None and other_than is None)
    if of is None or unknown:
        return None
    return Latest(of, where=where, flag=source.flag, other_than=other_than)


def _output(node: Node, name: str) -> OutputRef | None:
    """The task's own output of that name, or the output that is bound to its input of that name."""
    if any(output.name == name for output in node.interface.outputs):
        return OutputRef(node.task_id, name)
    given = node.arguments.get(name)
    return given if isinstance(given, OutputRef) else None
