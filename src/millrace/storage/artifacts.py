"""The bytes of artifacts in a folder.

A URI is the store's root followed by a relative path; that path alone is taken for below the root too. What would
leave the root is refused. A published artifact is never changed: publishing over one is a ConflictError.

Invariant: at a URI there is a whole artifact or none, because it gets there by a rename within one file system. That
survives the death of the process at any point (not a power cut: nothing here waits for the disk).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

from millrace.storage.artifact_paths import (
    ATTEMPT_DEPTH,
    STAGING,
    already_published,
    check_digest,
    explained,
    gone,
    relative_path,
    remove,
)
from millrace.storage.digests import digest_of, has_links
from millrace.storage.staging_folders import StagingFolders


class LocalArtifactStore:
    """A folder. URIs are plain absolute paths; ``file://`` URLs of the same place are understood."""

    def __init__(self, root: Path) -> None:
        self._root = root.absolute()
        self._prefix = str(self._root)
        self._staging = StagingFolders(self._root / STAGING)

    @property
    def root(self) -> str:
        return self._prefix

    def publish(self, local: Path, uri: str) -> tuple[str, int]:
        """A folder's digest leaves out empty folders. Links inside are replaced by what they point at."""
        target = self._path(uri)
        with explained(f"publish {uri}"):
            if os.path.lexists(target):
                raise already_published(uri)
            source = local
            if has_links(local) or not self._same_device(local):
                source = self._staging.take() / target.name
                _copy(local, source)
            digest, size = digest_of(source)
            _move(source, target)
            if source is not local:
                remove(local)
                self._tidy(source.parent)
            self._tidy(local.parent)
        return digest, size

    def staging(self, uri: str) -> Path:
        name = self._path(uri).name
        with explained(f"write below {self._staging.folder}"):
            return self._staging.take() / name

    def fetch(self, uri: str) -> Path:
        path = self._path(uri)
        if not path.exists():
            raise gone(uri)
        return path

    def exists(self, uri: str) -> bool:
        return self._path(uri).exists()

    def verify(self, uri: str, digest: str) -> None:
        path = self.fetch(uri)
        with explained(f"read {uri}"):
            check_digest(uri, digest, digest_of(path)[0])

    def delete(self, uri: str) -> None:
        path = self._path(uri)
        with explained(f"delete {uri}"):
            if not os.path.lexists(path):
                return
            # Out of sight first: a reader never sees half of it.
            doomed = self._staging.take()
            path.rename(doomed / path.name)
            self._staging.give_back(doomed)

    def uris(self) -> Iterator[str]:
        yield from self._folders(self._root, ATTEMPT_DEPTH)

    def _folders(self, folder: Path, depth: int) -> Iterator[str]:
        if depth == 0:
            yield str(folder)
            return
        try:
            entries = sorted(os.scandir(folder), key=lambda e: e.name)
        except FileNotFoundError:
            return
        for entry in entries:
            if entry.is_dir(follow_symlinks=False) and not entry.name.startswith("."):
                yield from self._folders(Path(entry.path), depth - 1)

    def _path(self, uri: str) -> Path:
        plain = unquote(urlsplit(uri).path) if uri.startswith("file://") else uri
        return self._root / relative_path(self._prefix, plain)

    def _tidy(self, folder: Path) -> None:
        if folder.parent == self._staging.folder:
            self._staging.give_back(folder)

    def _same_device(self, local: Path) -> bool:
        if local.is_relative_to(self._staging.folder):
            return True
        self._root.mkdir(parents=True, exist_ok=True)
        return local.stat().st_dev == self._root.stat().st_dev


def _move(source: Path, target: Path) -> None:
    try:
        source.rename(target)
    except FileNotFoundError:
        target.parent.mkdir(parents=True, exist_ok=True)
        source.rename(target)


def _copy(source: Path, target: Path) -> None:
    """Links become what they point at; a dangling one is an error."""
    if source.is_dir():
        shutil.copytree(source, target, symlinks=False)
    else:
        shutil.copyfile(source, target)
