"""The one thread of the local executor: processes, pipes, timers, reports. Events, never polling.

Everything that happens is one turn: what the descriptors say, what was asked from other threads (:meth:`Loop.post`),
timers that are due, then launches to workers that can take them, then all reports of the turn in one call.

Invariant: each launch has one end report. A launch that a worker had not begun when that worker went away is given to
another without a report.
"""

from __future__ import annotations

import logging
import os
import selectors
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial

import attrs

from millrace.core.attempts import AttemptReport, FailureKind, Launch
from millrace.core.types import Json
from millrace.executors.attempt_logs import AttemptLogs
from millrace.executors.durations import in_words
from millrace.executors.local.assignment import (
    busy_worker,
    idle_worker,
    moving_average,
    prefetch_depth,
    worker_to_recycle,
)
from millrace.executors.local.endings import Endings
from millrace.executors.local.exits import describe_failed_start
from millrace.executors.local.log_stream import LogStream
from millrace.executors.local.outbox import Outbox, Report
from millrace.executors.local.settings import LocalSettings
from millrace.executors.local.worker_process import WorkerProcess
from millrace.executors.local.workers import PREFETCH_PATIENCE, Running, Worker
from millrace.interfaces import Clock, LogStore, TaskServices

_log = logging.getLogger(__name__)
_LEAVE_SECONDS = 2.0
_MEMORY_INTERVAL = 0.2
_DRAIN_CHUNKS = 256
_BACKOFF_AFTER = 3
_BACKOFF_LIMIT = 60.0
_CLOSED = "the executor was closed before it began"


