"""Whole processes from a cold shell: ``millrace run``, ``millrace --help``, and what ``import millrace`` adds."""

from __future__ import annotations

import sys

from benchmarks.pipeline_files import CHAIN
from benchmarks.surroundings import COMMAND, Surroundings

_TIMED = "import time; t = time.perf_counter(); {}; print(time.perf_counter() - t)"


def measure_run(around: Surroundings) -> dict[str, list[float]]:
    cold, again = [], []
    for _ in range(around.sizes.runs):
        command = [COMMAND, "--home", str(around.new_home()), "run", f"{around.file}:{CHAIN}"]
        cold.append(around.timed(command))
        again.append(around.timed(command))
    return {"run-cold": cold, "run-again": again}


def measure_import(around: Surroundings) -> dict[str, list[float]]:
    """The package's front fetches each name when it is asked for, so the second figure is what an author waits for."""
    return {
        "import": _imported(around, "import millrace"),
        "import-names": _imported(around, "from millrace import DAG, pipeline, task"),
    }


def _imported(around: Surroundings, statement: str) -> list[float]:
    command = [sys.executable, "-c", _TIMED.format(statement)]
    return [float(around.answer(command)) for _ in range(around.sizes.runs)]


def measure_help(around: Surroundings) -> dict[str, list[float]]:
    return {"help": [around.timed([COMMAND, "--help"]) for _ in range(around.sizes.runs)]}
