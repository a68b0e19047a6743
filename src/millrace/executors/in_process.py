"""Runs attempts in the thread that pumps: the default of ``.run()``, of replays and of tests. No process, no thread.

Invariant: one ``pump()`` is one attempt and one call of ``report`` with both its reports. Isolation is what this
executor does not give: code that ends or exhausts the process takes the caller with it.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

import attrs

from millrace.core.attempts import AttemptReport, FailureKind, Launch
from millrace.executors.attempt_logs import AttemptLogs
from millrace.executors.durations import in_words
from millrace.executors.interruption import Interruption
from millrace.executors.output_tee import OutputTee
from millrace.executors.task_services import AttemptServices
from millrace.interfaces import Clock, LogStore, TaskServices


class AttemptRunner(Protocol):
    """``worker.attempt.run_attempt`` with loader, artifacts and clock bound; the layers keep the two apart."""

    def __call__(
        self, launch: Launch, *, services: TaskServices, guard: Callable[[int], AbstractContextManager[object]]
    ) -> AttemptReport: ...


class InProcessExecutor:
    """``Executor`` without isolation. Give it ``logs=None`` to leave what tasks print to the terminal alone."""

    name = "in_process"

    def __init__(
        self,
        run: AttemptRunner,
        *,
        services_for: Callable[[Launch], TaskServices],
        clock: Clock,
        logs: LogStore | None = None,
    ) -> None:
        self._run = run
        self._services_for = services_for
        self._clock = clock
        self._logs = None if logs is None else AttemptLogs(logs)
        self._waiting: deque[Launch] = deque()
        self._running: tuple[str, Interruption] | None = None
        self._worker = f"pid {os.getpid()}"

    def start(self, report: Callable[[Sequence[AttemptReport]], None]) -> None:
        self._report = report

    def slots(self) -> int:
        """There is always room for one more: launches wait here as well as elsewhere."""
        return max(0, 1024 - len(self._waiting))

    def submit(self, launches: Sequence[Launch]) -> None:
        self._waiting.extend(launches)

    def stop(self, attempt_id: str, reason: str) -> None:
        running = self._running
        if running is not None and running[0] == attempt_id:
            running[1].stop(reason)
            return
        for launch in tuple(self._waiting):
            if launch.attempt_id == attempt_id:
                self._waiting.remove(launch)
                self._report([self._unbegun(launch, FailureKind.CANCELLED, reason)])

    def pump(self) -> bool:
        """Run the next attempt. Ctrl-C ends it as cancelled and is raised again after the report."""
        if not self._waiting:
            return False
        launch = self._waiting.popleft()
        services = AttemptServices(self._services_for(launch))
        timeout = None if launch.execution_timeout is None else launch.execution_timeout / 1_000_000
        interruption = Interruption(timeout)
        self._running = (launch.attempt_id, interruption)
        started: list[int] = []

        def guard(at: int) -> AbstractContextManager[object]:
            started.append(at)
            return interruption

        tee = nullcontext() if self._logs is None else OutputTee(self._logs, launch.attempt_id, self._clock)
        try:
            with tee:
                end = self._run(launch, services=services, guard=guard)
        finally:
            self._running = None
        interrupted = end.kind is FailureKind.CANCELLED
        end = _ended_by(interruption, launch, attrs.evolve(end, worker=self._worker))
        services.close(end)
        reports = [end]
        if started:
            reports.insert(0, self._started(launch, started[0]))
        self._report(reports)
        if interrupted:
            raise KeyboardInterrupt
        return True

    def close(self) -> None:
        """What still waits is reported as not started."""
        waiting = tuple(self._waiting)
        self._waiting.clear()
        if waiting:
            reason = "the executor was closed before it began"
            self._report([self._unbegun(launch, FailureKind.NOT_STARTED, reason) for launch in waiting])

    def _started(self, launch: Launch, at: int) -> AttemptReport:
        return AttemptReport(
            launch.attempt_id, launch.token, launch.run_id, launch.task_id, "started", at, worker=self._worker
        )

    def _unbegun(self, launch: Launch, kind: FailureKind, reason: str) -> AttemptReport:
        return AttemptReport(
            launch.attempt_id,
            launch.token,
            launch.run_id,
            launch.task_id,
            "failed",
            self._clock.now(),
            kind=kind,
            reason=reason,
        )


def _ended_by(interruption: Interruption, launch: Launch, end: AttemptReport) -> AttemptReport:
    """The report of an attempt that failed because of its interruption says so."""
    if end.event != "failed" or end.kind is FailureKind.CANCELLED:
        return end
    if interruption.timed_out:
        assert launch.execution_timeout is not None
        reason = f"did not finish within {in_words(launch.execution_timeout)}"
        return attrs.evolve(end, kind=FailureKind.TIMED_OUT, reason=reason)
    if interruption.stopped is not None:
        return attrs.evolve(end, kind=FailureKind.CANCELLED, reason=interruption.stopped)
    return end
