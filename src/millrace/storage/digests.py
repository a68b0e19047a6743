"""Digests of files and folders: ``sha256:<hex>``.

A folder's digest is that of the lines ``relative path NUL hex of the file`` in the order of the paths, which are POSIX
paths in UTF-8. Empty folders, times and permissions do not count.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from millrace.core.errors import StorageError


def digest_of(path: Path) -> tuple[str, int]:
    """The digest, and the size in bytes. OSError if it cannot be read."""
    if not stat.S_ISDIR(path.stat().st_mode):
        hex_digest, size = _file_digest(str(path))
        return f"sha256:{hex_digest}", size
    whole, total = hashlib.sha256(), 0
    for relative, full in sorted(_files(str(path), "")):
        hex_digest, size = _file_digest(full)
        whole.update(f"{relative}\0{hex_digest}\n".encode("utf-8", "surrogateescape"))
        total += size
    return f"sha256:{whole.hexdigest()}", total


def has_links(path: Path) -> bool:
    """Whether the path is a symbolic link or a folder with one in it."""
    if path.is_symlink():
        return True
    if not path.is_dir():
        return False
    with os.scandir(path) as entries:
        return any(e.is_symlink() or (e.is_dir(follow_symlinks=False) and has_links(Path(e.path))) for e in entries)


def _files(folder: str, prefix: str) -> Iterator[tuple[str, str]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir():
                yield from _files(entry.path, f"{prefix}{entry.name}/")
            elif entry.is_file():
                yield f"{prefix}{entry.name}", entry.path
            else:
                raise StorageError(f"{entry.path} is neither a file nor a folder; an artifact holds only those")


def _file_digest(path: str) -> tuple[str, int]:
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123 -- on the path of every small output; Path.open costs twice
        size = os.fstat(file.fileno()).st_size
        return hashlib.file_digest(file, "sha256").hexdigest(), size
