"""The faults that the demo puts into a second CSV: each is announced, and each must be found."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import attrs

from millrace.data.atomic_output import write_file

MISSING, NEW_VALUE_IN, NEW_VALUE, SHIFTED, FACTOR = "mean concavity", "diagnosis", "unclear", "worst area", 1.5
EVERY = 20


@attrs.frozen
class Fault:
    """One injected fault: the column, and what was done to it."""

    column: str
    announcement: str


def write_faulty(source: Path, target: Path) -> list[Fault]:
    """Write ``source`` to ``target`` without one column, with a new category in one, and another one shifted."""
    with source.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    changed = 0
    for number, row in enumerate(rows):
        row.pop(MISSING)
        row[SHIFTED] = repr(float(row[SHIFTED]) * FACTOR)
        if number % EVERY == 0:
            row[NEW_VALUE_IN] = NEW_VALUE
            changed += 1
    write_file(target, "".join(_lines(rows)).encode())
    return [
        Fault(MISSING, f"column {MISSING!r} is left out"),
        Fault(NEW_VALUE_IN, f"column {NEW_VALUE_IN!r} says {NEW_VALUE!r}, a new category, in {changed} rows"),
        Fault(SHIFTED, f"column {SHIFTED!r} is multiplied by {FACTOR}, as if it came in another unit"),
    ]


def _lines(rows: list[dict[str, str]]) -> Iterator[str]:
    yield ",".join(rows[0]) + "\n"
    for row in rows:
        yield ",".join(row.values()) + "\n"
