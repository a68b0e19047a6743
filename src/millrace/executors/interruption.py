"""Interrupts user code that runs in this process: after its time limit, or because it was stopped.

On the main thread the time limit is a timer signal, which interrupts blocking calls too. On another thread, and for a
stop, an exception is put into the thread that runs; it takes effect at the next Python instruction.

Invariant: the interrupting exception is raised between ``__enter__`` and ``__exit__`` of :class:`Interruption`, never
after it; the signal handler that was there before is there again.
"""

from __future__ import annotations

import ctypes
import signal
import threading
from types import FrameType, TracebackType
from typing import Any


class AttemptInterrupted(BaseException):
    """Raised in user code. Not an ``Exception``: ``except Exception`` must not swallow it."""


class Interruption:
    """Guards one call of user code in the thread that enters it."""

    def __init__(self, timeout: float | None) -> None:
        """``timeout`` in seconds."""
        self._timeout = timeout
        self._lock = threading.Lock()
        self._inside = False
        self._thread = 0
        self._watchdog: threading.Timer | None = None
        self._previous: Any = None
        self.timed_out = False
        self.stopped: str | None = None
        """Why it was stopped."""

    def stop(self, reason: str) -> None:
        """From any thread."""
        with self._lock:
            if self.stopped is None:
                self.stopped = reason
                self._raise()

    def __enter__(self) -> None:
        self._thread = threading.get_ident()
        with self._lock:
            if self.stopped is not None:  # before user code began
                raise AttemptInterrupted(self.stopped)
            self._inside = True
        if self._timeout is None:
            return
        if threading.current_thread() is threading.main_thread():
            self._previous = signal.signal(signal.SIGALRM, self._on_alarm)
            signal.setitimer(signal.ITIMER_REAL, self._timeout)
        else:
            self._watchdog = threading.Timer(self._timeout, self._on_timer)
            self._watchdog.daemon = True
            self._watchdog.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._previous is not None:
            try:
                signal.setitimer(signal.ITIMER_REAL, 0)
            finally:  # the alarm may come right here
                signal.signal(signal.SIGALRM, self._previous)
        with self._lock:
            self._inside = False
            if self.stopped is not None or self.timed_out:
                _put_into_thread(self._thread, None)  # what was put in and not raised yet
        if self._watchdog is not None:
            self._watchdog.cancel()

    def _on_alarm(self, _number: int, _frame: FrameType | None) -> None:
        self.timed_out = True
        raise AttemptInterrupted("the time limit has passed")

    def _on_timer(self) -> None:
        with self._lock:
            self.timed_out = self._inside
            self._raise()

    def _raise(self) -> None:
        """With the lock held."""
        if self._inside:
            _put_into_thread(self._thread, AttemptInterrupted)


def _put_into_thread(thread: int, kind: type[BaseException] | None) -> None:
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), None if kind is None else ctypes.py_object(kind))
