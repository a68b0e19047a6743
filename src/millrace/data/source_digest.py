"""The digest of a source file or folder, by content: what makes a path an input of a task's cache key.

Invariant: equal names and bytes give equal digests on every machine; times, owners and where the source lies do not
count. A source that cannot be read has a digest too, so that the task itself may say what is wrong with it.
"""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

from millrace.data.atomic_output import file_digest, relative_name

UNREADABLE = "unreadable"


def source_digest(path: str | os.PathLike[str]) -> str:
    """``sha256:<hex>`` of a file's bytes, or of a folder's sorted list of relative names, sizes and digests.

    A relative path is taken from the working directory. Hidden files and folders are left out, as a pattern of input
    files leaves them out. ``unreadable`` where there is nothing, or where reading is refused.
    """
    source = Path(path)
    try:
        if source.is_dir():
            return f"sha256:{_folder_digest(source)}"
        return f"sha256:{_digest_of(source)[1]}"
    except (OSError, ValueError):  # ValueError: a name with a null character
        return UNREADABLE


def _folder_digest(folder: Path) -> str:
    files = {}
    for root, folders, names in os.walk(folder, onerror=_raise):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            if not name.startswith("."):
                file = Path(root, name)
                files[relative_name(file, folder)] = file
    digest = hashlib.sha256()
    for name in sorted(files):
        size, content = _digest_of(files[name])
        digest.update(f"{name}\0{size}\0{content}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()


def _digest_of(file: Path) -> tuple[int, str]:
    """Size and digest. OSError for a pipe or a device: its end may never come."""
    status = file.stat()
    if not stat.S_ISREG(status.st_mode):
        raise OSError(f"{file} is not a file")
    return status.st_size, file_digest(file)


def _raise(error: OSError) -> None:
    raise error
