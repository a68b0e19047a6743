"""What ``.run()`` gives back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import attrs

from millrace.core.errors import MillraceError, NotFoundError, TaskFailure
from millrace.core.graph import Graph
from millrace.core.records import TaskOutputs, TaskRun
from millrace.core.states import RunState
from millrace.core.types import Artifact, Json


@attrs.frozen
class RunResult:
    """A run that has ended. ``document`` is the run as the API gives it."""

    document: Json
    task_runs: tuple[TaskRun, ...]
    outputs: Mapping[str, TaskOutputs]
    fetch: Callable[[str], Path] = attrs.field(repr=False)
    graph: Graph = attrs.field(repr=False)

    @property
    def run_id(self) -> str:
        return str(self.document["run_id"])

    @property
    def state(self) -> RunState:
        return RunState(self.document["state"])

    @property
    def ok(self) -> bool:
        return self.state is RunState.SUCCESS

    @property
    def tasks(self) -> dict[str, str]:
        """Task id -> state."""
        return {t.task_id: t.state.value for t in self.task_runs}

    def __getitem__(self, task_id: str) -> Json:
        """The only output of a task: its value, or an artifact with a local ``path``."""
        given = self._given(task_id)
        names = [*given.values, *given.artifacts]
        if len(names) != 1:
            raise MillraceError(
                f"task {task_id!r} gave {len(names)} outputs: {', '.join(names) or 'none'}",
                remedy=f"Name one: result.output({task_id!r}, NAME)",
            )
        return self.output(task_id, names[0])

    def output(self, task_id: str, name: str = "return_value") -> Json:
        """One output of a task by name."""
        given = self._given(task_id)
        if name in given.values:
            return given.values[name]
        artifact = given.artifacts.get(name)
        if artifact is None:
            known = [*given.values, *given.artifacts]
            raise NotFoundError("output", name, known, where=f"task {task_id!r}")
        return Artifact(
            self.fetch(artifact.uri),
            uri=artifact.uri,
            name=name,
            metadata=artifact.metadata,
            digest=artifact.digest,
            artifact_id=artifact.artifact_id,
        )

    def check(self) -> RunResult:
        """This result if the run succeeded; else TaskFailure with what failed and why."""
        if self.ok:
            return self
        reasons = [f"{t.task_id}: {t.reason}" for t in self.task_runs if t.state.value == "failed"]
        raise TaskFailure(f"run {self.run_id} {self.state}: {self.document['reason']}", remedy="\n  ".join(reasons))

    def _given(self, task_id: str) -> TaskOutputs:
        if task_id not in self.graph.by_id:
            raise NotFoundError("task", task_id, self.graph.by_id, where=f"pipeline {self.graph.name!r}")
        return self.outputs.get(task_id, TaskOutputs())
