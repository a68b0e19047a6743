"""Writing results so that a reader sees all of them or nothing.

A folder is filled under a temporary name beside its place and moved there when it is complete; a file the
same way. What the operating system refuses (full disk, read-only target, no permission) becomes one
`StorageError` with a remedy, and nothing half-written stays behind.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from millrace.core.errors import StorageError

_READ_BYTES = 1 << 20
_REMEDIES = {
    errno.ENOSPC: ("the disk is full", "Free some space, or choose another folder."),
    errno.EDQUOT: ("the disk quota is used up", "Free some space, or choose another folder."),
    errno.EROFS: ("the file system is read-only", "Choose a folder that can be written."),
    errno.EACCES: ("writing is not permitted", "Change the permissions, or choose another folder."),
    errno.EPERM: ("writing is not permitted", "Change the permissions, or choose another folder."),
    errno.ENOTDIR: ("a part of the path is a file, not a folder", "Choose another folder."),
    errno.EEXIST: ("a part of the path is a file, not a folder", "Choose another folder."),
}


def storage_error(error: OSError, target: Path) -> StorageError:
    """What the operating system refused while writing `target`, in plain words."""
    known = _REMEDIES.get(error.errno or 0)
    if known is None:
        return StorageError(f"cannot write: {error.strerror or error}", where=str(target))
    return StorageError(f"cannot write: {known[0]}", where=str(target), remedy=known[1])


@contextlib.contextmanager
def storage_errors(target: Path) -> Iterator[None]:
    """Turn any `OSError` of the block into a `StorageError` about `target`."""
    try:
        yield
    except OSError as error:
        raise storage_error(error, target) from error


@contextlib.contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """A staging folder that becomes `target` when the block ends well, and vanishes when it does not.

    `target` may exist if it is empty. Reading errors inside the block must be turned into a `DataError`
    by the block itself: an `OSError` that gets here is taken for a refusal to write.
    """
    staging = target.parent / f".{target.name}.{uuid.uuid4().hex[:12]}.partial"
    with storage_errors(target):
        if target.is_dir() and any(target.iterdir()):
            raise StorageError(
                "the output folder is not empty",
                where=str(target),
                remedy="Results are never mixed with older ones: choose a new folder or remove this one.",
            )
        target.parent.mkdir(parents=True, exist_ok=True)
        staging.mkdir()
    try:
        with storage_errors(target):
            yield staging
            staging.replace(target)
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise


def write_file(target: Path, content: bytes) -> None:
    """Write `content` under a temporary name, then move it to `target`."""
    staging = target.parent / f".{target.name}.{uuid.uuid4().hex[:12]}.partial"
    with storage_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            staging.write_bytes(content)
            staging.replace(target)
        except BaseException:
            staging.unlink(missing_ok=True)
            raise


def json_bytes(document: Any) -> bytes:
    """`document` as readable JSON; the same document gives the same bytes."""
    return orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def file_digest(path: Path) -> str:
    """SHA-256 of a file's content, in hex."""
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as stream:
        while block := stream.read(_READ_BYTES):
            digest.update(block)
    return digest.hexdigest()


def relative_name(path: Path, folder: Path) -> str:
    """`path` seen from `folder`, with forward slashes on every system."""
    return os.fspath(path.relative_to(folder)).replace(os.sep, "/")
