"""SIGTERM in a worker process: the running attempt ends by an exception, so that its ``finally`` blocks run.

Invariant: the exception is raised in the attempt only; a message that is being sent and the end report of an attempt
are sent whole before the signal counts.
"""

from __future__ import annotations

import enum
import os
import signal
import types

from millrace.worker.channel import Channel
from millrace.worker.parent_death import kill_own_group, orphaned


class AttemptStopped(BaseException):
    """Raised in user code by SIGTERM. Not an ``Exception``: ``except Exception`` must not swallow it."""


class Phase(enum.Enum):
    """What the main thread is at, and so what SIGTERM does."""

    IDLE = enum.auto()
    """The process ends at once."""
    RUNNING = enum.auto()
    """The attempt is interrupted."""
    REPORTING = enum.auto()
    """The process ends after the report."""


class StopSignal:
    """The handler and its state."""

    def __init__(self, channel: Channel, parent: int) -> None:
        self._channel = channel
        self._parent = parent
        self._process = os.getpid()
        self.phase = Phase.IDLE
        self.came = False
        """Whether this process was told to stop."""

    def install(self) -> None:
        """Also after an attempt, whose code may have set a handler of its own."""
        if signal.getsignal(signal.SIGTERM) != self._handle:
            signal.signal(signal.SIGTERM, self._handle)

    def _handle(self, number: int, _frame: types.FrameType | None) -> None:
        if os.getpid() != self._process:  # a child that user code forked: what a plain process does
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
            return
        if orphaned(self._parent):
            kill_own_group()
        if self.phase is Phase.IDLE:
            os._exit(128 + number)
        self.came = True
        if self.phase is Phase.RUNNING:
            if self._channel.sending:
                self._channel.after_frame = self._interrupt
            else:
                self._interrupt()

    @staticmethod
    def _interrupt() -> None:
        raise AttemptStopped("stopped by SIGTERM")
