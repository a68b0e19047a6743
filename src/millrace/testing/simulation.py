"""A whole pipeline run against the pure machine: a fake clock, random outcomes, random crashes, no I/O.

It plays the shell: grants slots, ends attempts, fires timers, and now and then loses the scheduler and restores it from
what a store would hold. Everything is drawn from one ``random.Random``, so a seed is a whole history.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

import attrs

from millrace.core.attempts import FailureKind
from millrace.core.events import (
    AttemptFailed,
    AttemptSkipped,
    AttemptStarted,
    AttemptSucceeded,
    CacheHit,
    CancelRequested,
    EndRun,
    Event,
    LaunchAttempt,
    OfferTask,
    RetryCameDue,
    RunResumed,
    RunStarted,
    SlotGranted,
    StopAttempt,
    WakeAt,
)
from millrace.core.graph import Graph
from millrace.core.machine import handle
from millrace.core.progress import RunProgress
from millrace.core.records import TaskRun
from millrace.core.states import TaskState


@attrs.frozen
class Chances:
    """Probabilities of what may happen, each in [0, 1]."""

    fail: float = 0.15
    skip: float = 0.05
    no_retry: float = 0.02
    lost: float = 0.05
    cache: float = 0.05
    crash: float = 0.0
    cancel: float = 0.0


@attrs.define
class _Live:
    place: int
    token: int
    started: bool = False
    stopping: bool = False


@attrs.define
class History:
    """What happened. ``starts``: task id and the states of its upstreams when user code began."""

    events: list[Event] = attrs.field(factory=list)
    starts: list[tuple[str, tuple[TaskState, ...]]] = attrs.field(factory=list)
    successes: list[str] = attrs.field(factory=list)
    crashes: int = 0


class Simulation:
    """``run()`` plays one history to its end and leaves ``progress`` and ``history``."""

    def __init__(self, graph: Graph, rng: random.Random, chances: Chances | None = None, *, slots: int = 4) -> None:
        self.graph = graph
        self.history = History()
        self.progress = RunProgress(graph)
        self._rng = rng
        self._chances = chances or Chances()
        self._slots = slots
        self._now = 1_000_000
        self._ready: list[int] = []
        self._live: list[_Live] = []
        self._stale: list[_Live] = []
        self._timers: list[tuple[int, int]] = []
        self._ended = False

    def run(self) -> RunProgress:
        self._send(RunStarted(self._now))
        while not self._ended:
            self._now += 1_000
            if not self._act():
                raise AssertionError(f"nothing can happen, and the run has not ended: {states(self.progress)}")
        return self.progress

    def _act(self) -> bool:
        """One random thing that can happen now."""
        if self._rng.random() < self._chances.crash:
            self._crash()
            return True
        if self._rng.random() < self._chances.cancel:
            self._send(CancelRequested(self._now, "cancelled on request"))
            return True
        if self._stale and self._rng.random() < 0.3:
            stale = self._stale.pop(self._rng.randrange(len(self._stale)))
            self._send(AttemptSucceeded(self._now, stale.place, stale.token))
            return True
        actions = []
        if self._ready and len(self._live) < self._slots:
            actions.append(self._grant)
        if self._live:
            actions.append(self._move_attempt)
        if self._timers:
            actions.append(self._fire)
        if not actions:
            return False
        self._rng.choice(actions)()
        return True

    def _grant(self) -> None:
        place = self._ready.pop(self._rng.randrange(len(self._ready)))
        self._send(SlotGranted(self._now, place))

    def _fire(self) -> None:
        self._timers.sort()
        due_at, place = self._timers.pop(0)
        self._now = max(self._now, due_at)
        self._send(RetryCameDue(self._now, place))

    def _move_attempt(self) -> None:
        live = self._rng.choice(self._live)
        if live.stopping:
            self._end(live, AttemptFailed(self._now, live.place, live.token, FailureKind.CANCELLED, "stopped"))
        elif not live.started and self._rng.random() < self._chances.lost:
            self._end(live, AttemptFailed(self._now, live.place, live.token, FailureKind.NOT_STARTED, "no worker"))
        elif not live.started:
            live.started = True
            upstream = tuple(self.progress.tasks[u].state for u in self.graph.topology.upstream[live.place])
            self.history.starts.append((self.graph.tasks[live.place].task_id, upstream))
            self._send(AttemptStarted(self._now, live.place, live.token))
        else:
            self._end(live, self._outcome(live))

    def _outcome(self, live: _Live) -> Event:
        draw = self._rng.random()
        chances = self._chances
        for chance, kind in ((chances.fail, FailureKind.RAISED), (chances.no_retry, FailureKind.NO_RETRY)):
            if draw < chance:
                return AttemptFailed(self._now, live.place, live.token, kind, "failed")
            draw -= chance
        if draw < chances.skip:
            return AttemptSkipped(self._now, live.place, live.token, "skipped")
        self.history.successes.append(self.graph.tasks[live.place].task_id)
        return AttemptSucceeded(self._now, live.place, live.token)

    def _end(self, live: _Live, event: Event) -> None:
        self._live.remove(live)
        self._send(event)

    def _crash(self) -> None:
        """The scheduler dies; another restores the run from its stored task runs and reports the live attempts lost."""
        self.history.crashes += 1
        ending = self.progress.ending
        self.progress = RunProgress.restore(self.graph, self.progress.state, stored(self.progress))
        lost, self._live = self._live, []
        self._stale.extend(lost)
        self._ready.clear()
        self._timers.clear()
        self._send(RunResumed(self._now))
        if ending is not None:  # the request is in the store, so the next scheduler finds it
            self._send(CancelRequested(self._now, "cancelled on request"))
        for live in lost:
            self._send(AttemptFailed(self._now, live.place, live.token, FailureKind.LOST, "the scheduler went away"))

    def _send(self, event: Event) -> None:
        self.history.events.append(event)
        for instruction in handle(self.progress, event):
            match instruction:
                case OfferTask(place, use_cache):
                    self._offer(place, use_cache=use_cache)
                case LaunchAttempt(place, _, token):
                    self._live.append(_Live(place, token))
                case StopAttempt(place, token):
                    for live in self._live:
                        if (live.place, live.token) == (place, token):
                            live.stopping = True
                case WakeAt(place, due_at):
                    self._timers.append((due_at, place))
                case EndRun():
                    self._ended = True

    def _offer(self, place: int, *, use_cache: bool) -> None:
        if use_cache and self._rng.random() < self._chances.cache:
            self._send(CacheHit(self._now, place, "another task run"))
        else:
            self._ready.append(place)


def stored(progress: RunProgress) -> list[TaskRun]:
    """The task runs that a store holds for this progress."""
    return [progress.task_run(i, run_id="run", task_run_id=str(i)) for i in range(len(progress.tasks))]


def replay(graph: Graph, events: Sequence[Event]) -> RunProgress:
    """The progress that a log of events stands for."""
    progress = RunProgress(graph)
    for event in events:
        handle(progress, event)
    return progress


def states(progress: RunProgress) -> dict[str, str]:
    """Task id -> state."""
    return {t.task_id: p.state.value for t, p in zip(progress.graph.tasks, progress.tasks, strict=True)}
