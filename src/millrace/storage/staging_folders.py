"""Folders in which outputs are written before they are published, kept and used again.

Making and removing a folder is the dearest thing about publishing a small output: both wait for the file system's
journal. So an empty folder goes back to a list instead.

Invariant: a folder is with one output at a time. What a dead process left behind is removed by the next process that
stages here, a day later at the earliest.
"""

from __future__ import annotations

import itertools
import os
import shutil
import socket
import time
from pathlib import Path

_KEPT = 64
_STALE_SECONDS = 86_400


class StagingFolders:
    """Below ``folder``, named ``<host>-<pid>-<number>``. Usable from several threads."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._pid = 0
        self._free: list[Path] = []
        self._numbers = itertools.count(1)

    def take(self) -> Path:
        """An empty folder of this process."""
        if self._pid != os.getpid():  # the first time, or after a fork
            self._begin()
        while True:
            try:
                return self._free.pop()
            except IndexError:
                folder = self.folder / f"{socket.gethostname()}-{self._pid}-{next(self._numbers)}"
            try:
                folder.mkdir(parents=True)
            except FileExistsError:
                continue  # of an earlier process with this number
            return folder

    def give_back(self, folder: Path) -> None:
        """After what was in it was moved away; what is still there is removed."""
        with os.scandir(folder) as left:
            for entry in left:
                if entry.is_dir(follow_symlinks=False):
                    shutil.rmtree(entry.path)
                else:
                    Path(entry.path).unlink()
        own = folder.name.startswith(f"{socket.gethostname()}-{os.getpid()}-")
        if own and self._pid == os.getpid() and len(self._free) < _KEPT:
            self._free.append(folder)
        else:
            folder.rmdir()

    def _begin(self) -> None:
        self._pid, self._free, self._numbers = os.getpid(), [], itertools.count(1)
        if not self.folder.is_dir():
            return
        for folder in self.folder.iterdir():
            host, _, rest = folder.name.rpartition("-")[0].rpartition("-")
            if host != socket.gethostname() or not rest.isdigit() or _alive(int(rest)):
                continue
            try:
                stale = time.time() - folder.stat().st_mtime > _STALE_SECONDS
            except FileNotFoundError:
                continue  # another process is sweeping too
            if stale:
                shutil.rmtree(folder, ignore_errors=True)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
