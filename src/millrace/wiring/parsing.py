"""Loads pipeline files in processes of their own: a warm one waits, each job gets a fresh one.

A file that takes long is left to its process, and the others go on: it delays nobody by more than ``PATIENCE``.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import attrs

from millrace.core.types import Json

IMPORT_SECONDS = 30.0
"""A file that takes longer to import is given up, as Airflow does."""
PATIENCE = 1.0
"""Seconds that the next file waits for one that imports."""
SLOW_FILES = 4
"""So many files are left to processes of their own at a time; then the others wait."""


@attrs.frozen
class ParsedFile:
    """Descriptions of the pipelines that a file defines, or why there are none."""

    file: str
    pipelines: tuple[Json, ...] = ()
    error: str | None = None
    traceback: str = ""
    given_up: bool = False
    """It took too long."""


class Parser:
    """``parse`` may be called from one thread at a time; ``close`` from any."""

    def __init__(self, *, keep_warm: bool = True, late: Callable[[ParsedFile], None] | None = None) -> None:
        """``late`` is called, in another thread, with the outcome of a file that was not waited for; without it every
        file is."""
        self._keep_warm = keep_warm
        self._late = late
        self._warm: subprocess.Popen[str] | None = None
        self._busy: subprocess.Popen[str] | None = None
        self._slow: dict[str, subprocess.Popen[str]] = {}
        self._waiting: list[threading.Thread] = []
        self._closed = False
        self._lock = threading.Lock()
        if keep_warm:
            self._warm = _spawn()

    def parse(self, files: Sequence[Path], root: Path) -> Iterator[ParsedFile]:
        """The outcome of each file, in order, but of those that are late. A file that takes its process down is
        reported, and the rest goes on."""
        left = [str(f) for f in files]
        self.drop(left)
        while left:
            process = self._take()
            if process is None:
                return
            answered = 0
            try:
                for parsed in self._ask(process, left, root):
                    answered += 1
                    yield parsed
            finally:
                self._busy = None
                late = process in self._slow.values()
                if not late:
                    _end(process)
            left = left[answered:]
            if left and not self._closed:
                file = left.pop(0)
                if not late:
                    yield _gone(file, process)

    def drop(self, files: Iterable[str]) -> None:
        """Nobody waits for the late outcome of these any more."""
        with self._lock:
            for file in files:
                process = self._slow.pop(file, None)
                if process is not None:
                    process.kill()

    def wait_for_late(self, seconds: float) -> None:
        """Until no file is late, or for ``seconds``."""
        deadline = time.monotonic() + seconds
        for thread in tuple(self._waiting):
            thread.join(max(0.0, deadline - time.monotonic()))

    def close(self) -> None:
        with self._lock:
            self._closed = True
            for process in (self._warm, self._busy, *self._slow.values()):
                if process is not None:
                    process.kill()
            warm, self._warm = self._warm, None
        if warm is not None:
            _end(warm)
        for thread in self._waiting:
            thread.join()

    def _take(self) -> subprocess.Popen[str] | None:
        with self._lock:
            if self._closed:
                return None
            process, self._warm = self._warm or _spawn(), None
            if self._keep_warm:
                self._warm = _spawn()
            self._busy = process
            return process

    def _ask(self, process: subprocess.Popen[str], files: Sequence[str], root: Path) -> Iterator[ParsedFile]:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(json.dumps({"root": str(root), "files": files}) + "\n")
            process.stdin.flush()
        except BrokenPipeError:
            return
        for file in files:
            patient = self._late is None or len(self._slow) >= SLOW_FILES
            ready, _, _ = select.select([process.stdout], [], [], IMPORT_SECONDS if patient else PATIENCE)
            if not ready and not patient:
                self._leave(process, file)
                return
            line = process.stdout.readline() if ready else ""
            if not line:
                return
            yield _parsed(json.loads(line))

    def _leave(self, process: subprocess.Popen[str], file: str) -> None:
        with self._lock:
            if self._closed:
                return
            self._slow[file] = process
            thread = threading.Thread(target=self._await, args=(process, file), name="millrace-slow-file")
            self._waiting = [*(t for t in self._waiting if t.is_alive()), thread]
            thread.start()

    def _await(self, process: subprocess.Popen[str], file: str) -> None:
        assert process.stdout is not None
        ready, _, _ = select.select([process.stdout], [], [], IMPORT_SECONDS - PATIENCE)
        line = process.stdout.readline() if ready else ""
        _end(process)
        with self._lock:
            if self._closed or self._slow.get(file) is not process:
                return
            del self._slow[file]
        assert self._late is not None
        self._late(_parsed(json.loads(line)) if line else _gone(file, process))


def _spawn() -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "millrace.wiring.parse_process", str(os.getpid())],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )


def _end(process: subprocess.Popen[str]) -> None:
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            try:
                stream.close()
            except BrokenPipeError:
                continue
    if process.poll() is None:
        try:
            process.wait(timeout=0.2)
        except subprocess.TimeoutExpired:
            process.kill()
    process.wait()


def _parsed(answer: Json) -> ParsedFile:
    error = answer.get("error")
    if error is not None:
        return ParsedFile(answer["file"], error=error["message"], traceback=error["traceback"])
    return ParsedFile(answer["file"], tuple(answer["pipelines"]))


def _gone(file: str, process: subprocess.Popen[str]) -> ParsedFile:
    code = process.returncode
    if code is not None and code < 0 and code != -9:
        return ParsedFile(file, error=f"{file}: importing it killed the process with signal {-code}")
    if code:
        if code == -9:
            return ParsedFile(file, error=f"{file}: importing it took longer than {IMPORT_SECONDS:g} s", given_up=True)
        return ParsedFile(file, error=f"{file}: importing it ended the process with exit code {code}")
    return ParsedFile(file, error=f"{file}: importing it ended the process (sys.exit?)")
