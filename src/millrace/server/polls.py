"""Long polls: requests that wait, without holding one of the threads that short requests need.

A wait is done in slices, so that it ends within one slice of the caller's going away or of the server's closing.
"""

from __future__ import annotations

import functools
import time

import anyio
from anyio import CapacityLimiter, to_thread
from anyio.lowlevel import RunVar

from millrace.core.types import Json
from millrace.interfaces import Operations
from millrace.server.endpoints import Arguments, Gone

LONGEST_WAIT = 300.0
"""Seconds that one request may wait; a client that wants longer asks again."""
SLICE = 1.0
LOG_SLICE = 0.2
WAITERS = 256
"""Waits at one time; a thread sleeps for each."""

_limiter: RunVar[CapacityLimiter] = RunVar("millrace_waiters")
"""One for each event loop: a limiter belongs to one."""


async def wait_for_run(operations: Operations, arguments: Arguments, gone: Gone) -> Json:
    """The run when it has ended, or as it is after ``timeout`` seconds."""
    deadline = time.monotonic() + arguments["timeout"]
    while True:
        left = deadline - time.monotonic()
        call = functools.partial(operations.wait, arguments["run_id"], max(0.0, min(SLICE, left)))
        document = await to_thread.run_sync(call, limiter=_waiters(), abandon_on_cancel=True)
        if document["ended_at"] is not None or left <= SLICE or await gone():
            return document


async def read_log(operations: Operations, arguments: Arguments, gone: Gone) -> Json:
    """The log's next part; with ``wait`` seconds, as soon as there is one or the attempt has ended."""
    deadline = time.monotonic() + arguments["wait"]
    call = functools.partial(
        operations.log,
        arguments["run_id"],
        arguments["task_id"],
        number=arguments["number"],
        after=arguments["after"],
    )
    while True:
        document = await to_thread.run_sync(call)
        left = deadline - time.monotonic()
        if document["text"] or document["ended"] or left <= 0 or await gone():
            return document
        await anyio.sleep(min(LOG_SLICE, left))


def _waiters() -> CapacityLimiter:
    limiter = _limiter.get(None)
    if limiter is None:
        limiter = CapacityLimiter(WAITERS)
        _limiter.set(limiter)
    return limiter
