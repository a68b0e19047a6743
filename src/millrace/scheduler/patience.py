"""Asks the database again while it refuses: one that restarts, or ends a deadlock, costs time and not attempts.

Invariant: for no longer in all than a lease lasts; after that another scheduler may hold what is held here.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

from millrace.core.errors import StorageError

_log = logging.getLogger("millrace.scheduler")
_T = TypeVar("_T")

_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 1.0


class Patience:
    """``rest(seconds)`` waits, and says whether it is worth to go on (it is not when the scheduler is to stop)."""

    def __init__(self, rest: Callable[[float], bool]) -> None:
        self.seconds = 0.0
        """How long in all; 0 where a person waits for the answer."""
        self._rest = rest

    def ask(self, work: Callable[[], _T]) -> _T:
        """What ``work``, all of which the database does or refuses, gives. The last StorageError when it stays so."""
        pause, waited = _FIRST_PAUSE, 0.0
        while True:
            try:
                return work()
            except StorageError as error:
                if waited >= self.seconds or not self._rest(pause):
                    raise
                _log.warning("the database refuses; asking again: %s", error)
            waited += pause
            pause = min(2 * pause, _LONGEST_PAUSE)
