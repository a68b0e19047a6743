"""Renews the leases of active runs from a thread of its own, so that a long in-process task does not lose its run."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from millrace.core.errors import StorageError
from millrace.interfaces import Clock, ExecutionStore


class LeaseKeeper:
    """Every third of ``ttl`` (microseconds) renews what ``held()`` names; ``lost`` is told which could not be renewed,
    and ``renewed`` that it was tried.

    A renewal that the database refuses for the moment is tried again: until the lease ends nothing is lost.
    """

    def __init__(
        self,
        store: ExecutionStore,
        clock: Clock,
        owner: str,
        ttl: int,
        *,
        held: Callable[[], Sequence[str]],
        lost: Callable[[Sequence[str]], None],
        renewed: Callable[[], None],
    ) -> None:
        self._store = store
        self._clock = clock
        self._owner = owner
        self._ttl = ttl
        self._held = held
        self._lost = lost
        self._renewed = renewed
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="millrace-leases", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(self._ttl / 3_000_000):
            held = list(self._held())
            if not held:
                continue
            try:
                kept = set(self._store.renew(self._owner, held, now=self._clock.now(), ttl=self._ttl))
            except StorageError:
                continue
            gone = [run_id for run_id in held if run_id not in kept]
            if gone:
                self._lost(gone)
            self._renewed()
