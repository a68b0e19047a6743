"""Publish a folder whole or not at all, and digest its content.

Invariant: under its final name a folder is complete; while it is being written it has a hidden name beside it.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import shutil
import tempfile
from collections.abc import Collection, Iterator
from pathlib import Path

from millrace.core.errors import ConflictError, StorageError


@contextlib.contextmanager
def published_folder(final: Path) -> Iterator[Path]:
    """A fresh folder to write into, renamed to ``final`` when the block ends and removed when it raises.

    Raises ``ConflictError`` when ``final`` exists and is not empty, ``StorageError`` when it cannot be written.
    """
    _refuse_existing(final)
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=f".{final.name}.", suffix=".partial", dir=final.parent))
    except OSError as error:
        raise _not_written(final, error) from error
    try:
        yield partial
        partial.chmod(0o755)  # mkdtemp makes it private; the result is for whoever may read the parent
        _rename(partial, final)
    except OSError as error:
        raise _not_written(final, error) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def folder_digest(folder: Path, *, without: Collection[str] = ()) -> str:
    """SHA-256 over the relative paths, lengths and bytes of all files, in the order of their paths."""
    digest = hashlib.sha256()
    names = sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file())
    for name in names:
        if name not in without:
            content = (folder / name).read_bytes()
            digest.update(f"{name}\0{len(content)}\0".encode())
            digest.update(content)
    return digest.hexdigest()


def _rename(partial: Path, final: Path) -> None:
    try:
        partial.replace(final)
    except OSError as error:
        if error.errno in {errno.ENOTEMPTY, errno.EEXIST}:  # somebody was faster
            _refuse_existing(final)
        raise


def _refuse_existing(final: Path) -> None:
    if final.exists() and (not final.is_dir() or any(final.iterdir())):
        raise ConflictError(
            "there is something already", where=str(final), remedy="Choose another path, or remove it first."
        )


def _not_written(final: Path, error: OSError) -> StorageError:
    reason = error.strerror or str(error)
    return StorageError(
        f"the folder cannot be written: {reason}", where=str(final), remedy="Check its permissions and the free space."
    )
