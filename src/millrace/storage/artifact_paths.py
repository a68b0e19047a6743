"""What both artifact stores share: where a URI points, and what is said when it cannot be.

Invariant: no URI, however it is spelled, names anything outside the store's root or the store's own places in it.
"""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from millrace.core.errors import ArtifactCorrupt, ConflictError, StorageError

STAGING = ".staging"
MARKERS = ".published"
ATTEMPT_DEPTH = 4
"""An attempt's folder: ``<root>/<pipeline>/<run id>/<task id>/<token>``. A dot in front: not of an attempt."""


def relative_path(root: str, uri: str) -> str:
    """The part of ``uri`` below ``root``. StorageError for what is not below it."""
    rest = uri[len(root) + 1 :] if uri.startswith(root + "/") else uri
    path = PurePosixPath(rest)
    if not rest or "\\" in rest or "\0" in rest or "://" in rest or path.is_absolute() or ".." in path.parts:
        raise StorageError(f"{uri!r} is not below the artifact store {root}")
    if not path.parts or path.parts[0] in {STAGING, MARKERS}:
        raise StorageError(f"{uri!r} is the artifact store's own place")
    return str(path)


def already_published(uri: str) -> ConflictError:
    return ConflictError(f"an artifact is already published at {uri}; published artifacts do not change")


def gone(uri: str) -> StorageError:
    return StorageError(
        f"the artifact {uri} is gone",
        remedy="Run the task that wrote it again, without the cache.",
    )


def check_digest(uri: str, wanted: str, found: str) -> None:
    if wanted != found:
        raise ArtifactCorrupt(
            f"the artifact {uri} has changed: its digest is {found}, it was written as {wanted}",
            remedy="Restore it from a backup, or run the task that wrote it again.",
        )


_REMEDIES = {
    errno.ENOSPC: "The disk is full. Free some space; nothing was half-published.",
    errno.EDQUOT: "The disk quota is used up. Free some space; nothing was half-published.",
    errno.EROFS: "The file system is read-only. Choose another place for artifacts.",
    errno.EACCES: "Make the folder writable for this user, or choose another place for artifacts.",
    errno.EPERM: "Make the folder writable for this user, or choose another place for artifacts.",
}


@contextmanager
def explained(doing: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        remedy = _REMEDIES.get(error.errno or 0)
        raise StorageError(f"cannot {doing}: {error.strerror or error}", remedy=remedy) from error


def remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()
