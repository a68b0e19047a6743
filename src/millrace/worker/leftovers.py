"""Ends the processes that an attempt started and left behind.

Invariant: after :func:`end_children` this process has no child, alive or zombie. The worker adopts orphans, so
grandchildren whose parents ended are children by then.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

TERM_SECONDS = 0.5
_THREADS = Path("/proc/self/task")


def end_children() -> int:
    """SIGTERM, half a second later SIGKILL. How many were still alive."""
    if not _has_children():
        return 0
    _reap()
    alive = _children()
    ended = len(alive)
    _signal(alive, signal.SIGTERM)
    deadline = time.monotonic() + TERM_SECONDS
    while _has_children():
        _reap()
        alive = _children()
        if time.monotonic() > deadline:
            _signal(alive, signal.SIGKILL)
        if alive:
            time.sleep(0.002)
    return ended


def _has_children() -> bool:
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def _reap() -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _children() -> list[int]:
    found: list[int] = []
    for thread in _THREADS.iterdir():
        with contextlib.suppress(OSError):  # a thread that ends meanwhile
            found += [int(pid) for pid in (thread / "children").read_text().split()]
    return found


def _signal(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
