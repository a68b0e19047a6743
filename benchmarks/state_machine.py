"""The state machine alone, over a graph of layers in which every task has the same out-degree.

The shell around it is the least there can be: every task that is offered gets its slot, starts and succeeds, on a clock
that only counts. In a process of its own: ``python -m benchmarks.state_machine MANY FEW TIMES`` prints pairs of events
per second, over many tasks and over few.
"""

from __future__ import annotations

import gc
import json
import statistics
import sys
import time

from benchmarks.surroundings import Surroundings
from millrace.core.events import (
    AttemptStarted,
    AttemptSucceeded,
    EndRun,
    Event,
    LaunchAttempt,
    OfferTask,
    RunStarted,
    SlotGranted,
)
from millrace.core.graph import Graph, TaskSpec
from millrace.core.machine import handle
from millrace.core.progress import RunProgress
from millrace.core.states import RunState

LAYER = 100
OUT_DEGREE = 2
SMALL_RUNS = 21
"""A small run is over too soon to be timed once."""


def measure(around: Surroundings) -> dict[str, list[float]]:
    sizes = around.sizes
    pairs: list[list[float]] = around.script("state_machine", sizes.machine, sizes.machine_small, sizes.runs)
    return {"machine": [many for many, _ in pairs], "machine-growth": [few / many for many, few in pairs]}


def layers(tasks: int) -> Graph:
    """``tasks`` tasks in layers of :data:`LAYER`; each waits for :data:`OUT_DEGREE` of the layer above."""
    specs = []
    for place in range(tasks):
        layer, column = divmod(place, LAYER)
        above = ((layer - 1) * LAYER + (column + shift) % LAYER for shift in range(OUT_DEGREE)) if layer else ()
        specs.append(TaskSpec(f"t{place}", "nothing", "no_op:nothing", upstream=tuple(f"t{u}" for u in above)))
    return Graph("layers", tuple(specs))


def events_a_second(graph: Graph) -> float:
    """One whole run, driven to its end."""
    progress = RunProgress(graph)
    now, count, ended = 0, 0, False
    waiting: list[Event] = [RunStarted(now)]
    gc.collect()
    started = time.perf_counter()
    while waiting:
        event = waiting.pop()
        count += 1
        for instruction in handle(progress, event):
            now += 1
            if isinstance(instruction, OfferTask):
                waiting.append(SlotGranted(now, instruction.task))
            elif isinstance(instruction, LaunchAttempt):
                waiting.append(AttemptSucceeded(now, instruction.task, instruction.token))
                waiting.append(AttemptStarted(now, instruction.task, instruction.token))
            elif isinstance(instruction, EndRun):
                ended = instruction.state is RunState.SUCCESS
        progress.take_changed()
    seconds = time.perf_counter() - started
    if not ended:
        raise RuntimeError("the run did not end as success")
    return count / seconds


def main(many: str, few: str, times: str) -> None:
    large, small = layers(int(many)), layers(int(few))
    pairs = []
    for _ in range(int(times)):  # in turn, so that a machine that slows down slows both
        rate = events_a_second(large)
        pairs.append((rate, statistics.median(events_a_second(small) for _ in range(SMALL_RUNS))))
    print(json.dumps(pairs))


if __name__ == "__main__":
    main(*sys.argv[1:])
