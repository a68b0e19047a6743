"""What a rule about a failed attempt sees, and the verdicts it may give."""

from __future__ import annotations

from typing import Protocol

import attrs

from millrace.core.attempts import FailureKind
from millrace.core.graph import RetryPolicy


@attrs.frozen
class Failure:
    """A failed attempt. ``tries`` includes it if its user code had started; ``token`` counts every attempt."""

    kind: FailureKind
    tries: int
    token: int
    policy: RetryPolicy
    stopping: bool
    """The run is being cancelled or has timed out."""
    at: int
    jitter_seed: str
    """Stable per task run: the same failure gives the same delay on replay."""


@attrs.frozen
class Fail:
    pass


@attrs.frozen
class Retry:
    due_at: int


@attrs.frozen
class Relaunch:
    """Launch again at once; the lost attempt does not count as a try."""


class AfterFailure(Protocol):
    def decide(self, failure: Failure) -> Fail | Retry | Relaunch | None:
        """A verdict, or None to leave it to the next rule."""
