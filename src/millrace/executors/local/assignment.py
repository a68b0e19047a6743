"""Which worker takes the next launch, and how many launches may wait inside a worker. Pure: it only looks.

A worker keeps to one pipeline version, so that no code of another version is loaded in it. Launches wait inside a
worker only while attempts are short: then the gap between an end and the next launch costs more than the attempt.
"""

from __future__ import annotations

from collections.abc import Iterable

from millrace.executors.local.workers import PREFETCH_PATIENCE, Worker

_DEPTHS = ((0.002, 4), (0.01, 2), (PREFETCH_PATIENCE, 1))
_WEIGHT = 0.2


def prefetch_depth(average: float | None) -> int:
    """Launches that may wait in each worker when attempts lately took ``average`` seconds."""
    if average is None:
        return 0
    return next((depth for limit, depth in _DEPTHS if average <= limit), 0)


def moving_average(average: float | None, seconds: float) -> float:
    """Exponentially weighted. One long attempt ends the prefetching for a while."""
    return seconds if average is None else (1 - _WEIGHT) * average + _WEIGHT * seconds


def idle_worker(workers: Iterable[Worker], version: str, recycle_after: int) -> Worker | None:
    """One that has loaded ``version``, else one that has loaded nothing yet."""
    fresh: Worker | None = None
    for worker in workers:
        if worker.idle and worker.given < recycle_after:
            if worker.version == version:
                return worker
            if worker.version is None:
                fresh = fresh or worker
    return fresh


def busy_worker(workers: Iterable[Worker], version: str, depth: int, recycle_after: int, now: float) -> Worker | None:
    """The one to let a launch wait in: the least filled of those whose attempt began a moment ago."""
    best: Worker | None = None
    for worker in workers:
        if (
            worker.version == version
            and worker.running is not None
            and worker.ending is None
            and worker.leaving_until is None
            and not worker.revoking
            and len(worker.prefetched) < depth
            and worker.given < recycle_after
            and now - worker.running.begun < PREFETCH_PATIENCE
            and (best is None or len(worker.prefetched) < len(best.prefetched))
        ):
            best = worker
    return best


def worker_to_recycle(workers: Iterable[Worker], recycle_after: int) -> Worker | None:
    """The idle worker that was not used for longest: of another version, or with its number of attempts done.

    For a launch that :func:`idle_worker` found nobody for.
    """
    idle = [w for w in workers if w.idle and (w.version is not None or w.given >= recycle_after)]
    return min(idle, key=lambda w: w.idle_since, default=None)
