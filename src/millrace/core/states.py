"""States of pipeline runs, task runs and attempts, and the one table of legal transitions.

Nothing else decides what may follow what: the machine asks :func:`check_transition` before it moves.
"""

from __future__ import annotations

import enum

from millrace.core.errors import IllegalTransition


class RunState(enum.StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    SUCCESS = "success"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        return self in _RUN_ENDED


_RUN_ENDED = frozenset({RunState.SUCCESS, RunState.FAILED, RunState.CANCELLED})


class TaskState(enum.StrEnum):
    NONE = "none"
    SCHEDULED = "scheduled"
    QUEUED = "queued"
    RUNNING = "running"
    SUCCESS = "success"
    FAILED = "failed"
    SKIPPED = "skipped"
    UPSTREAM_FAILED = "upstream_failed"
    REMOVED = "removed"
    UP_FOR_RETRY = "up_for_retry"

    @property
    def ended(self) -> bool:
        return self in TASK_ENDED


TASK_ENDED = frozenset(
    {TaskState.SUCCESS, TaskState.FAILED, TaskState.SKIPPED, TaskState.UPSTREAM_FAILED, TaskState.REMOVED}
)


class AttemptState(enum.StrEnum):
    LAUNCHED = "launched"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    KILLED = "killed"
    LOST = "lost"
    FENCED = "fenced"

    @property
    def ended(self) -> bool:
        return self not in (AttemptState.LAUNCHED, AttemptState.RUNNING)


class RunTrigger(enum.StrEnum):
    """Why a pipeline run exists."""

    MANUAL = "manual"
    SCHEDULE = "schedule"


_N, _S = TaskState.NONE, TaskState.SCHEDULED
LEGAL_TASK_TRANSITIONS: dict[TaskState, frozenset[TaskState]] = {
    _N: frozenset({_S, TaskState.SKIPPED, TaskState.UPSTREAM_FAILED, TaskState.REMOVED}),
    _S: frozenset({TaskState.QUEUED, TaskState.SUCCESS, TaskState.FAILED, TaskState.SKIPPED, TaskState.REMOVED}),
    TaskState.QUEUED: frozenset({TaskState.RUNNING, _S, TaskState.FAILED, TaskState.SKIPPED, TaskState.UP_FOR_RETRY}),
    TaskState.RUNNING: frozenset({TaskState.SUCCESS, TaskState.FAILED, TaskState.SKIPPED, TaskState.UP_FOR_RETRY, _S}),
    TaskState.UP_FOR_RETRY: frozenset({_S, TaskState.FAILED, TaskState.SKIPPED}),
    TaskState.SUCCESS: frozenset(),
    TaskState.FAILED: frozenset(),
    TaskState.SKIPPED: frozenset(),
    TaskState.UPSTREAM_FAILED: frozenset(),
    TaskState.REMOVED: frozenset(),
}


def check_transition(old: TaskState, new: TaskState, task: str) -> None:
    """:class:`IllegalTransition` unless ``old -> new`` is in the table."""
    if new not in LEGAL_TASK_TRANSITIONS[old]:
        raise IllegalTransition(f"task {task!r} cannot go from {old} to {new}")
