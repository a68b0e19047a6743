"""How many queued runs of a pipeline may start."""

from __future__ import annotations


def admit(active: int, max_active_runs: int) -> int:
    """How many more runs may start while ``active`` are running.

    Prevents: a catchup or a burst of triggers that starts more runs of one pipeline than its author allowed.
    """
    return max(0, max_active_runs - active)
