"""The services of one attempt as an executor holds them: used or not, and closed when the attempt has ended.

Invariant: the tracking run of an attempt that logged ends with the attempt, whoever ended it; an attempt that asked
for nothing costs nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

from millrace.core.attempts import AttemptReport, FailureKind
from millrace.core.types import Json
from millrace.interfaces import TaskServices

_STATUS = {"succeeded": "FINISHED", "skipped": "FINISHED"}
_KILLED = frozenset({FailureKind.CANCELLED, FailureKind.SIGNALLED, FailureKind.LOST})


class AttemptServices:
    """Passes on, and remembers that it was used."""

    def __init__(self, services: TaskServices) -> None:
        self._services = services
        self._used = False

    def call(self, verb: str, arguments: Mapping[str, Json]) -> Json:
        self._used = True
        return self._services.call(verb, arguments)

    def send(self, verb: str, arguments: Mapping[str, Json]) -> None:
        self._used = True
        self._services.send(verb, arguments)

    def close(self, end: AttemptReport) -> None:
        """End the tracking run, if there is one, in MLflow's words."""
        if self._used:
            status = _STATUS.get(end.event) or ("KILLED" if end.kind in _KILLED else "FAILED")
            self._services.call("tracking.end_run", {"status": status})
