"""What the platform lost, the platform launches again."""

from __future__ import annotations

from millrace.core.attempts import FailureKind
from millrace.core.rules.failure import Fail, Failure, Relaunch

LOST_LIMIT = 5
"""A task that is lost more often than this fails: it is probably what takes its host down."""


class RelaunchLost:
    """Prevents: a restart of the scheduler, or a worker that never came up, using up the user's retries or failing
    a task that never ran."""

    def decide(self, failure: Failure) -> Relaunch | Fail | None:
        if failure.kind not in (FailureKind.LOST, FailureKind.NOT_STARTED):
            return None
        uncounted = failure.token - failure.tries
        return Relaunch() if uncounted < LOST_LIMIT else Fail()
