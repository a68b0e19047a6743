"""The public face of the local executor: a handle on the thread that runs :class:`~millrace.executors.local.loop.Loop`.

Its methods may be called from any thread and from a signal handler: they take no lock.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from functools import partial

from millrace.core.attempts import AttemptReport, Launch
from millrace.core.errors import ServiceError
from millrace.executors.local.loop import Loop
from millrace.executors.local.settings import LocalSettings
from millrace.interfaces import Clock, LogStore, TaskServices


class LocalExecutor:
    """``Executor`` with warm worker processes, each attempt isolated from the platform and from the others.

    ``worker_command`` starts a process that calls ``worker.process.connect()`` and ``serve(...)``.
    ``parallelism``: attempts at a time; by default one for each core, at least 2. ``prestart``: processes that are
    kept warm. ``memory_limit``: resident bytes of a worker with its children, looked at five times a second while it
    runs an attempt; not RLIMIT_AS or RLIMIT_DATA, which count the address space that Arrow and Polars reserve.
    ``grace``: seconds between SIGTERM and SIGKILL.
    """

    name = "local"

    def __init__(
        self,
        worker_command: Sequence[str],
        *,
        logs: LogStore,
        services_for: Callable[[Launch], TaskServices],
        clock: Clock,
        parallelism: int | None = None,
        prestart: int | None = None,
        memory_limit: int | None = None,
        recycle_after: int = 1000,
        grace: float = 5.0,
        start_timeout: float = 60.0,
        load_timeout: float = 600.0,
    ) -> None:
        parallelism = max(2, os.cpu_count() or 2) if parallelism is None else parallelism
        self._settings = LocalSettings(
            tuple(worker_command),
            parallelism,
            min(parallelism, 2 if prestart is None else prestart),
            memory_limit,
            recycle_after,
            grace,
            start_timeout,
            load_timeout,
        )
        self._logs = logs
        self._services_for = services_for
        self._clock = clock
        self._loop: Loop | None = None
        self._thread: threading.Thread | None = None

    def start(self, report: Callable[[Sequence[AttemptReport]], None]) -> None:
        """Start the processes that are kept warm. ``report`` is called on the executor's thread."""
        self._loop = Loop(
            self._settings, logs=self._logs, services_for=self._services_for, clock=self._clock, report=report
        )
        # a daemon: when the main thread just ends, the process ends, and the workers with it
        self._thread = threading.Thread(target=self._loop.run, name="millrace-executor", daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether it takes launches: it was started, was not closed and has not died."""
        return self._loop is not None and self._thread is not None and self._thread.is_alive()

    def slots(self) -> int:
        loop = self._loop
        if loop is None or not self.alive:
            return 0
        return max(0, self._settings.parallelism * (1 + loop.depth) - len(loop.open))

    def submit(self, launches: Sequence[Launch]) -> None:
        loop = self._running()
        loop.open.update(launch.attempt_id for launch in launches)
        loop.post(partial(loop.submit, tuple(launches)))

    def stop(self, attempt_id: str, reason: str) -> None:
        loop = self._running()
        loop.post(partial(loop.stop, attempt_id, reason))

    def pump(self) -> bool:
        """Attempts run in other processes: there is nothing to do here."""
        return False

    def close(self) -> None:
        """End every attempt (as lost) and every process, and wait for it: at most the grace and a moment."""
        loop, thread = self._loop, self._thread
        if loop is None or thread is None:
            return
        if thread.is_alive():
            loop.post(loop.close)
        if thread is threading.current_thread():
            return  # asked from within a report; the thread ends when all is gone
        thread.join()
        if self._loop is loop:  # not the inner one of two: a signal handler may call this too
            self._loop = None
            loop.dispose()

    def _running(self) -> Loop:
        if self._loop is None or self._thread is None or not self._thread.is_alive():
            raise ServiceError("the local executor is not running")
        return self._loop
