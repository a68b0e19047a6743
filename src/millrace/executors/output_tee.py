"""Lets what an in-process task prints appear in the terminal and in its log.

Invariant: the terminal gets exactly what was printed, at once; the log gets whole stamped lines, the last one also
when it has no newline. An attempt that prints nothing never touches the log store.
"""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Any, TextIO

from millrace.executors.attempt_logs import AttemptLogs
from millrace.executors.log_stamps import LINE_LIMIT, as_shown, pending, stamp
from millrace.interfaces import Clock


class _Tee:
    """A text stream that also collects lines. Everything else it leaves to the real stream."""

    def __init__(self, stream: TextIO, output: OutputTee) -> None:
        self._stream = stream
        self._output = output

    def write(self, text: str) -> int:
        written = self._stream.write(text)
        self._output.add(text)
        return written

    def writelines(self, lines: list[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class OutputTee:
    """While entered, ``sys.stdout`` and ``sys.stderr`` are teed into the log of one attempt."""

    def __init__(self, logs: AttemptLogs, attempt_id: str, clock: Clock) -> None:
        self._logs = logs
        self._attempt_id = attempt_id
        self._clock = clock
        self._parts: list[str] = []
        """Of the line that is being printed."""
        self._length = 0

    def add(self, text: str) -> None:
        self._parts.append(text)
        self._length += len(text)
        if "\n" not in text and "\r" not in text and self._length <= LINE_LIMIT:
            return  # joined when it has to be: a line may be printed character by character
        *lines, rest = "".join(self._parts).split("\n")
        if len(rest) > LINE_LIMIT:
            lines, rest = [*lines, rest], ""
        self._parts = [pending(rest)]
        self._length = len(self._parts[0])
        if lines:
            self._append(lines)

    def __enter__(self) -> None:
        self._out, self._err = sys.stdout, sys.stderr
        sys.stdout, sys.stderr = _Tee(self._out, self), _Tee(self._err, self)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        sys.stdout, sys.stderr = self._out, self._err
        rest = "".join(self._parts)
        if rest:
            self._append([rest])

    def _append(self, lines: list[str]) -> None:
        prefix = stamp(self._clock.now())
        self._logs.append(self._attempt_id, [prefix + as_shown(line) for line in lines])
