"""The progress of a run as it goes: a live table of its steps, and the plain twin with one line for each change.

Both take the same calls, from any thread: ``on_run(document)`` with the run's document (the steps' order comes from its
tasks, if it has them) and ``on_task(task_id, state, at, note)`` with epoch microseconds. Both are context managers.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

from millrace.cli.tables import STATE_STYLES, printable
from millrace.cli.times import local_clock, span
from millrace.core.types import Json

if TYPE_CHECKING:
    from rich.live import Live
    from rich.table import Table

ICONS = {
    "none": "·",
    "scheduled": "·",
    "queued": "○",
    "running": "●",
    "success": "✓",
    "failed": "✗",
    "upstream_failed": "✗",
    "skipped": "-",
    "removed": "-",
    "up_for_retry": "↻",
}
_WAITING = frozenset({"none", "scheduled", "queued"})
_ENDED = frozenset({"success", "failed", "skipped", "upstream_failed", "removed"})


def _print_at_once(line: str) -> None:
    """Through a pipe too, where Python would keep lines back."""
    print(line, flush=True)


class Progress(Protocol):
    """Whoever runs a pipeline tells it here."""

    def on_run(self, document: Json) -> None: ...

    def on_task(self, task_id: str, state: str, at: int, note: str) -> None: ...


@dataclass
class _Step:
    state: str = "none"
    started: int | None = None
    ended: int | None = None
    note: str = ""

    def move(self, state: str, at: int, note: str) -> None:
        if state == "running":
            self.started, self.ended = at, None
        elif state in _ENDED:
            self.ended = at
        self.state = state
        self.note = note

    def seconds(self, now: int) -> float | None:
        if self.started is None:
            return None
        return ((self.ended if self.ended is not None else now) - self.started) / 1e6


class _Steps:
    """The steps known so far, in order."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.steps: dict[str, _Step] = {}
        self.run: dict[str, Json] = {}

    def take_run(self, document: Json) -> bool:
        """Whether the run's state is another than before."""
        with self.lock:
            changed = bool(document["state"] != self.run.get("state"))
            self.run = dict(document)
            for task in document.get("tasks", ()):
                self.steps.setdefault(task["task_id"], _Step())
            return changed

    def take_task(self, task_id: str, state: str, at: int, note: str) -> tuple[_Step, bool]:
        with self.lock:
            step = self.steps.setdefault(task_id, _Step())
            changed = (state, note) != (step.state, step.note)
            step.move(state, at, note)
            return step, changed


class PlainProgress:
    """``12:01:02 Trainer success 1.2 s``, one line for each change that a reader of a log cares for."""

    def __init__(self, write: Callable[[str], None] = _print_at_once) -> None:
        self._write = write
        self._steps = _Steps()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def on_run(self, document: Json) -> None:
        if self._steps.take_run(document):
            reason = f": {printable(document['reason'])}" if document["reason"] else ""
            clock = local_clock(time.time_ns() // 1000)
            self._write(f"{clock} run {document['run_id']} of {document['pipeline']} {document['state']}{reason}")

    def on_task(self, task_id: str, state: str, at: int, note: str) -> None:
        step, changed = self._steps.take_task(task_id, state, at, note)
        if not changed or state in _WAITING:
            return
        seconds = step.seconds(at) if state in _ENDED else None
        words = [local_clock(at), task_id, state, span(seconds) if seconds is not None else "", printable(note)]
        self._write(" ".join(word for word in words if word))


class RunProgress:
    """A table that stays in place while the run goes: step, state, time, note."""

    def __init__(self) -> None:
        self._steps = _Steps()
        self._live: Live | None = None

    def __enter__(self) -> Self:
        from rich.console import Console  # lazy: only on a terminal
        from rich.live import Live  # lazy: as above

        self._live = Live(get_renderable=self._table, console=Console(highlight=False), refresh_per_second=8)
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.refresh()
            self._live.stop()
            self._live = None

    def on_run(self, document: Json) -> None:
        self._steps.take_run(document)

    def on_task(self, task_id: str, state: str, at: int, note: str) -> None:
        self._steps.take_task(task_id, state, at, note)

    def _table(self) -> Table:
        from rich import box  # lazy: only on a terminal
        from rich.table import Table  # lazy: as above
        from rich.text import Text  # lazy: as above

        now = time.time_ns() // 1000
        with self._steps.lock:
            run, rows = dict(self._steps.run), [(name, _copy(step)) for name, step in self._steps.steps.items()]
        title = f"{run['pipeline']}  {run['run_id']}  {run['state']}" if run else "starting"
        table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left", pad_edge=False)
        table.add_column("step")
        table.add_column("state", min_width=17)
        table.add_column("time", justify="right", min_width=9)
        table.add_column("note", overflow="fold")
        for name, step in rows:
            seconds = step.seconds(now)
            style = STATE_STYLES.get(step.state, "dim")
            table.add_row(
                Text(printable(name)),
                Text(f"{ICONS.get(step.state, '?')} {step.state if step.state != 'none' else 'waiting'}", style),
                Text("" if seconds is None else span(seconds)),
                Text(printable(step.note), "dim"),
            )
        return table


def _copy(step: _Step) -> _Step:
    return _Step(step.state, step.started, step.ended, step.note)


def new_progress(*, plain: bool) -> PlainProgress | RunProgress:
    """The one that fits the terminal."""
    return PlainProgress() if plain else RunProgress()
