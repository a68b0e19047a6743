"""The figures as people and scripts read them: lines, a Markdown table, JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmarks.figures import Figure, Result


def line(result: Result) -> str:
    """One figure beside its bar."""
    figure = result.figure
    spread = f"(min {_number(min(result.samples))}, max {_number(max(result.samples))}, n={len(result.samples)})"
    bar = f"bar {_bar(figure)}" if figure.bar is not None else "no bar"
    return f"{figure.name:<20} {_number(result.median):>9} {figure.unit:<9} {bar:<20} {result.verdict:<12} {spread}"


def markdown(machine: dict[str, Any], results: Sequence[Result]) -> str:
    """For RESULTS.md."""
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    hardware = f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_gb']} GB, {machine['system']}"
    lines = [
        f"## {machine['date']}, commit {machine['commit']}",
        "",
        f"{hardware}, Python {machine['python']}; load before the start {machine['load_before']}.",
        f"{versions}.",
        "",
        "| what | median | min | max | bar | verdict | for comparison |",
        "|---|---|---|---|---|---|---|",
    ]
    for result in results:
        figure = result.figure
        cells = [
            figure.what,
            f"{_number(result.median)} {figure.unit}",
            _number(min(result.samples)),
            _number(max(result.samples)),
            _bar(figure) if figure.bar is not None else "",
            result.verdict,
            figure.peers,
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def document(machine: dict[str, Any], results: Sequence[Result]) -> dict[str, Any]:
    return {"machine": machine, "figures": [result.to_json() for result in results]}


def _bar(figure: Figure) -> str:
    sign = ">=" if figure.more_is_better else "<="
    return f"{sign} {_number(figure.bar or 0.0)} {figure.unit}"


def _number(value: float) -> str:
    """Three figures that count, and no exponent."""
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    if abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.3g}"
