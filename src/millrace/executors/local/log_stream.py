"""Splits what a worker process prints into lines and gives each to the attempt that printed it.

Standard output and error of a worker are one pipe. After each attempt the worker writes a marker line into it; so the
lines of an attempt are exactly those before its marker, however the reads fall.

Invariant: lines keep their order; a marker never appears in a log; a line that grows without end is cut at
``LINE_LIMIT`` rather than kept in memory.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from millrace.executors.log_stamps import LINE_LIMIT, as_shown, stamp
from millrace.interfaces import Clock

_TAIL_LINES = 30


class LogStream:
    """The lines of one worker process."""

    def __init__(self, append: Callable[[str, list[str]], None], clock: Clock) -> None:
        self._append = append
        self._clock = clock
        self._attempts: deque[str] = deque()
        self._partial = b""
        self._early: list[bytes] = []
        self.tail: deque[str] = deque(maxlen=_TAIL_LINES)
        """The last lines that no attempt printed: why a process did not start."""

    def begin(self, attempt_id: str, *, at_once: bool = False) -> list[str]:
        """The worker begins it. ``at_once``: right after the attempt before, so what followed that one is its own.

        The attempts whose marker was read already, as with :meth:`feed`.
        """
        early, self._early = self._early, []
        self._attempts.append(attempt_id)
        if at_once and len(self._attempts) == 1:
            return self._with_markers(early)
        self._remember(early)
        return []

    def feed(self, data: bytes) -> list[str]:
        """Bytes as they were read. The attempts whose marker is in them, in order."""
        *lines, self._partial = (self._partial + data).split(b"\n")
        if len(self._partial) > LINE_LIMIT:
            lines.append(self._partial)
            self._partial = b""
        return self._with_markers(lines)

    def end(self) -> None:
        """The process is gone: what is left is a line too."""
        if self._partial:
            self._lines([self._partial])
            self._partial = b""
        self._attempts.clear()
        self._remember(self._early)
        self._early = []

    def _remember(self, lines: list[bytes]) -> None:
        self.tail.extend(as_shown(line.decode("utf-8", "replace")) for line in lines)

    def _with_markers(self, lines: list[bytes]) -> list[str]:
        ended: list[str] = []
        start = 0
        for i, line in enumerate(lines):
            if not self._attempts:
                break
            if not line.endswith(b"\0"):
                continue
            marker = b"\0\0" + self._attempts[0].encode() + b"\0"
            if line.endswith(marker):
                before = lines[start:i]
                if len(line) > len(marker):
                    before.append(line[: -len(marker)])
                self._lines(before)
                ended.append(self._attempts.popleft())
                start = i + 1
        self._lines(lines[start:])
        return ended

    def _lines(self, lines: list[bytes]) -> None:
        if not lines:
            return
        if self._attempts:
            self._write(self._attempts[0], lines)
        else:
            self._early += lines
            del self._early[: -10 * _TAIL_LINES]

    def _write(self, attempt_id: str, lines: list[bytes]) -> None:
        prefix = stamp(self._clock.now())
        self._append(attempt_id, [prefix + as_shown(line.decode("utf-8", "replace")) for line in lines])
