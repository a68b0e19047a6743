"""The state of one pipeline run while it is under way: what the machine reads and moves.

Mutable on purpose (100,000 task runs must not be copied per event), but moved by :mod:`millrace.core.machine` only.
Each task run holds counts of its direct upstreams' states, so deciding about it never looks at them again.
"""

from __future__ import annotations

from collections.abc import Iterable

from millrace.core.graph import Graph
from millrace.core.records import TaskRun
from millrace.core.states import RunState, TaskState


class TaskProgress:
    """One task run. ``tries`` counts attempts that count; ``token`` is that of the newest attempt of all."""

    __slots__ = (
        "cached_from",
        "done",
        "due_at",
        "ended_at",
        "failed",
        "queued_at",
        "reason",
        "skipped",
        "started_at",
        "state",
        "succeeded",
        "token",
        "tries",
        "upstream_failed",
    )

    def __init__(self) -> None:
        self.state = TaskState.NONE
        self.tries = 0
        self.token = 0
        self.done = 0
        self.succeeded = 0
        self.failed = 0
        self.skipped = 0
        self.upstream_failed = 0
        self.queued_at: int | None = None
        self.started_at: int | None = None
        self.ended_at: int | None = None
        self.due_at: int | None = None
        self.reason = ""
        self.cached_from: str | None = None

    def count(self, state: TaskState) -> None:
        """A direct upstream has ended in ``state``."""
        self.done += 1
        if state is TaskState.SUCCESS:
            self.succeeded += 1
        elif state is TaskState.FAILED:
            self.failed += 1
        elif state is TaskState.SKIPPED:
            self.skipped += 1
        elif state is TaskState.UPSTREAM_FAILED:
            self.upstream_failed += 1


class RunProgress:
    """One pipeline run: its graph, its tasks by place, and what has changed since the shell last asked."""

    __slots__ = (
        "active",
        "changed",
        "ending",
        "ending_reason",
        "graph",
        "reason",
        "state",
        "tasks",
        "topology",
        "unfinished",
    )

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.topology = graph.topology
        self.tasks = [TaskProgress() for _ in graph.tasks]
        self.state = RunState.QUEUED
        self.reason = ""
        self.unfinished = len(self.tasks)
        self.active = 0
        """Attempts that may be alive: launched and not reported ended."""
        self.ending: RunState | None = None
        """Set when the run is being stopped: the state to end in once nothing is alive."""
        self.ending_reason = ""
        self.changed: set[int] = set()

    def take_changed(self) -> list[int]:
        """Places of the tasks that moved since the last call, in order."""
        places = sorted(self.changed)
        self.changed.clear()
        return places

    def task_run(self, place: int, *, run_id: str, task_run_id: str) -> TaskRun:
        """The task run at ``place`` as a record; what :meth:`restore` takes."""
        task = self.tasks[place]
        return TaskRun(
            task_run_id=task_run_id,
            run_id=run_id,
            task_id=self.graph.tasks[place].task_id,
            state=task.state,
            tries=task.tries,
            token=task.token,
            queued_at=task.queued_at,
            started_at=task.started_at,
            ended_at=task.ended_at,
            due_at=task.due_at,
            reason=task.reason,
            cached_from=task.cached_from,
        )

    @classmethod
    def restore(cls, graph: Graph, state: RunState, task_runs: Iterable[TaskRun]) -> RunProgress:
        """The progress that stored task runs stand for. Counts are derived, so they cannot disagree with the states."""
        run = cls(graph)
        run.state = state
        places = graph.positions
        for stored in task_runs:
            place = places[stored.task_id]
            task = run.tasks[place]
            task.state = stored.state
            task.tries = stored.tries
            task.token = stored.token
            task.queued_at = stored.queued_at
            task.started_at = stored.started_at
            task.ended_at = stored.ended_at
            task.due_at = stored.due_at
            task.reason = stored.reason
            task.cached_from = stored.cached_from
            if stored.state.ended:
                run.unfinished -= 1
                for down in run.topology.downstream[place]:
                    run.tasks[down].count(stored.state)
            elif stored.state in (TaskState.QUEUED, TaskState.RUNNING):
                run.active += 1
        return run
