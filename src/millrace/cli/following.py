"""Following a run that somebody else executes, until it has ended."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from millrace.cli.progress import Progress
from millrace.cli.times import microseconds_of
from millrace.core.types import Json

if TYPE_CHECKING:
    from millrace.interfaces import Operations

LOOK = 0.3
"""Seconds between two looks at a run whose progress is shown."""
LONG_WAIT = 3600.0
HINT_AFTER = 5.0
"""Seconds that a run may stay queued before we say what it may be waiting for."""


def wait_quietly(operations: Operations, run_id: str) -> Json:
    """The run's document once it has ended."""
    document = _wait_for_start(operations, run_id)
    while document["ended_at"] is None:
        document = operations.wait(run_id, LONG_WAIT)
    return document


def follow_run(operations: Operations, run_id: str, progress: Progress) -> Json:
    """The same, telling ``progress`` of each change."""
    teller = RunTeller(progress)
    hint_at = time.monotonic() + HINT_AFTER
    while True:
        document = operations.run(run_id)
        teller.tell(document)
        if document["ended_at"] is not None:
            return document
        if document["state"] == "queued" and time.monotonic() >= hint_at:
            _hint(run_id)
            hint_at = float("inf")
        operations.wait(run_id, LOOK)


class RunTeller:
    """Tells a progress what changed from one document of a run to the next."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._told: dict[str, tuple[str | None, str, str]] = {}

    def tell(self, document: Json) -> None:
        """The run's document with its tasks; what was told before is not told again."""
        if document["ended_at"] is None:
            self._progress.on_run(document)
        moves: list[tuple[int, str, str, str]] = []
        for task in document["tasks"]:
            note = task["reason"] or ("from the cache" if task["cached_from"] else "")
            now = (task["started_at"], task["state"], note)
            before = self._told.get(task["task_id"], (None, "none", ""))
            if now == before:
                continue
            self._told[task["task_id"]] = now
            if task["started_at"] is not None and task["started_at"] != before[0]:
                moves.append((microseconds_of(task["started_at"]), task["task_id"], "running", ""))
            if task["state"] != "running":
                at = task["ended_at"] or task["started_at"] or task["queued_at"] or document["queued_at"]
                moves.append((microseconds_of(at), task["task_id"], task["state"], note))
        for at, task_id, state, note in sorted(moves, key=lambda move: move[0]):
            self._progress.on_task(task_id, state, at, note)
        if document["ended_at"] is not None:
            self._progress.on_run(document)


def _wait_for_start(operations: Operations, run_id: str) -> Json:
    document = operations.wait(run_id, HINT_AFTER)
    if document["state"] == "queued":
        _hint(run_id)
    return document


def _hint(run_id: str) -> None:
    print(
        f"run {run_id} is still queued: is `millrace up` running for this home folder, with room for another run?",
        file=sys.stderr,
    )
