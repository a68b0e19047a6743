"""Events that the state machine takes, and the instructions it answers with.

An event has happened (past tense) and names a task by its place in the graph; an instruction is to be carried out
(imperative) by the shell, after the step that caused it is committed. Events have a JSON form for the run's log.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

import attrs

from millrace.core.attempts import FailureKind
from millrace.core.states import RunState
from millrace.core.types import Json


@attrs.define(frozen=True)
class RunStarted:
    """The run was admitted. The first event of every log."""

    at: int


@attrs.define(frozen=True)
class RunResumed:
    """A scheduler took the run over: what was ready is offered again. Attempts that were under way are reported
    lost."""

    at: int


@attrs.define(frozen=True)
class SlotGranted:
    """The executor has a free slot for a task that is ready."""

    at: int
    task: int


@attrs.define(frozen=True)
class CacheHit:
    """The outputs of an earlier task run stand for this one."""

    at: int
    task: int
    cached_from: str


@attrs.define(frozen=True)
class InputsUnavailable:
    """What the task is to read cannot be resolved (a value that an upstream did not give, a deleted artifact)."""

    at: int
    task: int
    reason: str


@attrs.define(frozen=True)
class AttemptStarted:
    at: int
    task: int
    token: int


@attrs.define(frozen=True)
class AttemptSucceeded:
    at: int
    task: int
    token: int


@attrs.define(frozen=True)
class AttemptSkipped:
    """User code raised ``SkipTask``."""

    at: int
    task: int
    token: int
    reason: str


@attrs.define(frozen=True)
class AttemptFailed:
    at: int
    task: int
    token: int
    kind: FailureKind
    reason: str


@attrs.define(frozen=True)
class RetryCameDue:
    at: int
    task: int


@attrs.define(frozen=True)
class CancelRequested:
    at: int
    reason: str


@attrs.define(frozen=True)
class RunTimedOut:
    at: int
    reason: str


Event = (
    RunStarted
    | RunResumed
    | SlotGranted
    | CacheHit
    | InputsUnavailable
    | AttemptStarted
    | AttemptSucceeded
    | AttemptSkipped
    | AttemptFailed
    | RetryCameDue
    | CancelRequested
    | RunTimedOut
)

_EVENTS: dict[str, type] = {c.__name__: c for c in get_args(Event)}


def event_payload(event: Event) -> dict[str, Json]:
    """The event's fields but ``at`` and ``task``, which the log keeps in columns of their own."""
    return {name: getattr(event, name) for name in type(event).__slots__ if name not in ("at", "task", "__weakref__")}


def event_from_log(kind: str, at: int, task: int | None, payload: Mapping[str, Json]) -> Event:
    """The event of one line of a run's log."""
    fields: dict[str, Any] = dict(payload)
    if "kind" in fields:
        fields["kind"] = FailureKind(fields["kind"])
    if task is not None:
        fields["task"] = task
    event: Event = _EVENTS[kind](at=at, **fields)
    return event


@attrs.define(frozen=True)
class OfferTask:
    """The task is ready. Grant it a slot when there is one; look into the cache first if ``use_cache``."""

    task: int
    use_cache: bool


@attrs.define(frozen=True)
class LaunchAttempt:
    task: int
    number: int
    token: int


@attrs.define(frozen=True)
class StopAttempt:
    task: int
    token: int
    reason: str


@attrs.define(frozen=True)
class FenceReport:
    """A report came with a token that is not the current one: it changes nothing; mark its attempt fenced."""

    task: int
    token: int


@attrs.define(frozen=True)
class WakeAt:
    """Send :class:`RetryCameDue` at ``due_at``."""

    task: int
    due_at: int


@attrs.define(frozen=True)
class EndRun:
    state: RunState
    reason: str


Instruction = OfferTask | LaunchAttempt | StopAttempt | FenceReport | WakeAt | EndRun
