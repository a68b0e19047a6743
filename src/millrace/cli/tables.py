"""Results on the terminal: tables, fields and JSON.

On a terminal Rich draws them; elsewhere, and with ``--plain``, they are aligned columns of plain text. ``--json``
prints exactly one document. Text from the store is printed as it is: markup in it means nothing, control characters
are shown as their codes.
"""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from millrace.core.types import Json

STATE_STYLES = {
    "success": "green",
    "succeeded": "green",
    "cached": "green",
    "ok": "green",
    "failed": "red",
    "upstream_failed": "red",
    "timed_out": "red",
    "killed": "red",
    "lost": "red",
    "bad": "red",
    "running": "cyan",
    "up_for_retry": "yellow",
    "cancelled": "yellow",
    "skipped": "yellow",
}


@dataclass(frozen=True)
class Column:
    """One column: the row's key (dots go into nested objects), its title, how a value is written.

    ``whole``: never broken over lines, so that an id can be copied; the other columns give way.
    """

    key: str
    title: str
    write: Callable[[Any], str] | None = None
    right: bool = False
    whole: bool = False

    def cell(self, row: Mapping[str, Json]) -> str:
        value: Any = row
        for part in self.key.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        return (self.write or as_text)(value)


def print_table(
    rows: Sequence[Mapping[str, Json]],
    columns: Sequence[Column],
    *,
    plain: bool,
    title: str = "",
    empty: str = "Nothing yet.",
    hide_empty: bool = False,
) -> None:
    """``rows`` as a table, or the line ``empty``. ``hide_empty``: without the columns in which no row says anything."""
    if not rows:
        print(f"{title}: {empty}" if title else empty)
        return
    if hide_empty:
        columns = [column for column in columns if any(column.cell(row) for row in rows)]
    cells = [[printable(column.cell(row)) for column in columns] for row in rows]
    if plain:
        _print_plain(cells, columns, title)
    else:
        _print_rich(cells, columns, title)


def print_fields(fields: Mapping[str, Json], *, plain: bool) -> None:
    """``name  value`` lines, one each; empty values are left out."""
    shown = {name: as_text(value) for name, value in fields.items()}
    shown = {name: text for name, text in shown.items() if text}
    width = max((len(name) for name in shown), default=0)
    if not plain:
        from rich.console import Console  # lazy: only on a terminal
        from rich.text import Text  # lazy: as above

        console = Console(highlight=False)
        for name, text in shown.items():
            console.print(Text.assemble((f"{name:<{width}}  ", "bold"), (printable(text), STATE_STYLES.get(text, ""))))
        return
    for name, text in shown.items():
        print(f"{name:<{width}}  {printable(text)}")


def print_json(document: Json) -> None:
    """One JSON document on stdout. Numbers that JSON lacks become null."""
    wide = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    print(json.dumps(_finite(document), indent=2, ensure_ascii=not wide, allow_nan=False))


@contextmanager
def stdout_for_json() -> Iterator[None]:
    """While it lasts, what user code and its children print goes to stderr, so that stdout holds one document."""
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        sys.stdout.flush()
        os.dup2(kept, 1)
        os.close(kept)


def as_text(value: Json) -> str:
    """A JSON value in a cell."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list) and all(isinstance(v, str) for v in value):
        return ", ".join(value)
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False) if value else ""
    return str(value)


def printable(text: str) -> str:
    """``text`` on one line, without anything that a terminal would obey."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def _print_plain(cells: list[list[str]], columns: Sequence[Column], title: str) -> None:
    if title:
        print(f"{title}:")
    titles = [c.title for c in columns]
    widths = [max(len(row[i]) for row in [titles, *cells]) for i in range(len(columns))]
    for row in [titles, *cells]:
        padded = [
            text.rjust(width) if column.right else text.ljust(width)
            for text, width, column in zip(row, widths, columns, strict=True)
        ]
        print("  ".join(padded).rstrip())


def _print_rich(cells: list[list[str]], columns: Sequence[Column], title: str) -> None:
    from rich import box  # lazy: only on a terminal
    from rich.console import Console  # lazy: as above
    from rich.table import Table  # lazy: as above
    from rich.text import Text  # lazy: as above

    table = Table(title=title or None, box=box.SIMPLE_HEAD, title_justify="left", pad_edge=False)
    for column in columns:
        table.add_column(
            column.title, justify="right" if column.right else "left", overflow="fold", no_wrap=column.whole
        )
    for row in cells:
        table.add_row(*(Text(text, STATE_STYLES.get(text, "")) for text in row))
    Console(highlight=False).print(table)


def _finite(value: Json) -> Json:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {k: _finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(v) for v in value]
    return value
