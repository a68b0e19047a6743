"""The pipelines folder: what is in it is registered, and stays so while files come, change and go.

A file is loaded again when it, or a project module that it uses, changed. A broken file is reported under its name and
harms no other; the pipelines it defined before stay as they were. It is loaded again when anything changes: what broke
it may be elsewhere. A file that takes long to import is registered when it is done, and the others do not wait.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

from watchfiles import Change, DefaultFilter, watch

from millrace.core.errors import StorageError
from millrace.core.records import ImportFailure
from millrace.core.types import Json
from millrace.operations.registration import Registrar
from millrace.wiring.parsing import ParsedFile, Parser

_SKIPPED = frozenset({"__pycache__", "node_modules", "site-packages", "venv", ".venv"})
_BATCH = 16
"""Files that one process loads one after the other."""
FIRST_SCAN = 5.0
"""Seconds that the first scan waits for files that take long."""

_log = logging.getLogger("millrace.pipelines")


class PipelineFolder:
    """``sync`` looks once; ``watch`` goes on until ``stop``. Both run in one thread at a time."""

    def __init__(self, root: Path, registrar: Registrar, *, dedicated: bool) -> None:
        """``dedicated``: the folder is for pipelines, so every Python file in it is loaded; else (a whole project's
        folder, with scripts in it) only those that speak of Millrace."""
        self._root = root
        self._dedicated = dedicated
        self._registrar = registrar
        self._parser = Parser(late=self._register_late)
        self._uses: dict[str, frozenset[str]] = {}
        """Pipeline file -> the project files whose code it uses."""
        self._broken: set[str] = set()
        self._again: set[Path] = set()
        """What changed while the database took nothing."""
        self._registering = threading.Lock()
        self._seen: dict[str, tuple[int, int]] = {}
        """Size and time of change of every Python file when it was last looked at."""
        self._stop = threading.Event()
        self.first_scan = threading.Event()
        """Set when everything that was there at the start is registered."""

    def sync(self) -> None:
        """Load every pipeline file, and forget what is gone."""
        self._seen = self._signatures()
        files = [Path(f) for f in self._seen if self._may_define_pipelines(Path(f))]
        self._load(files)
        self._parser.wait_for_late(FIRST_SCAN)
        gone = self._registrar.known_files(str(self._root)) - {str(f) for f in files}
        self._forget(gone)
        self.first_scan.set()

    def watch(self) -> None:
        """:meth:`sync`, then every change as it happens (inotify and its like, not polling)."""
        if not self._root.is_dir():
            self._root.mkdir(parents=True)
        self._synced()
        caught_up = False
        for batch in watch(
            self._root,
            watch_filter=_PythonFiles(),
            stop_event=self._stop,
            debounce=200,
            step=100,  # each step wakes the process: a change is seen in 0.2 s, and idling costs 0.1 % of a core
            rust_timeout=2_000,
            yield_on_timeout=True,
            raise_interrupt=False,
        ):
            changed = {Path(path) for _, path in batch}
            if not caught_up:  # what changed after the look and before the watch began
                changed |= {Path(f) for f in self._changed_since_sync()}
                caught_up = True
            if not self.first_scan.is_set():
                self._synced()
            with self._registering:
                again, self._again = self._again, set()
            if changed or again:
                self._taken(changed | again)

    def stop(self) -> None:
        self._stop.set()
        self._parser.close()

    def _synced(self) -> None:
        try:
            self.sync()
        except StorageError as error:
            self._refused(set(), error)

    def _taken(self, changed: set[Path]) -> None:
        try:
            self._take(changed)
        except StorageError as error:
            self._refused(changed, error)

    def _refused(self, changed: set[Path], error: StorageError) -> None:
        _log.error("the database takes no pipelines, trying again: %s", error)
        with self._registering:
            self._again |= changed

    def _take(self, changed: set[Path]) -> None:
        touched = {str(p) for p in changed}
        files = {p for p in changed if p.is_file() and self._may_define_pipelines(p)}
        files |= {Path(f) for f, used in self._uses.items() if used & touched and Path(f).is_file()}
        broken = {Path(f) for f in self._broken if Path(f).is_file()}
        self._load([*sorted(files), *sorted(broken - files)])
        self._forget(str(p) for p in changed if p not in files)

    def _load(self, files: list[Path]) -> None:
        for start in range(0, len(files), _BATCH):
            for parsed in self._parser.parse(files[start : start + _BATCH], self._root):
                self._register(parsed)

    def _register_late(self, parsed: ParsedFile) -> None:
        """In a thread of the parser's."""
        try:
            self._register(parsed)
        except StorageError as error:
            self._refused({Path(parsed.file)}, error)

    def _register(self, parsed: ParsedFile) -> None:
        with self._registering:
            self._register_alone(parsed)

    def _register_alone(self, parsed: ParsedFile) -> None:
        file = parsed.file
        if parsed.error is not None:
            if not parsed.given_up:
                self._broken.add(file)
            self._registrar.failed(ImportFailure(file, parsed.error, parsed.traceback, self._registrar.now()))
            return
        self._broken.discard(file)
        failure = self._registrar.register(file, [dict(d) for d in parsed.pipelines], str(self._root))
        self._uses[file] = frozenset(p for d in parsed.pipelines for p in _paths(d, self._root))
        if failure is not None:
            self._broken.add(file)
            self._registrar.failed(failure)

    def _forget(self, files: Iterable[str]) -> None:
        for file in files:
            self._parser.drop([file])
            with self._registering:
                self._uses.pop(file, None)
                self._broken.discard(file)
                self._registrar.forget(file)

    def _may_define_pipelines(self, file: Path) -> bool:
        """A cheap look before a process is spent."""
        if file.name == "__init__.py":
            return False
        if self._dedicated:
            return True
        try:
            return b"millrace" in file.read_bytes()
        except OSError:
            return False

    def _signatures(self) -> dict[str, tuple[int, int]]:
        found = {}
        for file in self._python_files():
            with contextlib.suppress(FileNotFoundError):
                status = file.stat()
                found[str(file)] = (status.st_size, status.st_mtime_ns)
        return found

    def _changed_since_sync(self) -> set[str]:
        now = self._signatures()
        return {f for f in now.keys() | self._seen.keys() if now.get(f) != self._seen.get(f)}

    def _python_files(self) -> Iterator[Path]:
        for folder, folders, names in os.walk(self._root):
            folders[:] = sorted(f for f in folders if f not in _SKIPPED and not f.startswith("."))
            for name in sorted(names):
                if name.endswith(".py") and not name.startswith("."):
                    yield Path(folder, name)


def _paths(description: Json, root: Path) -> Iterator[str]:
    for module in description["snapshot"]["modules"].values():
        yield str(root / module["path"])


class _PythonFiles(DefaultFilter):
    def __call__(self, change: Change, path: str) -> bool:
        return path.endswith(".py") and super().__call__(change, path)
