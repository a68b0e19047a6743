"""``python -m benchmarks [--only NAME ...] [--runs N] [--json FILE]``."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import attrs

from benchmarks import cold, in_process, starting, state_machine, under_up
from benchmarks.figures import FIGURES, Result, results_of
from benchmarks.machine import describe
from benchmarks.report import document, line, markdown
from benchmarks.surroundings import ROOT, Sizes, Surroundings, surroundings

OUT = ROOT / "benchmarks" / "out"

Measure = Callable[[Surroundings], dict[str, list[float]]]

GROUPS: tuple[tuple[tuple[str, ...], Measure], ...] = (
    (("up-chain", "up-chain-cli", "up-chain-first", "up-fan-out", "up-fan-out-cli"), under_up.measure),
    (("in-process-chain", "in-process-fan-out", "in-process-task"), in_process.measure),
    (("run-cold", "run-again"), cold.measure_run),
    (("up-healthy",), starting.measure_healthy),
    (("idle-cpu", "idle-memory"), starting.measure_idle),
    (("import", "import-names"), cold.measure_import),
    (("help",), cold.measure_help),
    (("machine", "machine-growth"), state_machine.measure),
)
"""Figures that are measured together, and how."""


def measure(sizes: Sizes, only: Sequence[str], tell: Callable[[Result], None]) -> list[Result]:
    """The figures in ``only``, or all; ``tell`` gets each as soon as it is there."""
    found: list[Result] = []
    with surroundings(sizes) as around:
        for names, group in GROUPS:
            wanted = [name for name in names if not only or name in only]
            if not wanted:
                continue
            samples = group(around)
            results = results_of({name: samples[name] for name in wanted})
            for result in results:
                tell(result)
            found += results
    return found


def main(arguments: Sequence[str] | None = None, sizes: Sizes | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure the figures of the speed table.")
    parser.add_argument("--only", action="append", default=[], choices=list(FIGURES), metavar="NAME")
    parser.add_argument("--runs", type=int, default=5, help="samples of each figure (5)")
    parser.add_argument("--json", type=Path, default=OUT / "results.json", metavar="FILE")
    given = parser.parse_args(arguments)
    machine = describe()
    print(f"{machine['cpu']}, {machine['cores']} cores, load {machine['load_before']}, commit {machine['commit']}")
    sizes = attrs.evolve(sizes or Sizes(), runs=given.runs)
    results = measure(sizes, given.only, lambda result: print(line(result), flush=True))
    given.json.parent.mkdir(parents=True, exist_ok=True)
    given.json.write_text(json.dumps(document(machine, results), indent=2) + "\n", encoding="utf-8")
    summary = given.json.with_suffix(".md")
    summary.write_text(markdown(machine, results), encoding="utf-8")
    short = [result.figure.name for result in results if result.verdict == "falls short"]
    print(f"{len(short)} fall short: {', '.join(short)}" if short else "every bar is reached")
    print(f"written: {given.json}, {summary}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
