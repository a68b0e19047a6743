"""Ties a worker process, and what its tasks start, to the life of the executor.

Invariant: when the executor's process is gone, by SIGKILL too, the worker's process group is killed, also while user
code holds the interpreter in a C call. Three nets, the strongest first:

1. The *lifeline*: a pipe that only the executor could write to. When its last writer closes, the kernel itself sends
   SIGKILL to the worker's process group (``O_ASYNC`` with ``F_SETOWN`` on the group and ``F_SETSIG``).
2. The parent-death signal (SIGTERM), for an executor whose own forks keep the lifeline open. It cannot be SIGKILL: that
   would race the lifeline and leave the children of the worker alive.
3. End of file on the message pipe, seen by the thread that reads it.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import select
import signal
from typing import NoReturn

_F_SETSIG = 10
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


def die_with(parent: int, lifeline: int) -> None:
    """Arrange it for this process, the leader of its session. Ends at once if ``parent`` has gone already."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    fcntl.fcntl(lifeline, fcntl.F_SETOWN, -os.getpgrp())
    fcntl.fcntl(lifeline, _F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(lifeline, fcntl.F_SETFL, os.O_ASYNC | os.O_NONBLOCK)
    waiting = select.poll()
    waiting.register(lifeline, 0)
    if orphaned(parent) or waiting.poll(0):  # it died before the signals were set up
        kill_own_group()


def end_with(parent: int) -> None:
    """The simple form, for a process that starts no others: the kernel kills it with the thread that started it."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if orphaned(parent):
        os._exit(1)


def orphaned(parent: int) -> bool:
    return os.getppid() != parent


def kill_own_group() -> NoReturn:
    """End this process and everything that it started and that did not leave its group."""
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(1)


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent ends, so that none escapes :mod:`leftovers`."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def _prctl(option: int, argument: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, ctypes.c_ulong(argument), 0, 0, 0) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), "prctl")
