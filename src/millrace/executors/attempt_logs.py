"""Writes to the log store without ever failing an attempt: a full disk costs log lines, not runs."""

from __future__ import annotations

import logging

from millrace.core.errors import StorageError
from millrace.interfaces import LogStore

_log = logging.getLogger(__name__)


class AttemptLogs:
    """Appends; what cannot be written is lost, and said once for each attempt in the platform's own log."""

    def __init__(self, logs: LogStore) -> None:
        self._logs = logs
        self._failing: str | None = None

    def append(self, attempt_id: str, lines: list[str]) -> None:
        try:
            self._logs.append(attempt_id, lines)
        except (StorageError, OSError) as error:
            if self._failing != attempt_id:
                self._failing = attempt_id
                _log.warning("the log of attempt %s is incomplete: %s", attempt_id, error)
