"""What is measured, and what each figure must reach: the one table of both."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import attrs


@attrs.frozen
class Figure:
    """One measured quantity. ``bar`` is what it must reach; None for one that is shown for information only."""

    name: str
    what: str
    unit: str
    bar: float | None = None
    more_is_better: bool = False
    peers: str = ""
    """What other systems took, measured on such a machine."""


@attrs.frozen
class Result:
    """The samples of one figure, at least one."""

    figure: Figure
    samples: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.samples)

    @property
    def verdict(self) -> str:
        """``reached`` or ``falls short``, by the median; empty where there is no bar."""
        bar = self.figure.bar
        if bar is None:
            return ""
        reached = self.median >= bar if self.figure.more_is_better else self.median <= bar
        return "reached" if reached else "falls short"

    def to_json(self) -> dict[str, Any]:
        return {
            **attrs.asdict(self.figure),
            "median": self.median,
            "min": min(self.samples),
            "max": max(self.samples),
            "samples": list(self.samples),
            "verdict": self.verdict,
        }


def results_of(found: Mapping[str, Sequence[float]]) -> list[Result]:
    """The samples by figure name, in the order of :data:`FIGURES`; KeyError for a name that is not there."""
    unknown = found.keys() - FIGURES.keys()
    if unknown:
        raise KeyError(f"no such figure: {', '.join(sorted(unknown))}")
    return [Result(figure, tuple(found[name])) for name, figure in FIGURES.items() if name in found]


_ALL = (
    Figure(
        "up-chain",
        "10 no-op tasks in a chain under `millrace up`, triggered over HTTP: queued to success",
        "s",
        0.15,
        peers="Airflow 3.3: 13 s; Metaflow 6.9 s; KFP local 1.6 s",
    ),
    Figure("up-chain-cli", "the same, triggered with `millrace trigger --wait --json`", "s", 0.15),
    Figure("up-chain-first", "the same, the first run after `millrace up` became healthy", "s"),
    Figure(
        "up-fan-out",
        "1,000 no-op tasks fanned out under `millrace up`, triggered over HTTP: queued to success",
        "s",
        3.0,
        peers="Airflow 188 s",
    ),
    Figure("up-fan-out-cli", "the same, triggered with `millrace trigger --wait --json`", "s", 3.0),
    Figure(
        "in-process-chain",
        "10-task chain in-process (`.run()`), second run in the same process",
        "ms",
        10.0,
        peers="Flyte 2: 20 ms; Dagster 1,810 ms",
    ),
    Figure(
        "in-process-fan-out",
        "fan-out of 100 in-process, second run in the same process",
        "ms",
        60.0,
        peers="Flyte 2: 98 ms",
    ),
    Figure("in-process-task", "what one more no-op task in-process costs (fan-out of 100 against none)", "ms"),
    Figure(
        "run-cold",
        "`millrace run` of the chain from a cold shell, whole process, in a new home",
        "s",
        1.0,
        peers="`airflow dags test`: 18.6 s",
    ),
    Figure("run-again", "the same in a home that exists", "s", 1.0),
    Figure("up-healthy", "`millrace up` to a healthy answer, in a new home", "s", 2.0, peers="Airflow: 26.8 s"),
    Figure("idle-cpu", "`millrace up` idle: CPU of one core, all its processes", "%", 0.5, peers="Airflow: 12 %"),
    Figure("idle-memory", "`millrace up` idle: memory (PSS of all its processes)", "MB", 250.0, peers="1,030 MB"),
    Figure("import", "`import millrace`, without the interpreter's own start", "s", 0.15, peers="airflow: 3.7 s"),
    Figure("import-names", "`from millrace import DAG, pipeline, task`, which loads what a pipeline file needs", "s"),
    Figure("help", "`millrace --help`, whole process", "s"),
    Figure(
        "machine",
        "state machine steps at 100,000 task runs in one pipeline run, fake clock",
        "events/s",
        50_000.0,
        more_is_better=True,
    ),
    Figure(
        "machine-growth",
        "cost of a step at 100,000 task runs against one at 1,000, same out-degree (a step that scanned the run: 100)",
        "x",
    ),
)
FIGURES = {figure.name: figure for figure in _ALL}
