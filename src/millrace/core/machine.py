"""The state machine of a pipeline run: ``handle(run, event) -> instructions``.

Pure but for moving ``run`` in place: no I/O, no clock (events carry their time), nothing random. The same events give
the same states. An event costs the out-degree of its task, never a scan of the run.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

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
from millrace.core.progress import RunProgress, TaskProgress
from millrace.core.rules import Failure, Relaunch, Retry, after_failure
from millrace.core.rules.run_end import end_state
from millrace.core.rules.trigger_rule import Verdict, decide
from millrace.core.states import LEGAL_TASK_TRANSITIONS, RunState, TaskState, check_transition

_NOT_BEGUN = frozenset({FailureKind.LOST, FailureKind.NOT_STARTED, FailureKind.CANCELLED})


def handle(run: RunProgress, event: Event) -> list[Instruction]:
    """Move ``run`` by one event. Events for a run that has ended change nothing (but stale reports are fenced)."""
    instructions: list[Instruction] = []
    _HANDLERS[type(event)](run, event, instructions)
    return instructions


def _run_started(run: RunProgress, event: RunStarted, out: list[Instruction]) -> None:
    if run.state is not RunState.QUEUED:
        return
    run.state = RunState.RUNNING
    for place, upstream in enumerate(run.topology.upstream):
        if not upstream or run.graph.tasks[place].trigger_rule == "always":
            _decide(run, place, event.at, out)
    _end_if_done(run, out)


def _run_resumed(run: RunProgress, event: RunResumed, out: list[Instruction]) -> None:
    for place, task in enumerate(run.tasks):
        if task.state is TaskState.SCHEDULED:
            _offer(run, place, out)
        elif task.state is TaskState.UP_FOR_RETRY:
            out.append(WakeAt(place, task.due_at or event.at))
    _end_if_done(run, out)


def _slot_granted(run: RunProgress, event: SlotGranted, out: list[Instruction]) -> None:
    task = run.tasks[event.task]
    if task.state is not TaskState.SCHEDULED or run.ending is not None:
        return
    _move(run, event.task, TaskState.QUEUED)
    task.token += 1
    task.queued_at = event.at
    task.started_at = task.ended_at = None
    run.active += 1
    out.append(LaunchAttempt(event.task, task.tries + 1, task.token))


def _cache_hit(run: RunProgress, event: CacheHit, out: list[Instruction]) -> None:
    task = run.tasks[event.task]
    if task.state is not TaskState.SCHEDULED:
        return
    task.cached_from = event.cached_from
    task.queued_at = task.started_at = event.at
    task.reason = "taken from the cache"
    _settle(run, event.task, TaskState.SUCCESS, event.at, out)


def _inputs_unavailable(run: RunProgress, event: InputsUnavailable, out: list[Instruction]) -> None:
    task = run.tasks[event.task]
    if task.state is not TaskState.SCHEDULED:
        return
    task.reason = event.reason
    _settle(run, event.task, TaskState.FAILED, event.at, out)


def _attempt_started(run: RunProgress, event: AttemptStarted, out: list[Instruction]) -> None:
    task = run.tasks[event.task]
    if event.token != task.token:
        out.append(FenceReport(event.task, event.token))
    elif task.state is TaskState.QUEUED:
        _start(run, event.task, event.at)


def _attempt_succeeded(run: RunProgress, event: AttemptSucceeded, out: list[Instruction]) -> None:
    if _current(run, event.task, event.token, event.at, out):
        run.tasks[event.task].reason = ""
        _settle(run, event.task, TaskState.SUCCESS, event.at, out)


def _attempt_skipped(run: RunProgress, event: AttemptSkipped, out: list[Instruction]) -> None:
    if _current(run, event.task, event.token, event.at, out):
        run.tasks[event.task].reason = event.reason
        _settle(run, event.task, TaskState.SKIPPED, event.at, out)


def _attempt_failed(run: RunProgress, event: AttemptFailed, out: list[Instruction]) -> None:
    place, task = event.task, run.tasks[event.task]
    if event.token != task.token or task.state not in (TaskState.QUEUED, TaskState.RUNNING):
        out.append(FenceReport(place, event.token))
        return
    if task.state is TaskState.QUEUED and event.kind not in _NOT_BEGUN:
        _start(run, place, event.at)  # it ended so soon that its start was not reported: it counts as a try
    run.active -= 1
    task.reason = event.reason
    spec = run.graph.tasks[place]
    verdict = after_failure(
        Failure(
            kind=event.kind,
            tries=task.tries,
            token=task.token,
            policy=spec.retry,
            stopping=run.ending is not None,
            at=event.at,
            jitter_seed=spec.task_id,
        )
    )
    if isinstance(verdict, Relaunch):
        if task.state is TaskState.RUNNING:
            task.tries -= 1
        _move(run, place, TaskState.SCHEDULED)
        _offer(run, place, out)
    elif isinstance(verdict, Retry):
        _move(run, place, TaskState.UP_FOR_RETRY)
        task.due_at = verdict.due_at
        out.append(WakeAt(place, verdict.due_at))
    else:
        _settle(run, place, TaskState.FAILED, event.at, out)


def _retry_came_due(run: RunProgress, event: RetryCameDue, out: list[Instruction]) -> None:
    task = run.tasks[event.task]
    if task.state is TaskState.UP_FOR_RETRY:
        task.due_at = None
        _move(run, event.task, TaskState.SCHEDULED)
        _offer(run, event.task, out)


def _cancel_requested(run: RunProgress, event: CancelRequested, out: list[Instruction]) -> None:
    _stop(run, RunState.CANCELLED, event.reason, event.at, out)


def _run_timed_out(run: RunProgress, event: RunTimedOut, out: list[Instruction]) -> None:
    _stop(run, RunState.FAILED, event.reason, event.at, out)


# --- steps shared by the handlers -----------------------------------------------------------------------------------


def _move(run: RunProgress, place: int, state: TaskState) -> None:
    task = run.tasks[place]
    if state not in LEGAL_TASK_TRANSITIONS[task.state]:
        check_transition(task.state, state, run.graph.tasks[place].task_id)
    task.state = state
    run.changed.add(place)


def _start(run: RunProgress, place: int, at: int) -> None:
    task = run.tasks[place]
    _move(run, place, TaskState.RUNNING)
    task.tries += 1
    task.started_at = at


def _current(run: RunProgress, place: int, token: int, at: int, out: list[Instruction]) -> bool:
    """Whether a report of an end is about the attempt that is under way; else it is fenced."""
    task = run.tasks[place]
    if token != task.token or task.state not in (TaskState.QUEUED, TaskState.RUNNING):
        out.append(FenceReport(place, token))
        return False
    if task.state is TaskState.QUEUED:
        _start(run, place, at)
    run.active -= 1
    return True


def _offer(run: RunProgress, place: int, out: list[Instruction]) -> None:
    out.append(OfferTask(place, use_cache=run.graph.tasks[place].cache and run.tasks[place].tries == 0))


def _decide(run: RunProgress, place: int, at: int, out: list[Instruction]) -> None:
    """Apply the trigger rule to a task that has not begun."""
    task = run.tasks[place]
    if task.state is not TaskState.NONE or run.ending is not None:
        return
    verdict = decide(run.graph.tasks[place].trigger_rule, task, len(run.topology.upstream[place]))
    if verdict is Verdict.RUN:
        _move(run, place, TaskState.SCHEDULED)
        _offer(run, place, out)
    elif verdict is Verdict.SKIP:
        task.reason = "skipped by its trigger rule: " + run.graph.tasks[place].trigger_rule
        _settle(run, place, TaskState.SKIPPED, at, out)
    elif verdict is Verdict.UPSTREAM_FAILED:
        task.reason = "an upstream task failed"
        _settle(run, place, TaskState.UPSTREAM_FAILED, at, out)


def _settle(run: RunProgress, place: int, state: TaskState, at: int, out: list[Instruction]) -> None:
    """End a task and carry the news downstream, as far as it decides anything. A stack, not recursion: chains are
    long."""
    news = [(place, state)]
    while news:
        here, final = news.pop()
        task = run.tasks[here]
        if task.state.ended:
            continue
        _move(run, here, final)
        task.ended_at = at
        run.unfinished -= 1
        for down in run.topology.downstream[here]:
            below = run.tasks[down]
            below.count(final)
            if below.state is not TaskState.NONE or run.ending is not None:
                continue
            _carry(run, down, below, news, out)
    _end_if_done(run, out)


def _carry(
    run: RunProgress, down: int, below: TaskProgress, news: list[tuple[int, TaskState]], out: list[Instruction]
) -> None:
    rule = run.graph.tasks[down].trigger_rule
    verdict = decide(rule, below, len(run.topology.upstream[down]))
    if verdict is Verdict.RUN:
        _move(run, down, TaskState.SCHEDULED)
        _offer(run, down, out)
    elif verdict is Verdict.SKIP:
        below.reason = "skipped by its trigger rule: " + rule
        news.append((down, TaskState.SKIPPED))
    elif verdict is Verdict.UPSTREAM_FAILED:
        below.reason = "an upstream task failed"
        news.append((down, TaskState.UPSTREAM_FAILED))


def _stop(run: RunProgress, state: RunState, reason: str, at: int, out: list[Instruction]) -> None:
    """Stop what runs, skip what has not begun; the run ends when nothing is alive any more."""
    if run.state.ended or run.ending is not None:
        return
    run.ending, run.ending_reason = state, reason
    for place, task in enumerate(run.tasks):
        if task.state in (TaskState.QUEUED, TaskState.RUNNING):
            out.append(StopAttempt(place, task.token, reason))
        elif not task.state.ended:
            task.reason = reason
            task.ended_at = at
            task.due_at = None
            _move(run, place, TaskState.SKIPPED)
            run.unfinished -= 1
    _end_if_done(run, out)


def _end_if_done(run: RunProgress, out: list[Instruction]) -> None:
    if run.unfinished or run.state.ended:
        return
    state, reason = (run.ending, run.ending_reason) if run.ending is not None else end_state(run)
    run.state, run.reason = state, reason
    out.append(EndRun(state, reason))


_HANDLERS: dict[type, Callable[[RunProgress, Any, list[Instruction]], None]] = {
    RunStarted: _run_started,
    RunResumed: _run_resumed,
    SlotGranted: _slot_granted,
    CacheHit: _cache_hit,
    InputsUnavailable: _inputs_unavailable,
    AttemptStarted: _attempt_started,
    AttemptSucceeded: _attempt_succeeded,
    AttemptSkipped: _attempt_skipped,
    AttemptFailed: _attempt_failed,
    RetryCameDue: _retry_came_due,
    CancelRequested: _cancel_requested,
    RunTimedOut: _run_timed_out,
}
