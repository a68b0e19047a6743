"""``millrace up``: how long until it is healthy, and what it costs while nothing happens."""

from __future__ import annotations

import time

from benchmarks.pipeline_files import CHAIN
from benchmarks.process_costs import cpu_seconds, family, proportional_bytes
from benchmarks.service import running_service
from benchmarks.surroundings import Surroundings


def measure_healthy(around: Surroundings) -> dict[str, list[float]]:
    """Each in a new home: the database is made too."""
    seconds = []
    for _ in range(around.sizes.runs):
        with running_service(around) as service:
            seconds.append(service.seconds_to_healthy)
    return {"up-healthy": seconds}


def measure_idle(around: Surroundings) -> dict[str, list[float]]:
    """After one run, so that the workers are as warm as they get. In three spans: a median of CPU."""
    shares, memory = [], []
    with running_service(around) as service:
        service.run(CHAIN)
        time.sleep(around.sizes.settle)
        pids = family(service.process.pid)
        for _ in range(3):
            before, started = cpu_seconds(pids), time.perf_counter()
            time.sleep(around.sizes.idle)
            shares.append(100 * (cpu_seconds(pids) - before) / (time.perf_counter() - started))
            memory.append(proportional_bytes(pids) / 1e6)
    return {"idle-cpu": shares, "idle-memory": memory}
