"""What one attempt could leave changed in its process for the next: output streams, folder, environment.

Invariant: an attempt finds descriptors 1 and 2, ``sys.stdout``, ``sys.stderr``, the working folder and ``os.environ``
as the first attempt of the process found them. The log's end marker follows everything the attempt printed.
"""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from typing import TextIO

MARKER = b"\0\0%b\0\n"
"""Written to the log pipe after an attempt; the executor knows the end of its lines by it. NUL is in no text log."""


class Surroundings:
    """Taken once, when the process is ready; put back after every attempt."""

    def __init__(self) -> None:
        self._log = os.dup(1)  # not inherited by what tasks start
        self._out = _stream(1)
        self._err = _stream(2)
        self._folder = Path.cwd()
        self._environment = dict(os.environ)
        self._take_streams()

    def restore(self, attempt_id: str) -> None:
        """Flush what the attempt printed, mark its end in the log, put everything back."""
        for stream in {sys.stdout, sys.stderr, self._out, self._err}:
            with contextlib.suppress(ValueError, OSError, AttributeError):  # closed or replaced by user code
                stream.flush()
        os.dup2(self._log, 1)
        os.dup2(self._log, 2)
        os.write(self._log, MARKER % attempt_id.encode())
        self._take_streams()
        if os.environ != self._environment:
            os.environ.clear()
            os.environ.update(self._environment)
        with contextlib.suppress(OSError):  # user code may be in a folder that it deleted, or have deleted ours
            if _folder() != self._folder:
                os.chdir(self._folder)

    def _take_streams(self) -> None:
        if self._out.closed:
            self._out = _stream(1)
        if self._err.closed:
            self._err = _stream(2)
        sys.stdout, sys.stderr = self._out, self._err


def _stream(descriptor: int) -> TextIO:
    return open(descriptor, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)


def _folder() -> Path | None:
    try:
        return Path.cwd()
    except FileNotFoundError:
        return None
