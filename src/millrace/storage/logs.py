"""One text log per attempt: a file that grows by whole lines while the attempt runs.

Invariant: a line that ``append`` has returned from is in the file, and ``read`` never gives a part of a line.
"""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

from millrace.core.errors import StorageError

PART = 8 * 1024 * 1024
"""Bytes that one ``read`` gives at most, unless a single line is longer: a log may be larger than the memory."""
_OPEN_FILES = 64
_ATTEMPT_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


class FileLogStore:
    """Files below ``folder``, spread over subfolders by the end of their ids. Usable from several threads."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._open: OrderedDict[str, BinaryIO] = OrderedDict()

    def append(self, attempt_id: str, lines: Iterable[str]) -> None:
        """Each line with or without its newline."""
        text = "".join(line if line.endswith("\n") else line + "\n" for line in lines)
        content = text.encode("utf-8", "backslashreplace")
        if not content:
            return
        path = self._path(attempt_id)
        try:
            with self._lock:
                self._file(attempt_id, path).write(content)
        except OSError as error:
            raise StorageError(
                f"cannot write the log {path}: {error.strerror}", remedy="Free some space, or mend the folder's rights."
            ) from error

    def read(self, attempt_id: str, *, after: int = 0) -> tuple[str, int]:
        """Empty for an attempt that has written nothing."""
        try:
            with self._path(attempt_id).open("rb") as file:
                file.seek(after)
                content = file.read(PART)
                while b"\n" not in content and (more := file.read(PART)):
                    content += more
        except FileNotFoundError:
            return "", after
        except OSError as error:
            raise StorageError(f"cannot read the log of attempt {attempt_id}: {error.strerror}") from error
        whole = content[: content.rfind(b"\n") + 1]
        return whole.decode("utf-8", "replace"), after + len(whole)

    def close(self) -> None:
        with self._lock:
            while self._open:
                self._open.popitem()[1].close()

    def _path(self, attempt_id: str) -> Path:
        if not _ATTEMPT_ID.fullmatch(attempt_id):
            raise StorageError(f"{attempt_id!r} is not the id of an attempt")
        return self._folder / attempt_id[-2:].replace(".", "_") / f"{attempt_id}.log"

    def _file(self, attempt_id: str, path: Path) -> BinaryIO:
        file = self._open.get(attempt_id)
        if file is None:
            path.parent.mkdir(parents=True, exist_ok=True)
            # Unbuffered and for appending: one write is one whole group of lines, in whatever process.
            file = path.open("ab", buffering=0)
            self._open[attempt_id] = file
            if len(self._open) > _OPEN_FILES:
                self._open.popitem(last=False)[1].close()
        else:
            self._open.move_to_end(attempt_id)
        return file
