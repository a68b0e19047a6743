"""Loads pipeline files in processes of their own: a warm one waits, each job gets a fresh one."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import attrs

from millrace.core.types import Json

IMPORT_SECONDS = 30.0
"""A file that takes longer to import is given up, as Airflow does."""


@attrs.frozen
class ParsedFile:
    """Descriptions of the pipelines that a file defines, or why there are none."""

    file: str
    pipelines: tuple[Json, ...] = ()
    error: str | None = None
    traceback: str = ""


class Parser:
    """``parse`` may be called from one thread at a time; ``close`` from any."""

    def __init__(self, *, keep_warm: bool = True) -> None:
        self._keep_warm = keep_warm
        self._warm: subprocess.Popen[str] | None = None
        self._busy: subprocess.Popen[str] | None = None
        self._closed = False
        self._lock = threading.Lock()
        if keep_warm:
            self._warm = _spawn()

    def parse(self, files: Sequence[Path], root: Path) -> Iterator[ParsedFile]:
        """Each file's outcome, in order. A file that takes its process down is reported, and the rest goes on."""
        left = [str(f) for f in files]
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
                _end(process)
                self._busy = None
            left = left[answered:]
            if left and not self._closed:
                yield _gone(left.pop(0), process)

    def close(self) -> None:
        with self._lock:
            self._closed = True
            for process in (self._warm, self._busy):
                if process is not None:
                    process.kill()
            warm, self._warm = self._warm, None
        if warm is not None:
            _end(warm)

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
        for _ in files:
            ready, _, _ = select.select([process.stdout], [], [], IMPORT_SECONDS)
            line = process.stdout.readline() if ready else ""
            if not line:
                return
            yield _parsed(json.loads(line))


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
            return ParsedFile(file, error=f"{file}: importing it took longer than {IMPORT_SECONDS:g} s")
        return ParsedFile(file, error=f"{file}: importing it ended the process with exit code {code}")
    return ParsedFile(file, error=f"{file}: importing it ended the process (sys.exit?)")
