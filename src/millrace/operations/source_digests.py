"""Digests of the files that inputs name, remembered while size and time of change stay the same."""

from __future__ import annotations

import stat
import uuid
from pathlib import Path

from millrace.data.source_digest import UNREADABLE, source_digest

_REMEMBERED = 1_000


class SourceDigests:
    """``digest`` costs a stat for a file that has not changed since it was last asked for."""

    def __init__(self) -> None:
        self._files: dict[str, tuple[tuple[int, int, int], str]] = {}

    def digest(self, path: str) -> str:
        """The digest of a file's or folder's content. What cannot be read equals nothing, not even itself: it never
        leads to a cache hit."""
        try:
            status = Path(path).stat()
        except (OSError, ValueError):  # ValueError: a name with a null character, or half a surrogate pair
            return _unlike_any_other()
        if stat.S_ISDIR(status.st_mode):
            digest = source_digest(path)
            return _unlike_any_other() if digest == UNREADABLE else digest
        signature = (status.st_ino, status.st_size, status.st_mtime_ns)
        known = self._files.get(path)
        if known is not None and known[0] == signature:
            return known[1]
        digest = source_digest(path)
        if digest == UNREADABLE:
            return _unlike_any_other()
        if len(self._files) >= _REMEMBERED:
            self._files.pop(next(iter(self._files)))
        self._files[path] = (signature, digest)
        return digest


def _unlike_any_other() -> str:
    return f"{UNREADABLE}:{uuid.uuid4().hex}"
