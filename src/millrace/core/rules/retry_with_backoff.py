"""Retries, with a fixed or a growing delay."""

from __future__ import annotations

import hashlib

from millrace.core.graph import RetryPolicy
from millrace.core.rules.failure import Failure, Retry


class RetryWithBackoff:
    """Prevents: a passing fault that ends a run; and, by growing and spread delays, retries that keep the fault
    alive."""

    def decide(self, failure: Failure) -> Retry | None:
        if failure.tries > failure.policy.retries:
            return None
        return Retry(failure.at + retry_delay(failure.policy, failure.tries, failure.jitter_seed))


def retry_delay(policy: RetryPolicy, tries: int, seed: str) -> int:
    """Microseconds to wait after the ``tries``-th try failed.

    Exponential: ``delay * 2**(tries - 1)``, spread by up to its own length (as Airflow: a hash of the task run gives
    a stable fraction), at most ``max_delay``.
    """
    if not policy.exponential:
        return policy.delay
    grown = policy.delay << min(max(tries, 1) - 1, 40)
    fraction = int.from_bytes(hashlib.blake2b(f"{seed}#{tries}".encode(), digest_size=4).digest(), "big") / 2**32
    return min(int(grown * (1 + fraction)), policy.max_delay)
