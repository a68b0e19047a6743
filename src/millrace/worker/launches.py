"""The launches that a worker process holds but has not begun.

Invariant: a launch is either begun or given back, never both, whichever thread comes first.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Collection

from millrace.core.attempts import Launch


class LaunchQueue:
    """Filled by the thread that reads the pipe, emptied by the main thread."""

    def __init__(self) -> None:
        self._launches: deque[Launch] = deque()
        self._changed = threading.Condition()
        self._closed = False

    def put(self, launch: Launch) -> None:
        with self._changed:
            self._launches.append(launch)
            self._changed.notify()

    def take(self, *, wait: bool) -> Launch | None:
        """The next launch, which counts as begun; None if there is none or (with ``wait``) the queue was closed."""
        with self._changed:
            while wait and not self._launches and not self._closed:
                self._changed.wait()
            return self._launches.popleft() if self._launches and not self._closed else None

    def give_back(self, attempt_ids: Collection[str]) -> list[str]:
        """Those of ``attempt_ids`` that were not begun, and will not be."""
        with self._changed:
            given = [launch for launch in self._launches if launch.attempt_id in attempt_ids]
            for launch in given:
                self._launches.remove(launch)
            return [launch.attempt_id for launch in given]

    def close(self) -> None:
        """Nothing more is begun."""
        with self._changed:
            self._closed = True
            self._changed.notify()
