"""A stopped run stays stopped."""

from __future__ import annotations

from millrace.core.attempts import FailureKind
from millrace.core.rules.failure import Fail, Failure


class StayStopped:
    """Prevents: a cancelled run that starts its killed tasks again because they have retries left."""

    def decide(self, failure: Failure) -> Fail | None:
        if failure.stopping or failure.kind is FailureKind.CANCELLED:
            return Fail()
        return None
