"""Some failures a retry cannot help."""

from __future__ import annotations

from millrace.core.attempts import FailureKind
from millrace.core.rules.failure import Fail, Failure


class FailAtOnce:
    """Prevents: hours of retries over bad input that the task itself called hopeless (``FailWithoutRetry``)."""

    def decide(self, failure: Failure) -> Fail | None:
        return Fail() if failure.kind is FailureKind.NO_RETRY else None
