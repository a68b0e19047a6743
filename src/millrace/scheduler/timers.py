"""Due times in a heap: one sleep until the next, no polling."""

from __future__ import annotations

import heapq


class Timers:
    """Due times of ``(run_id, place)``; ``place`` -1 is the run's own timeout. A timer whose reason is gone is
    harmless:
    the machine ignores the event."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, str, int]] = []

    def add(self, due_at: int, run_id: str, place: int) -> None:
        heapq.heappush(self._heap, (due_at, run_id, place))

    def next_due(self) -> int | None:
        return self._heap[0][0] if self._heap else None

    def take_due(self, now: int) -> list[tuple[str, int]]:
        due = []
        while self._heap and self._heap[0][0] <= now:
            _, run_id, place = heapq.heappop(self._heap)
            due.append((run_id, place))
        return due
