"""The scheduler's loop: take what happened, move the runs, commit, act.

Invariant: an instruction is carried out only after the step that gave it is committed, so a crash between the two
leaves a store from which the next scheduler goes on. What a failed commit was about is forgotten and leased anew.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence

import attrs

from millrace.core.attempts import AttemptReport, FailureKind, Launch
from millrace.core.errors import MillraceError, NotFoundError, StorageError, UsageError
from millrace.core.events import (
    AttemptFailed,
    AttemptStarted,
    CacheHit,
    CancelRequested,
    EndRun,
    Event,
    FenceReport,
    InputsUnavailable,
    Instruction,
    LaunchAttempt,
    OfferTask,
    RetryCameDue,
    RunResumed,
    RunStarted,
    RunTimedOut,
    SlotGranted,
    StopAttempt,
    WakeAt,
)
from millrace.core.graph import DEFAULT_MAX_ACTIVE_RUNS
from millrace.core.progress import RunProgress
from millrace.core.records import (
    ArtifactUse,
    Attempt,
    CacheEntry,
    PipelineRun,
    PipelineVersion,
    Step,
)
from millrace.core.rules.admission import admit
from millrace.core.states import AttemptState, RunState, TaskState
from millrace.interfaces import Clock, ExecutionStore, Executor, Ids, LeaseLost, Notifier, PipelineStore
from millrace.scheduler.active_run import ActiveRun, Prepared
from millrace.scheduler.cache_keys import SourceDigest, cache_key
from millrace.scheduler.due_runs import queue_due_runs
from millrace.scheduler.inputs import Missing, RunView, resolve_inputs
from millrace.scheduler.lease_keeper import LeaseKeeper
from millrace.scheduler.patience import Patience
from millrace.scheduler.reports import attempt_after, event_of
from millrace.scheduler.timers import Timers

_log = logging.getLogger("millrace.scheduler")

RUN_TIMEOUT = -1
"""The place that stands for the run itself in the timers."""
MOST_RUNS = 256
"""Runs that one scheduler holds at a time."""
NET = 60_000_000
"""Microseconds between two looks into the store when no notification comes: one may have been lost."""
KEPT_VERSIONS = 32
"""Versions of pipelines that are kept in memory beside those of the runs under way."""
_ON_REQUEST = "cancelled on request"


@attrs.frozen
class SchedulerParts:
    """What a scheduler works with. ``lease`` in microseconds."""

    pipelines: PipelineStore
    execution: ExecutionStore
    executor: Executor
    notifier: Notifier
    clock: Clock
    ids: Ids
    artifact_root: str
    source_digest: SourceDigest
    owner: str
    lease: int = 5_000_000
    observe: Callable[[Step], None] | None = None
    """Called with every committed step."""


class Scheduler:
    """Holds leased runs and moves them. ``serve`` loops until stopped; ``drive`` brings one run to its end."""

    def __init__(self, parts: SchedulerParts) -> None:
        self._parts = parts
        self._store = parts.execution
        self._executor = parts.executor
        self._clock = parts.clock
        self._runs: dict[str, ActiveRun] = {}
        self._versions: dict[str, PipelineVersion] = {}
        """Those used last, the newest use at the end."""
        self._patience = Patience(self._rest)
        self._timers = Timers()
        self._work: deque[tuple[ActiveRun, Event]] = deque()
        self._touched: dict[str, ActiveRun] = {}
        self._launches: list[Launch] = []
        self._stops: list[tuple[str, str]] = []
        self._ended: list[ActiveRun] = []
        self._driving = False
        """Nobody tells of changes then: the thread that renews the lease makes it look for a cancel."""
        self._dropped = False
        """Whether a run was left to another scheduler."""
        self._committing = False
        """Whether memory may be ahead of the store."""
        self._adopting: tuple[str, ...] = ()
        """Leased, and not yet among the runs: a large one takes a while to read."""
        self._look_at: int | None = None
        self._net_at: int | None = None
        self._awake = threading.Condition()
        self._reports: list[AttemptReport] = []
        self._lost: list[str] = []
        self._store_changed = True
        self._stopping = False
        self._keeper = LeaseKeeper(
            self._store,
            parts.clock,
            parts.owner,
            parts.lease,
            held=lambda: [*self._adopting, *self._runs],
            lost=self._leases_lost,
            renewed=self._leases_renewed,
        )

    # --- the loop ---------------------------------------------------------------------------------------------------

    def start(self) -> None:
        self._executor.start(self._report)
        self._keeper.start()

    def serve(self) -> None:
        """Until :meth:`stop`. Start-up and shutdown are the caller's: ``start``, ``serve``, ``close``."""
        self._patience.seconds = self._parts.lease / 1_000_000
        self._parts.notifier.listen(self.wake)
        while not self._stopping:
            try:
                self.step(look=True)
                seconds = self._patience.ask(self._seconds_to_next)
            except MillraceError as error:
                _log.error("a step failed; going on from what the store holds: %s", error)
                self._forget_all()
                self._rest(1.0)
            else:
                self._pause(seconds)

    def drive(self, record: PipelineRun, version: PipelineVersion) -> None:
        """Bring one run, created with its lease held by this scheduler, to its end in this thread. LeaseLost when
        another scheduler holds it in the end."""
        self._versions[version.version] = version
        self._driving = True
        try:
            self._adopt(record)
            while record.run_id in self._runs:
                self.step(look=False)
                deadline = self._clock.now() + 3_000
                ran = False
                while self._executor.pump():
                    ran = True
                    if self._clock.now() > deadline:
                        break
                if not ran and record.run_id in self._runs:
                    self._pause(self._seconds_to_next())
        except BaseException:
            self._interrupt(record.run_id)
            raise
        if self._dropped:
            raise LeaseLost(
                f"another process took run {record.run_id} over: this one was stopped for longer than its lease",
                remedy=f"It goes on there: millrace runs show {record.run_id}",
            )

    def wake(self) -> None:
        """Something changed in the store."""
        with self._awake:
            self._store_changed = True
            self._awake.notify()

    def stop(self) -> None:
        with self._awake:
            self._stopping = True
            self._awake.notify()

    def close(self) -> None:
        """Stop every attempt and give the leases back, so that another scheduler goes on at once."""
        self._keeper.close()
        held = list(self._runs)
        self._executor.close()
        if held:
            self._store.release(self._parts.owner, held)

    @property
    def active(self) -> int:
        """Runs under way here."""
        return len(self._runs)

    def step(self, *, look: bool) -> None:
        """One round. ``look``: also look into the store for runs to take, cancels and due schedules."""
        with self._awake:
            reports, self._reports = self._reports, []
            lost, self._lost = self._lost, []
            changed, self._store_changed = self._store_changed, False
        now = self._clock.now()
        for run_id in lost:
            self._drop(run_id)
        for report in reports:
            self._take_report(report)
        for run_id, place in self._timers.take_due(now):
            self._timer_due(run_id, place, now)
        looks = look and (changed or self._look_is_due(now))
        if looks:
            self._net_at = now + NET
            self._patience.ask(lambda: queue_due_runs(self._parts.pipelines, self._store, self._parts.ids, now))
            self._lease(now)
        if changed or looks:
            self._take_cancels(now)
        self._settle_work()
        self._grant(now)
        self._commit()

    # --- taking what happened ---------------------------------------------------------------------------------------

    def _report(self, reports: Sequence[AttemptReport]) -> None:
        with self._awake:
            self._reports.extend(reports)
            self._awake.notify()

    def _leases_lost(self, run_ids: Sequence[str]) -> None:
        with self._awake:
            self._lost.extend(run_ids)
            self._awake.notify()

    def _leases_renewed(self) -> None:
        if self._driving:
            self.wake()

    def _take_report(self, report: AttemptReport) -> None:
        active = self._runs.get(report.run_id)
        if active is None:
            return  # the run ended or another scheduler holds it: what the attempt did was never made live
        place = active.graph.positions[report.task_id]
        task = active.progress.tasks[place]
        attempt = active.attempts.get((place, report.token))
        current = report.token == task.token and task.state in (TaskState.QUEUED, TaskState.RUNNING)
        if current and attempt is not None:
            if report.event != "started" and report.started_at is not None and task.state is TaskState.QUEUED:
                self._apply(active, AttemptStarted(report.started_at, place, report.token))
            active.moved(attempt_after(attempt, report), place)
            if report.event == "succeeded":
                self._take_outputs(active, place, report)
        self._apply(active, event_of(report, place))

    def _take_outputs(self, active: ActiveRun, place: int, report: AttemptReport) -> None:
        ids = [self._parts.ids.new() if o.kind == "artifact" else "" for o in report.outputs]
        active.succeeded(place, report, ids)
        prepared = active.prepared.pop(place, None)
        if prepared is not None and prepared.key is not None:
            active.remember(
                CacheEntry(
                    key=prepared.key.key,
                    pipeline=active.record.pipeline,
                    task_id=report.task_id,
                    parts=prepared.key.to_json(),
                    task_run_id=active.task_run_ids[place],
                    created_at=report.at,
                )
            )

    def _timer_due(self, run_id: str, place: int, now: int) -> None:
        active = self._runs.get(run_id)
        if active is None:
            return
        if place == RUN_TIMEOUT:
            limit = (active.graph.run_timeout or 0) / 1_000_000
            self._apply(active, RunTimedOut(now, f"the run did not finish within {limit:g} s"))
        else:
            self._apply(active, RetryCameDue(now, place))

    def _take_cancels(self, now: int) -> None:
        going_on = [run_id for run_id, active in self._runs.items() if not active.record.cancel_requested]
        if not going_on:
            return
        for run_id in self._patience.ask(lambda: self._store.cancel_requests(going_on)):
            active = self._runs[run_id]
            active.record = attrs.evolve(active.record, cancel_requested=True)
            self._apply(active, CancelRequested(now, _ON_REQUEST))

    # --- taking runs ------------------------------------------------------------------------------------------------

    def _lease(self, now: int) -> None:
        room = MOST_RUNS - len(self._runs)
        if room <= 0:
            return
        leased = self._patience.ask(
            lambda: self._store.lease(self._parts.owner, now=now, ttl=self._parts.lease, limit=room, admit=self._admit)
        )
        self._adopting = tuple(record.run_id for record in leased)
        try:
            for record in leased:
                self._hold_on_or_adopt(record)
        finally:
            self._adopting = ()

    def _hold_on_or_adopt(self, record: PipelineRun) -> None:
        held = self._runs.get(record.run_id)
        if held is not None and record.lease_epoch == held.record.lease_epoch + 1:
            # This process slept (a suspended laptop) past its own lease, and nobody else took the run meanwhile.
            held.renewed(record)
            return
        self._drop(record.run_id)
        self._adopt(record)

    def _admit(self, pipeline: str, active: int) -> int:
        try:
            version = self._parts.pipelines.pipeline(pipeline).version
        except NotFoundError:  # its file is gone; what was queued before still runs
            return admit(active, DEFAULT_MAX_ACTIVE_RUNS)
        return admit(active, self._version(version).graph.max_active_runs)

    def _adopt(self, record: PipelineRun) -> None:
        now = self._clock.now()
        version = self._version(record.version)
        if record.state is RunState.QUEUED:
            record = attrs.evolve(record, state=RunState.RUNNING, started_at=now)
            active = ActiveRun(record, version, RunProgress(version.graph), seq=0)
            active.create_task_runs(self._parts.ids.new() for _ in version.graph.tasks)
            self._hold(active, now)
            self._apply(active, RunStarted(now))
            self._stop_if_due(active, now)
        else:
            self._take_over(record, version, now)

    def _take_over(self, record: PipelineRun, version: PipelineVersion, now: int) -> None:
        """Go on with a run whose scheduler is gone: its attempts of that time are lost, what had ended stays ended."""
        store, ask = self._store, self._patience.ask
        task_runs = ask(lambda: store.task_runs(record.run_id))
        progress = RunProgress.restore(version.graph, record.state, task_runs)
        active = ActiveRun(record, version, progress, seq=ask(lambda: store.last_event(record.run_id)))
        places = version.graph.positions
        by_place = {places[t.task_id]: t.task_run_id for t in task_runs}
        active.task_run_ids = [by_place[i] for i in range(len(version.graph.tasks))]
        done = {t.task_run_id: t.task_id for t in task_runs if t.state is TaskState.SUCCESS}
        outputs = ask(lambda: store.outputs(list(done)))
        attempts = ask(lambda: store.attempts(record.run_id))
        active.outputs = {task_id: outputs[task_run_id] for task_run_id, task_id in done.items()}
        self._hold(active, now)
        self._apply(active, RunResumed(now))
        self._stop_if_due(active, now)
        reason = "the scheduler that watched over this attempt went away"
        for attempt in attempts:
            if attempt.state.ended:
                continue
            place = places[attempt.task_id]
            lost = attrs.evolve(
                attempt, state=AttemptState.LOST, ended_at=now, kind=FailureKind.LOST.value, reason=reason
            )
            active.moved(lost, place)
            self._apply(active, AttemptFailed(now, place, attempt.token, FailureKind.LOST, reason))

    def _hold(self, active: ActiveRun, now: int) -> None:
        self._runs[active.run_id] = active
        if active.graph.run_timeout is not None:
            active.timeout_at = (active.record.started_at or now) + active.graph.run_timeout
            self._timers.add(active.timeout_at, active.run_id, RUN_TIMEOUT)

    def _stop_if_due(self, active: ActiveRun, now: int) -> None:
        """What was asked for, or came to pass, before this scheduler held the run: nothing more is launched then."""
        if active.record.cancel_requested:
            self._apply(active, CancelRequested(now, _ON_REQUEST))
        elif active.timeout_at is not None and active.timeout_at <= now:
            self._timer_due(active.run_id, RUN_TIMEOUT, now)

    def _version(self, version: str) -> PipelineVersion:
        found = self._versions.pop(version, None)
        if found is None:
            found = self._patience.ask(lambda: self._parts.pipelines.version(version))
        self._versions[version] = found
        if len(self._versions) > KEPT_VERSIONS:
            del self._versions[next(iter(self._versions))]
        return found

    # --- moving the runs --------------------------------------------------------------------------------------------

    def _apply(self, active: ActiveRun, event: Event) -> None:
        self._touched[active.run_id] = active
        for instruction in active.apply(event):
            self._carry_out(active, instruction)

    def _carry_out(self, active: ActiveRun, instruction: Instruction) -> None:
        match instruction:
            case OfferTask(place, use_cache):
                self._prepare(active, place, use_cache=use_cache)
            case LaunchAttempt(place, number, token):
                self._launch(active, place, number, token)
            case StopAttempt(place, token, reason):
                attempt = active.attempts.get((place, token))
                if attempt is not None:
                    self._stops.append((attempt.attempt_id, reason))
            case WakeAt(place, due_at):
                self._timers.add(due_at, active.run_id, place)
            case FenceReport(place, token):
                attempt = active.attempts.get((place, token))
                if attempt is not None:
                    active.moved(attrs.evolve(attempt, state=AttemptState.FENCED, ended_at=self._clock.now()), place)
            case EndRun(state, reason):
                active.record = attrs.evolve(active.record, state=state, reason=reason, ended_at=self._clock.now())
                self._ended.append(active)

    def _prepare(self, active: ActiveRun, place: int, *, use_cache: bool) -> None:
        """Resolve what a ready task reads, and look into the cache."""
        task = active.graph.tasks[place]
        try:
            view = RunView(active.record, active.outputs)
            resolved = self._patience.ask(lambda: resolve_inputs(task, view, self._store))
            if isinstance(resolved, Missing):
                self._work.append((active, InputsUnavailable(self._clock.now(), place, resolved.reason)))
                return
            key = cache_key(task, active.version, resolved, self._parts.source_digest) if task.cache else None
        except UsageError as error:  # a value that has no digest (NaN in JSON): the task's fault, not the run's
            self._work.append((active, InputsUnavailable(self._clock.now(), place, str(error))))
            return
        if key is not None and use_cache:
            found = key.key
            entry = self._patience.ask(lambda: self._store.cached(found))
            if entry is not None:
                made_by = entry.task_run_id
                outputs = self._patience.ask(lambda: self._store.outputs([made_by]))
                active.hit(place, entry, outputs[made_by])
                self._work.append((active, CacheHit(self._clock.now(), place, entry.task_run_id)))
                return
        active.prepared[place] = Prepared(resolved, key)
        active.ready.append(place)

    def _settle_work(self) -> None:
        while self._work:
            active, event = self._work.popleft()
            self._apply(active, event)

    def _grant(self, now: int) -> None:
        """Give the executor's free slots to ready tasks, one run after the other in turn."""
        waiting = deque(a for a in self._runs.values() if a.ready)
        if not waiting:
            return
        slots = self._executor.slots()
        while slots > 0 and waiting:
            active = waiting.popleft()
            place = active.ready.popleft()
            if active.progress.tasks[place].state is TaskState.SCHEDULED:  # else the run was stopped meanwhile
                before = len(self._launches)
                self._apply(active, SlotGranted(now, place))
                slots -= len(self._launches) - before
            if active.ready:
                waiting.append(active)

    def _launch(self, active: ActiveRun, place: int, number: int, token: int) -> None:
        task = active.graph.tasks[place]
        record = active.record
        attempt = Attempt(
            attempt_id=self._parts.ids.new(),
            task_run_id=active.task_run_ids[place],
            run_id=active.run_id,
            task_id=task.task_id,
            number=number,
            token=token,
            state=AttemptState.LAUNCHED,
            executor=self._executor.name,
            launched_at=self._clock.now(),
        )
        inputs = active.prepared[place].inputs
        uses = [
            ArtifactUse(attempt.attempt_id, artifact.artifact_id, name, index)
            for name, given in inputs.items()
            for index, artifact in enumerate(given.artifacts)
        ]
        active.launched(attempt, place, uses)
        self._launches.append(
            Launch(
                attempt_id=attempt.attempt_id,
                token=token,
                task_run_id=attempt.task_run_id,
                run_id=active.run_id,
                pipeline=record.pipeline,
                task_id=task.task_id,
                number=number,
                code=active.version.code,
                inputs=inputs,
                output_uri=f"{self._parts.artifact_root}/{record.pipeline}/{active.run_id}/{task.task_id}/{token}",
                params=record.params,
                execution_timeout=task.execution_timeout,
                logical_date=record.logical_date,
                data_interval_start=record.data_interval_start,
                data_interval_end=record.data_interval_end,
                max_tries=task.retry.retries + 1,
            )
        )

    # --- committing and acting --------------------------------------------------------------------------------------

    def _commit(self) -> None:
        self._committing = True
        touched, self._touched = self._touched, {}
        steps: Sequence[Step] = [step for active in touched.values() if (step := active.gather()) is not None]
        launches, self._launches = self._launches, []
        stops, self._stops = self._stops, []
        ended, self._ended = self._ended, []
        if steps:
            steps = self._commit_steps(steps)
        self._committing = False
        launches = [launch for launch in launches if launch.run_id in self._runs]
        if launches:
            self._executor.submit(launches)
        for attempt_id, reason in stops:
            self._executor.stop(attempt_id, reason)
        for active in ended:
            self._runs.pop(active.run_id, None)
        if self._parts.observe is not None:
            for step in steps:
                self._parts.observe(step)
        if ended:
            self._parts.notifier.notify()
            self.wake()

    def _commit_steps(self, steps: Sequence[Step]) -> Sequence[Step]:
        """Those that were committed; the runs of the others are held by another scheduler and dropped."""
        try:
            self._patience.ask(lambda: self._store.commit(steps))
        except LeaseLost:
            if len(steps) > 1:
                return [done for step in steps for done in self._commit_steps([step])]
            self._drop(steps[0].run_id)
            return []
        return steps

    def _drop(self, run_id: str) -> None:
        """Another scheduler holds the run: stop what it runs here and forget it."""
        active = self._runs.pop(run_id, None)
        if active is None:
            return
        self._dropped = True
        self._touched.pop(run_id, None)
        for attempt in active.attempts.values():
            self._executor.stop(attempt.attempt_id, "another scheduler took the run over")

    def _forget_all(self) -> None:
        """After a commit that the database refused, memory is ahead of the store: go on from the store."""
        held = list(self._runs)
        for run_id in held:
            self._drop(run_id)
        with contextlib.suppress(StorageError):  # if it cannot be told, the leases end by themselves
            self._store.release(self._parts.owner, held)
        self._work.clear()
        self._touched.clear()
        self._launches.clear()
        self._stops.clear()
        self._ended.clear()
        with self._awake:
            self._store_changed = True

    def _interrupt(self, run_id: str) -> None:
        """The thread that drives a run is being left by an exception (Ctrl-C): end the run as cancelled."""
        try:
            if self._committing:
                self._start_over(run_id)
            active = self._runs.get(run_id)
            if active is not None:
                # before the report of the attempt that was interrupted, which would otherwise end the run as failed
                self._apply(active, CancelRequested(self._clock.now(), "interrupted"))
                self._commit()
                self.step(look=False)
        except StorageError:
            self._drop(run_id)

    def _start_over(self, run_id: str) -> None:
        """Go on from what the store holds of a run."""
        self._drop(run_id)
        self._work.clear()
        self._launches.clear()
        self._stops.clear()
        self._ended.clear()
        record = self._store.run(run_id)
        if not record.state.ended:
            self._adopt(record)

    # --- waiting ----------------------------------------------------------------------------------------------------

    def _look_is_due(self, now: int) -> bool:
        return any(t is not None and t <= now for t in (self._look_at, self._net_at))

    def _seconds_to_next(self) -> float:
        """Until the next timer, due schedule, foreign lease's end, or look for what nobody told of."""
        schedule = self._parts.pipelines.next_due()
        lease = self._store.wakes_at()
        self._look_at = min((t for t in (schedule, lease) if t is not None), default=None)
        now = self._clock.now()
        times = (self._look_at, self._timers.next_due(), self._net_at, now + NET)
        return max(0.0, (min(t for t in times if t is not None) - now) / 1_000_000)

    def _pause(self, seconds: float) -> None:
        with self._awake:
            if self._reports or self._store_changed or self._lost or self._stopping:
                return
            self._awake.wait(seconds)

    def _rest(self, seconds: float) -> bool:
        """Wait whatever happens meanwhile; whether to go on."""
        with self._awake:
            return not self._awake.wait_for(lambda: self._stopping, seconds)
