"""Ends attempts that are running: time limits, stops, memory, closing.

An attempt is ended in steps: launches that wait behind it in its worker are asked back, then SIGTERM to the process
group, after the grace SIGKILL. A process that had a signal is not used again.

Invariant: only the attempt that is to end is hit. What its worker had not begun runs elsewhere; an end that it reported
from before the decision counts as it is.
"""

from __future__ import annotations

import signal
import time

import attrs

from millrace.core.attempts import AttemptReport, FailureKind
from millrace.executors.durations import in_words
from millrace.executors.local.exits import OomCounter, describe_exit
from millrace.executors.local.settings import LocalSettings
from millrace.executors.local.workers import Ending, EndingStep, Running, Worker
from millrace.interfaces import Clock

_REVOKE_SECONDS = 1.0
_OOM_FRESH = 1.0


class Endings:
    """Decides nothing but how; the loop says which attempt ends and why."""

    def __init__(self, settings: LocalSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._oom = OomCounter()
        self._oom_kills = 0
        self._oom_read_at = 0.0

    def begun(self, worker: Worker, now: float) -> None:
        """An attempt begins: remember what the kernel's counter says, to the second."""
        if now - self._oom_read_at > _OOM_FRESH:
            self._oom_read_at, self._oom_kills = now, self._oom.read()
        worker.oom_kills = self._oom_kills

    def end(self, worker: Worker, kind: FailureKind, reason: str) -> None:
        """End what the worker runs, unless that is on its way."""
        running = worker.running
        if running is None or worker.ending is not None:
            return
        worker.ending = Ending(
            running.launch.attempt_id,
            kind,
            reason,
            self._clock.now(),
            EndingStep.REVOKING,
            time.monotonic() + _REVOKE_SECONDS,
        )
        if worker.prefetched or worker.revoking:
            self.revoke(worker)
        else:
            self._terminate(worker, worker.ending)

    def revoke(self, worker: Worker) -> None:
        """Ask back what waits in the worker."""
        if not worker.revoking:
            worker.revoking = True
            worker.process.send({"type": "revoke", "attempts": list(worker.prefetched)})

    def revoked(self, worker: Worker) -> None:
        """It has answered."""
        worker.revoking = False
        if worker.ending is not None and worker.ending.step is EndingStep.REVOKING:
            self._terminate(worker, worker.ending)

    def next_step(self, worker: Worker, ending: Ending) -> None:
        """The time of the present step is over."""
        if ending.step is EndingStep.REVOKING:
            self._terminate(worker, ending)
        else:
            self._kill(worker, ending)

    def time_out(self, worker: Worker, running: Running) -> None:
        limit = running.launch.execution_timeout
        if running.started_at is None:
            reason = f"its code was not loaded within {in_words(int(self._settings.load_timeout * 1_000_000))}"
        else:
            assert limit is not None
            reason = f"did not finish within {in_words(limit)}"
        running.deadline = None
        self.end(worker, FailureKind.TIMED_OUT, reason)

    def check_memory(self, worker: Worker, limit: int) -> None:
        """SIGKILL at once over ``limit`` bytes: what grows gets no grace."""
        if worker.running is None or worker.process.resident_bytes() <= limit:
            return
        reason = f"out of memory: the task used more than its worker's limit of {limit / 2**20:.0f} MiB"
        if worker.ending is None:
            self.end(worker, FailureKind.OUT_OF_MEMORY, reason)
        if worker.ending is not None:
            self._kill(worker, worker.ending)

    def settled(self, worker: Worker, end: AttemptReport) -> AttemptReport:
        """The worker reports the end of its attempt: the report that counts."""
        ending = worker.ending
        if ending is None or ending.attempt_id != end.attempt_id:
            return end
        if ending.step is EndingStep.REVOKING:
            worker.ending = None  # it ended by itself before any signal
        elif ending.step is EndingStep.TERMINATING:
            self._kill(worker, ending)
        if end.at <= ending.decided_at:
            return end
        return attrs.evolve(end, event="failed", kind=ending.kind, reason=ending.reason, outputs=())

    def of_vanished(self, worker: Worker, running: Running, returncode: int) -> tuple[FailureKind, str]:
        """Why an attempt ended whose process is gone."""
        ending = worker.ending
        if ending is None:
            return describe_exit(returncode, out_of_memory=self._oom.read() > worker.oom_kills)
        if ending.attempt_id == running.launch.attempt_id:
            return ending.kind, ending.reason
        return FailureKind.LOST, "its worker was stopped because of the attempt before"

    def _terminate(self, worker: Worker, ending: Ending) -> None:
        ending.step = EndingStep.TERMINATING
        ending.until = time.monotonic() + self._settings.grace
        worker.process.signal_group(signal.SIGTERM)

    def _kill(self, worker: Worker, ending: Ending) -> None:
        ending.step = EndingStep.KILLED
        ending.until = None
        worker.process.kill()
