"""How ``millrace demo`` speaks on the terminal, and in plain lines elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from millrace.cli.tables import Column, print_table
from millrace.core.types import Json


class DemoOutput:
    """The ``Printer`` of :mod:`millrace.wiring.demo`."""

    def __init__(self, *, plain: bool) -> None:
        self._plain = plain
        self._sections = 0

    def heading(self, text: str) -> None:
        self._sections += 1
        if self._plain:
            print(f"{chr(10) if self._sections > 1 else ''}{self._sections}. {text}", flush=True)
            return
        from rich.console import Console  # lazy: only on a terminal
        from rich.text import Text  # lazy: as above

        console = Console(highlight=False)
        console.print()
        console.print(Text(f"{self._sections}. {text}", style="bold"))

    def say(self, text: str) -> None:
        print(text, flush=True)

    def table(self, rows: Sequence[Mapping[str, Json]], columns: Mapping[str, str]) -> None:
        print_table(rows, [Column(key, title) for key, title in columns.items()], plain=self._plain)
