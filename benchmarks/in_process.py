"""``.run()`` in one process, no server and no worker processes: the second run of a process that is new each time."""

from __future__ import annotations

from benchmarks.pipeline_files import CHAIN, FAN_OUT_SMALL, SINGLE
from benchmarks.surroundings import Surroundings


def measure(around: Surroundings) -> dict[str, list[float]]:
    chain, fan_out, single = [], [], []
    for _ in range(around.sizes.runs):
        chain.append(_second_run(around, CHAIN))
        fan_out.append(_second_run(around, FAN_OUT_SMALL))
        single.append(_second_run(around, SINGLE))
    count = around.sizes.fan_out_small
    task = [(many - one) / count for many, one in zip(fan_out, single, strict=True)]
    return {"in-process-chain": chain, "in-process-fan-out": fan_out, "in-process-task": task}


def _second_run(around: Surroundings, pipeline: str) -> float:
    """Milliseconds."""
    milliseconds: list[float] = around.script("in_process_script", around.file, pipeline, around.new_home(), 2)
    return milliseconds[1]
