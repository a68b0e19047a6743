"""Trigger rules: whether a task runs, given how its direct upstreams ended.

Prevents: a task that starts before it may, and one that waits although nothing can change its fate any more. Each
rule is a function of counts, so it costs the same for one upstream and for ten thousand. Semantics: Airflow 3.
"""

from __future__ import annotations

import enum
from collections.abc import Callable

from millrace.core.progress import TaskProgress


class Verdict(enum.Enum):
    WAIT = "wait"
    RUN = "run"
    SKIP = "skip"
    UPSTREAM_FAILED = "upstream_failed"


WAIT, RUN, SKIP, UPSTREAM_FAILED = Verdict.WAIT, Verdict.RUN, Verdict.SKIP, Verdict.UPSTREAM_FAILED


def _all_success(t: TaskProgress, n: int) -> Verdict:
    if t.failed or t.upstream_failed:
        return UPSTREAM_FAILED
    if t.skipped:
        return SKIP
    return RUN if t.succeeded == n else WAIT


def _all_failed(t: TaskProgress, n: int) -> Verdict:
    if t.succeeded or t.skipped:
        return SKIP
    return RUN if t.failed + t.upstream_failed == n else WAIT


def _all_done(t: TaskProgress, n: int) -> Verdict:
    return RUN if t.done == n else WAIT


def _all_done_min_one_success(t: TaskProgress, n: int) -> Verdict:
    if t.done < n:
        return WAIT
    if t.succeeded:
        return RUN
    return UPSTREAM_FAILED if t.failed or t.upstream_failed else SKIP


def _all_skipped(t: TaskProgress, n: int) -> Verdict:
    if t.succeeded or t.failed or t.upstream_failed:
        return SKIP
    return RUN if t.skipped == n else WAIT


def _one_success(t: TaskProgress, n: int) -> Verdict:
    if t.succeeded:
        return RUN
    if t.done < n:
        return WAIT
    return SKIP if t.skipped == n else UPSTREAM_FAILED


def _one_failed(t: TaskProgress, n: int) -> Verdict:
    if t.failed or t.upstream_failed:
        return RUN
    return SKIP if t.done == n else WAIT


def _one_done(t: TaskProgress, n: int) -> Verdict:
    if t.succeeded or t.failed:
        return RUN
    return SKIP if t.done == n else WAIT


def _none_failed(t: TaskProgress, n: int) -> Verdict:
    if t.failed or t.upstream_failed:
        return UPSTREAM_FAILED
    return RUN if t.done == n else WAIT


def _none_failed_min_one_success(t: TaskProgress, n: int) -> Verdict:
    if t.failed or t.upstream_failed:
        return UPSTREAM_FAILED
    if t.done < n:
        return WAIT
    return RUN if t.succeeded else SKIP


def _none_skipped(t: TaskProgress, n: int) -> Verdict:
    if t.skipped:
        return SKIP
    return RUN if t.done == n else WAIT


def _always(_t: TaskProgress, _n: int) -> Verdict:
    return RUN


TRIGGER_RULES: dict[str, Callable[[TaskProgress, int], Verdict]] = {
    "all_success": _all_success,
    "all_failed": _all_failed,
    "all_done": _all_done,
    "all_done_min_one_success": _all_done_min_one_success,
    "all_skipped": _all_skipped,
    "one_success": _one_success,
    "one_failed": _one_failed,
    "one_done": _one_done,
    "none_failed": _none_failed,
    "none_failed_min_one_success": _none_failed_min_one_success,
    "none_skipped": _none_skipped,
    "always": _always,
}
"""By name. ``all_done_setup_success`` comes with setup and teardown tasks."""


def decide(rule: str, task: TaskProgress, upstreams: int) -> Verdict:
    """Whether a task with ``upstreams`` direct upstreams runs. Without any it does, whatever the rule."""
    if upstreams == 0:
        return RUN
    return TRIGGER_RULES[rule](task, upstreams)
