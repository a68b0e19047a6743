"""From an executor's report to an event of the machine, and to the attempt's own record."""

from __future__ import annotations

import attrs

from millrace.core.attempts import AttemptReport, FailureKind
from millrace.core.events import AttemptFailed, AttemptSkipped, AttemptStarted, AttemptSucceeded, Event
from millrace.core.records import Attempt
from millrace.core.states import AttemptState


def event_of(report: AttemptReport, place: int) -> Event:
    match report.event:
        case "started":
            return AttemptStarted(report.at, place, report.token)
        case "succeeded":
            return AttemptSucceeded(report.at, place, report.token)
        case "skipped":
            return AttemptSkipped(report.at, place, report.token, report.reason)
        case _:
            kind = report.kind or FailureKind.RAISED
            return AttemptFailed(report.at, place, report.token, kind, report.reason)


def attempt_after(attempt: Attempt, report: AttemptReport) -> Attempt:
    """The attempt's record once ``report`` is taken."""
    started_at = attempt.started_at or report.started_at
    if report.event == "started":
        return attrs.evolve(
            attempt, state=AttemptState.RUNNING, started_at=report.at, worker=report.worker or attempt.worker
        )
    if report.event in ("succeeded", "skipped"):
        state = AttemptState.SUCCEEDED
    else:
        state = (report.kind or FailureKind.RAISED).attempt_state
    return attrs.evolve(
        attempt,
        state=state,
        started_at=started_at,
        ended_at=report.at,
        kind=None if report.kind is None else report.kind.value,
        reason=report.reason,
        detail=report.detail,
        exit_code=report.exit_code,
        usage=report.usage,
        worker=report.worker or attempt.worker,
    )
