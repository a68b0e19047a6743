"""``latest(...)``: the newest artifact that an earlier run of the same pipeline wrote."""

from __future__ import annotations

from typing import Any

from millrace.authoring.handles import OutputHandle, PendingLatest, TaskHandle
from millrace.authoring.source_lines import caller
from millrace.core.errors import GraphError
from millrace.core.graph import OutputRef


def latest(of: Any, *, where: Any = None, flag: str = "", other_than: Any = None) -> Any:
    """For an optional artifact input: the newest ``of`` from an earlier run of this pipeline, or None if there is none.

    ``of`` and ``where`` are outputs of tasks of this pipeline: a handle, or ``"Trainer.model"``, which may also name a
    task that is written further down, or the task itself. They make no dependency: earlier runs are over.

    Without ``where``, only runs that succeeded count. With it, only runs in which that output carries a true ``flag``
    in its metadata: ``latest("Trainer.model", where="Evaluator.blessing", flag="blessed")``.

    ``other_than`` is an output of this run, and a dependency: runs that wrote the same bytes there do not count.
    """
    line = str(caller())
    different = None if other_than is None else _output(other_than, "other_than", line)
    if isinstance(different, str):
        raise GraphError(
            f"other_than={different!r} of latest(...) must be an output of this run",
            where=line,
            remedy="Pass the handle that the task's call returned.",
        )
    condition = None if where is None else _output(where, "where", line)
    return PendingLatest(_output(of, "of", line), condition, flag, different)


def _output(value: Any, name: str, line: str) -> str | OutputRef:
    if isinstance(value, str):
        return value
    if isinstance(value, TaskHandle):
        value = value.output
    if isinstance(value, OutputHandle):
        return value.binding
    raise GraphError(
        f"{name} of latest(...) is a {type(value).__name__}",
        where=line,
        remedy="Name an output of a task: a handle, or a string such as 'Trainer.model'.",
    )
