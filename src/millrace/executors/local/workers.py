"""What the executor knows of each worker process: what it runs, what it holds, how it is being ended."""

from __future__ import annotations

import enum
from collections.abc import Iterator

import attrs

from millrace.core.attempts import FailureKind, Launch
from millrace.executors.local.log_stream import LogStream
from millrace.executors.local.worker_process import WorkerProcess

PREFETCH_PATIENCE = 0.02
"""Seconds that launches wait behind a running attempt before they are asked back for another worker."""


@attrs.define
class Running:
    """The attempt that the process has begun. Times here are monotonic seconds."""

    launch: Launch
    begun: float
    deadline: float | None
    """Of loading the code, then of user code."""
    started_at: int | None = None
    """Epoch microseconds; None while the code is being loaded."""


class EndingStep(enum.Enum):
    REVOKING = enum.auto()
    """Asking back what has not begun, so that only the one attempt is hit."""
    TERMINATING = enum.auto()
    """SIGTERM is sent."""
    KILLED = enum.auto()


@attrs.define
class Ending:
    """The platform ends the running attempt."""

    attempt_id: str
    kind: FailureKind
    reason: str
    decided_at: int
    """Epoch microseconds: an end that the worker reports from before counts."""
    step: EndingStep
    until: float | None
    """When the next step is due."""


@attrs.define(eq=False)
class Worker:
    """One process. It takes launches of one pipeline version only, the first it was given."""

    process: WorkerProcess
    log: LogStream
    spawned: float
    ready: bool = False
    late: bool = False
    """It was killed because it did not get ready."""
    version: str | None = None
    running: Running | None = None
    prefetched: dict[str, Launch] = attrs.field(factory=dict)
    """Sent, in order, and not begun."""
    stops: dict[str, str] = attrs.field(factory=dict)
    """Attempt id -> reason: prefetched launches to be cancelled."""
    revoking: bool = False
    ending: Ending | None = None
    leaving_until: float | None = None
    """It was told to exit, or said that it does; then it is killed."""
    given: int = 0
    """Launches so far, those given back not counted."""
    oom_kills: int = 0
    """What the kernel's counter said when the running attempt began."""
    idle_since: float = 0.0
    unlogged: str | None = None
    """The last attempt whose end came before its log was read to the end."""

    @property
    def name(self) -> str:
        return f"pid {self.process.pid}"

    @property
    def idle(self) -> bool:
        """It can begin a launch at once."""
        return (
            self.ready
            and self.running is None
            and not self.prefetched
            and self.ending is None
            and self.leaving_until is None
        )

    def deadlines(self, start_timeout: float) -> Iterator[float]:
        """When something has to be done about it."""
        if not self.ready and self.leaving_until is None:
            yield self.spawned + start_timeout
        if self.leaving_until is not None:
            yield self.leaving_until
        if self.ending is not None:
            if self.ending.until is not None:
                yield self.ending.until
        elif self.running is not None:
            if self.running.deadline is not None:
                yield self.running.deadline
            if self.prefetched and not self.revoking:
                yield self.running.begun + PREFETCH_PATIENCE