class Loop:
    """Runs in its own thread until it was closed and every process is gone."""

    def __init__(
        self,
        settings: LocalSettings,
        *,
        logs: LogStore,
        services_for: Callable[[Launch], TaskServices],
        clock: Clock,
        report: Report,
    ) -> None:
        self._settings = settings
        self._logs = AttemptLogs(logs)
        self._clock = clock
        self._selector = selectors.DefaultSelector()
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._selector.register(self._wake, selectors.EVENT_READ, self._woken)
        self._posted: deque[Callable[[], None]] = deque()
        self._workers: list[Worker] = []
        self._queue: deque[Launch] = deque()
        self._outbox = Outbox(report, clock, services_for, post=self.post, reply=self._reply)
        self._endings = Endings(settings, clock)
        self._average: float | None = None
        self._next_sample = 0.0
        self._failed_starts = 0
        self._no_start_before = 0.0
        self._closing = False
        self.open = self._outbox.open
        """Attempts that were submitted and have not ended."""
        self.depth = 0
        """Launches that may wait in each worker at present."""

    # --- from any thread, also from a signal handler ------------------------------------------------------------------

    def post(self, action: Callable[[], None]) -> None:
        """Do ``action`` on the loop's thread."""
        self._posted.append(action)
        os.eventfd_write(self._wake, 1)

    def dispose(self) -> None:
        """After the thread has ended."""
        os.close(self._wake)

    def run(self) -> None:
        """The body of the thread."""
        try:
            self._keep_warm()
            while not self._closing or self._workers or self._posted or not self._outbox.empty:
                self._turn()
        finally:
            for worker in tuple(self._workers):
                worker.process.kill()
                worker.process.reap()
                worker.process.close()
            self._outbox.close()
            self._selector.close()

    # --- posted -------------------------------------------------------------------------------------------------------

    def submit(self, launches: Sequence[Launch]) -> None:
        if self._closing:
            for launch in launches:
                self._outbox.refused(launch, FailureKind.NOT_STARTED, _CLOSED)
        else:
            self._queue.extend(launches)

    def stop(self, attempt_id: str, reason: str) -> None:
        for launch in self._queue:
            if launch.attempt_id == attempt_id:
                self._queue.remove(launch)
                self._outbox.refused(launch, FailureKind.CANCELLED, reason)
                return
        for worker in self._workers:
            if worker.running is not None and worker.running.launch.attempt_id == attempt_id:
                self._endings.end(worker, FailureKind.CANCELLED, reason)
            elif attempt_id in worker.prefetched:
                worker.stops[attempt_id] = reason
                self._endings.revoke(worker)

    def close(self) -> None:
        if self._closing:
            return
        self._closing = True
        waiting, self._queue = self._queue, deque()
        self.submit(tuple(waiting))
        for worker in self._workers:
            if worker.running is not None:
                self._endings.end(worker, FailureKind.LOST, "the executor was closed while it ran")
            elif worker.ready:
                self._dismiss(worker)
            else:
                worker.process.kill()

    # --- one turn -----------------------------------------------------------------------------------------------------

    def _turn(self) -> None:
        for key, _ in self._selector.select(self._seconds_to_next_timer()):
            key.data()
        while self._posted:
            self._posted.popleft()()
        self._act_on_time()
        self._assign()
        for worker in self._workers:
            self._flush(worker)
        self._outbox.deliver()

    def _flush(self, worker: Worker) -> None:
        if worker.process.flush():
            self._selector.modify(
                worker.process.messages,
                selectors.EVENT_READ | selectors.EVENT_WRITE,
                partial(self._on_writable, worker),
            )

    def _on_writable(self, worker: Worker) -> None:
        if worker in self._workers:
            if not worker.process.flush():
                on_messages = partial(self._on_messages, worker)
                self._selector.modify(worker.process.messages, selectors.EVENT_READ, on_messages)
            self._on_messages(worker)

    def _woken(self) -> None:
        os.eventfd_read(self._wake)

    def _seconds_to_next_timer(self) -> float | None:
        now = time.monotonic()
        due = [d for w in self._workers for d in w.deadlines(self._settings.start_timeout)]
        if self._queue and (not self._workers or self._no_start_before > now):
            due.append(self._no_start_before)
        if self._settings.memory_limit is not None and any(w.running for w in self._workers):
            due.append(self._next_sample)
        return max(0.0, min(due) - now) if due else None

    def _act_on_time(self) -> None:
        now = time.monotonic()
        for worker in tuple(self._workers):
            if min(worker.deadlines(self._settings.start_timeout), default=now + 1) <= now:
                self._overdue(worker, now)
        limit = self._settings.memory_limit
        if limit is not None and now >= self._next_sample:
            self._next_sample = now + _MEMORY_INTERVAL
            for worker in self._workers:
                self._endings.check_memory(worker, limit)

    def _overdue(self, worker: Worker, now: float) -> None:
        running, ending = worker.running, worker.ending
        if worker.leaving_until is not None and worker.leaving_until <= now:
            worker.leaving_until = now + _LEAVE_SECONDS
            worker.process.kill()
        elif not worker.ready and worker.leaving_until is None:
            worker.spawned, worker.late = now, True
            worker.process.kill()
        elif ending is not None and ending.until is not None and ending.until <= now:
            self._endings.next_step(worker, ending)
        elif ending is None and running is not None:
            if running.deadline is not None and running.deadline <= now:
                self._endings.time_out(worker, running)
            elif worker.prefetched and running.begun + PREFETCH_PATIENCE <= now:
                self._endings.revoke(worker)

    # --- processes ----------------------------------------------------------------------------------------------------

    def _spawn(self) -> None:
        try:
            process = WorkerProcess(self._settings.command)
        except OSError as error:
            command = self._settings.command[0]
            self._start_failed(f"the worker process did not start: cannot run {command}: {error.strerror}", "")
            return
        worker = Worker(process, LogStream(self._logs.append, self._clock), time.monotonic())
        self._workers.append(worker)
        for descriptor, handler in (
            (process.messages, self._on_messages),
            (process.output, self._on_output),
            (process.exited, self._on_exit),
        ):
            self._selector.register(descriptor, selectors.EVENT_READ, partial(handler, worker))

    def _keep_warm(self) -> None:
        while len(self._workers) < self._settings.prestart and not self._closing and not self._failed_starts:
            self._spawn()

    def _start_failed(self, reason: str, detail: str) -> None:
        self._failed_starts += 1
        if self._failed_starts >= _BACKOFF_AFTER:
            wait = min(_BACKOFF_LIMIT, 2.0 ** (self._failed_starts - _BACKOFF_AFTER))
            self._no_start_before = time.monotonic() + wait
        if self._queue and not any(w.ready for w in self._workers):
            self._outbox.refused(self._queue.popleft(), FailureKind.NOT_STARTED, reason, detail)
        else:  # no launch whose end would say it
            _log.warning("%s", reason)

    def _dismiss(self, worker: Worker) -> None:
        """Let an idle worker end by itself."""
        worker.leaving_until = time.monotonic() + _LEAVE_SECONDS
        worker.process.send({"type": "exit"})

    def _on_output(self, worker: Worker) -> None:
        if worker not in self._workers:
            return
        data = worker.process.read_output()
        if data is None:
            self._selector.unregister(worker.process.output)
        elif data:
            self._log(worker, data)

    def _log(self, worker: Worker, data: bytes) -> None:
        self._outbox.log_complete(worker.log.feed(data))

    def _on_messages(self, worker: Worker) -> None:
        if worker not in self._workers:
            return
        documents = worker.process.receive()
        for document in documents:
            self._handle(worker, document)
        if not documents and worker.process.hung_up:
            self._selector.unregister(worker.process.messages)  # its exit is seen on another descriptor

    def _on_exit(self, worker: Worker) -> None:
        if worker not in self._workers:
            return
        returncode = worker.process.reap()
        for document in worker.process.receive():
            self._handle(worker, document)
        for _ in range(_DRAIN_CHUNKS):
            data = worker.process.read_output()
            if not data:
                break
            self._log(worker, data)
        worker.log.end()
        self._workers.remove(worker)
        if worker.unlogged is not None and self._outbox.awaits_log(worker.unlogged):
            self._outbox.log_complete([worker.unlogged])  # its marker was lost
        if worker.running is not None:
            self._vanished(worker, worker.running, returncode)
        self._take_back(worker, tuple(worker.prefetched))
        if not worker.ready and not self._closing:
            tail = tuple(worker.log.tail)
            late = in_words(int(self._settings.start_timeout * 1_000_000)) if worker.late else None
            self._start_failed(describe_failed_start(returncode, tail, late=late), "\n".join(tail))
        for descriptor in (worker.process.messages, worker.process.output, worker.process.exited):
            if descriptor in self._selector.get_map():
                self._selector.unregister(descriptor)
        worker.process.close()
        self._keep_warm()

    # --- what a worker says -------------------------------------------------------------------------------------------

    def _handle(self, worker: Worker, document: Json) -> None:
        match document["type"]:
            case "ready":
                worker.ready = True
                self._failed_starts = 0
                self._no_start_before = 0.0
                if self._closing:
                    self._dismiss(worker)
            case "started":
                self._begun(worker, document["attempt"])
                self._started(worker, document["at"])
            case "end":
                self._begun(worker, document["report"]["attempt_id"])
                self._ended(worker, document)
            case "revoked":
                self._revoked(worker, document["attempts"])
            case "call" | "send":
                running = worker.running
                if running is not None and running.launch.attempt_id == document["attempt"]:
                    self._outbox.asked(running.launch, document)

    def _begin(self, worker: Worker, launch: Launch, *, at_once: bool) -> None:
        now = time.monotonic()
        worker.version = launch.code.version
        worker.running = Running(launch, now, now + self._settings.load_timeout)
        self._endings.begun(worker, now)
        self._outbox.log_complete(worker.log.begin(launch.attempt_id, at_once=at_once))

    def _begun(self, worker: Worker, attempt_id: str) -> None:
        """It speaks of an attempt, so it has begun it: when a launch and an order to give it back were on their way."""
        if worker.running is None and attempt_id in worker.prefetched:
            self._begin(worker, worker.prefetched.pop(attempt_id), at_once=True)
            self._stop_if_asked(worker)

    def _started(self, worker: Worker, at: int) -> None:
        running = worker.running
        assert running is not None
        launch = running.launch
        running.started_at = at
        limit = launch.execution_timeout
        running.deadline = None if limit is None else time.monotonic() + limit / 1_000_000
        self._outbox.started(launch, at, worker.name)

    def _ended(self, worker: Worker, document: Json) -> None:
        running = worker.running
        assert running is not None
        now = time.monotonic()
        reported = attrs.evolve(AttemptReport.from_json(document["report"]), worker=worker.name)
        end = self._endings.settled(worker, reported)
        self._average = moving_average(self._average, now - running.begun)
        self.depth = prefetch_depth(self._average)
        worker.running = None
        worker.idle_since = now
        self._begin_following(worker, document, now)
        if not self._outbox.ended(end):
            self._read_log_of(worker, end.attempt_id)
        self._stop_if_asked(worker)
        if self._closing and worker.idle:
            self._dismiss(worker)

    def _begin_following(self, worker: Worker, document: Json, now: float) -> None:
        following: str | None = document["next"]
        if document["retire"]:
            worker.leaving_until = now + _LEAVE_SECONDS
            self._take_back(worker, tuple(worker.prefetched))
        elif following is None and worker.prefetched and not worker.revoking:
            following = next(iter(worker.prefetched))  # on its way to a worker that waits for it
        if following is not None:
            self._begin(worker, worker.prefetched.pop(following), at_once=True)

    def _read_log_of(self, worker: Worker, attempt_id: str) -> None:
        """Up to its marker, which the worker wrote before it reported the end."""
        worker.unlogged = attempt_id
        while self._outbox.awaits_log(attempt_id):
            data = worker.process.read_output()
            if not data:
                return
            self._log(worker, data)

    def _revoked(self, worker: Worker, attempt_ids: Sequence[str]) -> None:
        self._take_back(worker, attempt_ids)
        if worker.running is None and worker.prefetched:  # begun before the order came
            self._begun(worker, next(iter(worker.prefetched)))
        self._endings.revoked(worker)

    def _take_back(self, worker: Worker, attempt_ids: Sequence[str]) -> None:
        """Launches that this worker has not begun go to the front of the queue, in their order."""
        returned = [worker.prefetched.pop(a) for a in attempt_ids if a in worker.prefetched]
        worker.given -= len(returned)
        for launch in reversed(returned):
            reason = worker.stops.pop(launch.attempt_id, None)
            if reason is not None:
                self._outbox.refused(launch, FailureKind.CANCELLED, reason)
            elif self._closing:
                self._outbox.refused(launch, FailureKind.NOT_STARTED, _CLOSED)
            else:
                self._queue.appendleft(launch)

    def _stop_if_asked(self, worker: Worker) -> None:
        """A launch that was to be stopped before it began has begun."""
        if worker.running is not None:
            reason = worker.stops.pop(worker.running.launch.attempt_id, None)
            if reason is not None:
                self._endings.end(worker, FailureKind.CANCELLED, reason)

    def _vanished(self, worker: Worker, running: Running, returncode: int) -> None:
        """The process is gone without an end of the attempt."""
        kind, reason = self._endings.of_vanished(worker, running, returncode)
        self._outbox.vanished(
            running.launch,
            kind,
            reason,
            worker=worker.name,
            exit_code=returncode if kind is FailureKind.EXITED else None,
            started_at=running.started_at,
        )

    # --- launches -----------------------------------------------------------------------------------------------------

    def _assign(self) -> None:
        now = time.monotonic()
        recycle_after = self._settings.recycle_after
        while self._queue:
            version = self._queue[0].code.version
            worker = idle_worker(self._workers, version, recycle_after)
            if worker is not None:
                self._give(worker, self._queue.popleft())
                continue
            self._make_room(now)
            worker = busy_worker(self._workers, version, self.depth, recycle_after, now)
            if worker is None:
                return
            self._give(worker, self._queue.popleft())

    def _make_room(self, now: float) -> None:
        """Start processes for what waits, up to the limit; over the limit let one of another version go."""
        starting = sum(not w.ready for w in self._workers)
        room = self._settings.parallelism - sum(w.leaving_until is None for w in self._workers)
        if room <= 0 and not starting:
            worker = worker_to_recycle(self._workers, self._settings.recycle_after)
            if worker is not None:
                self._dismiss(worker)
                room += 1
        if now >= self._no_start_before:
            for _ in range(min(room, len(self._queue) - starting)):
                self._spawn()

    def _give(self, worker: Worker, launch: Launch) -> None:
        worker.given += 1
        worker.process.send({"type": "launch", "launch": launch.to_json()})
        if worker.running is None:
            self._begin(worker, launch, at_once=False)
        else:
            worker.prefetched[launch.attempt_id] = launch

    def _reply(self, attempt_id: str, document: Json) -> None:
        for worker in self._workers:
            if worker.running is not None and worker.running.launch.attempt_id == attempt_id:
                worker.process.send(document)
