"""The rules of running, one a file; each docstring says which failure it prevents.

``AFTER_FAILURE`` is asked in order what follows a failed attempt; the first answer counts.
"""

from __future__ import annotations

from millrace.core.rules.fail_at_once import FailAtOnce
from millrace.core.rules.failure import AfterFailure, Fail, Failure, Relaunch, Retry
from millrace.core.rules.relaunch_lost import RelaunchLost
from millrace.core.rules.retry_with_backoff import RetryWithBackoff
from millrace.core.rules.stay_stopped import StayStopped

AFTER_FAILURE: tuple[AfterFailure, ...] = (StayStopped(), RelaunchLost(), FailAtOnce(), RetryWithBackoff())


def after_failure(failure: Failure) -> Fail | Retry | Relaunch:
    """What follows a failed attempt: the first rule that answers decides; without an answer it has failed."""
    for rule in AFTER_FAILURE:
        verdict = rule.decide(failure)
        if verdict is not None:
            return verdict
    return Fail()


__all__ = ["AFTER_FAILURE", "AfterFailure", "Fail", "Failure", "Relaunch", "Retry", "after_failure"]
