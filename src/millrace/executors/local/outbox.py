"""The reports of one turn of the loop, and the ends that are not ready to go out.

Invariant: the end of an attempt goes out once, after its log is complete and after everything it asked of the platform
is done. A start whose end goes out in the same turn is left out; the end carries its time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import attrs

from millrace.core.attempts import AttemptReport, FailureKind, Launch
from millrace.core.types import Json
from millrace.executors.local.service_lanes import ServiceLanes
from millrace.interfaces import Clock, TaskServices

Report = Callable[[Sequence[AttemptReport]], None]


class Outbox:
    """Used on the loop's thread only, but for :attr:`open`, which others read and add to."""

    def __init__(
        self,
        report: Report,
        clock: Clock,
        services_for: Callable[[Launch], TaskServices],
        *,
        post: Callable[[Callable[[], None]], None],
        reply: Callable[[str, Json], None],
    ) -> None:
        self._report = report
        self._clock = clock
        self._reports: list[AttemptReport] = []
        self._awaiting_log: dict[str, AttemptReport] = {}
        self._logged: set[str] = set()
        """Attempts whose log is complete and whose end has not come."""
        self._lanes = ServiceLanes(services_for, post=post, reply=reply, ended=self._forward)
        self.open: set[str] = set()
        """Attempts that were submitted and have not ended."""

    @property
    def empty(self) -> bool:
        return not (self._reports or self._awaiting_log or self._lanes.busy)

    def deliver(self) -> None:
        """All reports of this turn, in one call."""
        if not self._reports:
            return
        reports, self._reports = self._reports, []
        ended = {r.attempt_id for r in reports if r.event != "started"}
        self._report([r for r in reports if r.event != "started" or r.attempt_id not in ended])

    def close(self) -> None:
        self._lanes.close()

    def asked(self, launch: Launch, document: Json) -> None:
        """The running attempt calls the platform."""
        self._lanes.add(launch, document)

    def started(self, launch: Launch, at: int, worker: str) -> None:
        self._reports.append(_report(launch, "started", at, worker))

    def refused(self, launch: Launch, kind: FailureKind, reason: str, detail: str = "") -> None:
        """The end of a launch that never began."""
        end = _report(launch, "failed", self._clock.now(), "")
        self._forward(attrs.evolve(end, kind=kind, reason=reason, detail=detail))

    def vanished(
        self,
        launch: Launch,
        kind: FailureKind,
        reason: str,
        *,
        worker: str,
        exit_code: int | None,
        started_at: int | None,
    ) -> None:
        """The end of an attempt whose process is gone; all it printed is read."""
        end = _report(launch, "failed", self._clock.now(), worker)
        self._lanes.end(attrs.evolve(end, kind=kind, reason=reason, exit_code=exit_code, started_at=started_at))

    def ended(self, end: AttemptReport) -> bool:
        """The end as the worker reports it. Whether its log is complete."""
        if end.attempt_id in self._logged:
            self._logged.remove(end.attempt_id)
            self._lanes.end(end)
            return True
        self._awaiting_log[end.attempt_id] = end
        return False

    def awaits_log(self, attempt_id: str) -> bool:
        return attempt_id in self._awaiting_log

    def log_complete(self, attempt_ids: Iterable[str]) -> None:
        for attempt_id in attempt_ids:
            end = self._awaiting_log.pop(attempt_id, None)
            if end is None:
                self._logged.add(attempt_id)
            else:
                self._lanes.end(end)

    def _forward(self, end: AttemptReport) -> None:
        self.open.discard(end.attempt_id)
        self._reports.append(end)


def _report(launch: Launch, event: str, at: int, worker: str) -> AttemptReport:
    return AttemptReport(launch.attempt_id, launch.token, launch.run_id, launch.task_id, event, at, worker=worker)
