"""The bytes of artifacts: a folder (the default) or any fsspec URL.

A URI is the store's root followed by a relative path; that path alone is taken for below the root too. What would
leave the root is refused. A published artifact is never changed: publishing over one is a ConflictError.

Invariant: at a URI there is a whole artifact or none. The folder store gets it by renaming within one file system; an
object store, which cannot rename a folder, by writing a marker last: without its marker an upload is not there.
Both survive the death of the process at any point (not a power cut: nothing here waits for the disk).
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

import orjson

from millrace.core.errors import ArtifactCorrupt, ConflictError, StorageError
from millrace.storage.digests import digest_of, has_links

_STAGING = ".staging"
_MARKERS = ".published"
ATTEMPT_DEPTH = 4
"""An attempt's folder is ``<root>/<pipeline>/<run id>/<task id>/<attempt id>``."""


def relative_path(root: str, uri: str) -> str:
    """The part of ``uri`` below ``root``. StorageError for what is not below it."""
    rest = uri[len(root) + 1 :] if uri.startswith(root + "/") else uri
    path = PurePosixPath(rest)
    if not rest or "\\" in rest or "\0" in rest or "://" in rest or path.is_absolute() or ".." in path.parts:
        raise StorageError(f"{uri!r} is not below the artifact store {root}")
    if path.parts[0] in {_STAGING, _MARKERS} or str(path) == ".":
        raise StorageError(f"{uri!r} is the artifact store's own place")
    return str(path)


def _already(uri: str) -> ConflictError:
    return ConflictError(f"an artifact is already published at {uri}; published artifacts do not change")


def _gone(uri: str) -> StorageError:
    return StorageError(
        f"the artifact {uri} is gone",
        remedy="Run the task that wrote it again, without the cache.",
    )


def _check(uri: str, wanted: str, found: str) -> None:
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
def _explained(doing: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        remedy = _REMEDIES.get(error.errno or 0)
        raise StorageError(f"cannot {doing}: {error.strerror or error}", remedy=remedy) from error


class LocalArtifactStore:
    """A folder. URIs are plain absolute paths; ``file://`` URLs of the same place are understood."""

    def __init__(self, root: Path) -> None:
        self._root = root.absolute()
        self._prefix = str(self._root)
        self._staging = self._root / _STAGING

    @property
    def root(self) -> str:
        return self._prefix

    def publish(self, local: Path, uri: str) -> tuple[str, int]:
        """A folder's digest leaves out empty folders. Links inside are replaced by what they point at."""
        target = self._path(uri)
        with _explained(f"publish {uri}"):
            if os.path.lexists(target):
                raise _already(uri)
            source = local
            if has_links(local) or not self._same_device(local):
                source = self._new_staging() / target.name
                _copy(local, source)
            digest, size = digest_of(source)
            _move(source, target)
            if source is not local:
                _remove(local)
            self._tidy(source.parent)
            self._tidy(local.parent)
        return digest, size

    def staging(self, uri: str) -> Path:
        name = self._path(uri).name
        with _explained(f"write below {self._staging}"):
            return self._new_staging() / name

    def fetch(self, uri: str) -> Path:
        path = self._path(uri)
        if not path.exists():
            raise _gone(uri)
        return path

    def exists(self, uri: str) -> bool:
        return self._path(uri).exists()

    def verify(self, uri: str, digest: str) -> None:
        path = self.fetch(uri)
        with _explained(f"read {uri}"):
            _check(uri, digest, digest_of(path)[0])

    def delete(self, uri: str) -> None:
        path = self._path(uri)
        with _explained(f"delete {uri}"):
            if not os.path.lexists(path):
                return
            # Out of sight first: a reader never sees half of it.
            doomed = self._new_staging()
            path.rename(doomed / path.name)
            shutil.rmtree(doomed)

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
            if entry.is_dir(follow_symlinks=False) and entry.name != _STAGING:
                yield from self._folders(Path(entry.path), depth - 1)

    def _path(self, uri: str) -> Path:
        plain = unquote(urlsplit(uri).path) if uri.startswith("file://") else uri
        return self._root / relative_path(self._prefix, plain)

    def _new_staging(self) -> Path:
        folder = self._staging / secrets.token_hex(8)
        try:
            folder.mkdir()
        except FileNotFoundError:
            folder.mkdir(parents=True)
        return folder

    def _tidy(self, folder: Path) -> None:
        if folder.parent == self._staging:
            shutil.rmtree(folder, ignore_errors=True)

    def _same_device(self, local: Path) -> bool:
        if local.is_relative_to(self._staging):
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


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


class FsspecArtifactStore:
    """Any fsspec URL: ``s3://bucket/prefix``, ``gs://``, ``memory://``, ``file://``.

    Beside the bytes at ``<root>/<path>`` each artifact has the marker ``<root>/.published/<path>.json`` with its
    digest, size and files; it is written last and deleted first. ``cache`` is a local folder for what was fetched.
    """

    def __init__(self, url: str, cache: Path | None = None) -> None:
        import fsspec  # lazy: only a store that is not a folder needs it

        self._root = url.rstrip("/")
        with _explained(f"open the artifact store {url}"):
            self._fs, base = fsspec.core.url_to_fs(self._root)
        self._base = str(base).rstrip("/")
        self._cache = cache or Path(tempfile.gettempdir()) / f"millrace-artifacts-{os.getuid()}"

    @property
    def root(self) -> str:
        return self._root

    def publish(self, local: Path, uri: str) -> tuple[str, int]:
        path = relative_path(self._root, uri)
        with _explained(f"publish {uri}"):
            if self._fs.exists(self._marker(path)):
                raise _already(uri)
            digest, size = digest_of(local)
            files = _files(local)
            for name in files:
                target = f"{self._base}/{path}/{name}" if name else f"{self._base}/{path}"
                self._fs.makedirs(target.rpartition("/")[0], exist_ok=True)
                self._fs.put_file(str(local / name), target)
            marker = {"digest": digest, "size": size, "folder": local.is_dir(), "files": files}
            self._fs.makedirs(self._marker(path).rpartition("/")[0], exist_ok=True)
            self._write_marker(path, orjson.dumps(marker))
            _remove(local)
        return digest, size

    def staging(self, uri: str) -> Path:
        name = PurePosixPath(relative_path(self._root, uri)).name
        folder = self._cache / _STAGING / secrets.token_hex(8)
        with _explained(f"write below {self._cache}"):
            folder.mkdir(parents=True)
        return folder / name

    def fetch(self, uri: str) -> Path:
        """By digest, so that a second fetch costs nothing."""
        path = relative_path(self._root, uri)
        with _explained(f"fetch {uri}"):
            marker = self._read_marker(path, uri)
            cached = self._cache / str(marker["digest"]).replace(":", "-") / PurePosixPath(path).name
            if not cached.exists():
                self._download(path, marker, cached, uri)
        return cached

    def exists(self, uri: str) -> bool:
        with _explained(f"look for {uri}"):
            return bool(self._fs.exists(self._marker(relative_path(self._root, uri))))

    def verify(self, uri: str, digest: str) -> None:
        path = relative_path(self._root, uri)
        with _explained(f"read {uri}"):
            marker = self._read_marker(path, uri)
            copy = self._cache / _STAGING / secrets.token_hex(8) / PurePosixPath(path).name
            self._download(path, marker, copy, uri)
            found = digest_of(copy)[0]
            shutil.rmtree(copy.parent)
        _check(uri, digest, found)

    def delete(self, uri: str) -> None:
        path = relative_path(self._root, uri)
        with _explained(f"delete {uri}"):
            if self._fs.exists(self._marker(path)):
                self._fs.rm_file(self._marker(path))
            if self._fs.exists(f"{self._base}/{path}"):
                self._fs.rm(f"{self._base}/{path}", recursive=True)

    def uris(self) -> Iterator[str]:
        prefix = f"{self._base}/{_MARKERS}"
        with _explained(f"list {self._root}"):
            self._fs.invalidate_cache()
            markers = self._fs.find(prefix) if self._fs.exists(prefix) else []
        attempts = {"/".join(str(m)[len(prefix) + 1 :].split("/")[:ATTEMPT_DEPTH]) for m in markers}
        for attempt in sorted(attempts):
            yield f"{self._root}/{attempt}"

    def _marker(self, path: str) -> str:
        return f"{self._base}/{_MARKERS}/{path}.json"

    def _write_marker(self, path: str, content: bytes) -> None:
        # One object appears at once everywhere but in a plain folder, where a rename makes it so.
        final, part = self._marker(path), f"{self._marker(path)}.{secrets.token_hex(4)}"
        self._fs.pipe_file(part, content)
        self._fs.mv(part, final)

    def _read_marker(self, path: str, uri: str) -> dict[str, Any]:
        try:
            content = self._fs.cat_file(self._marker(path))
        except FileNotFoundError:
            raise _gone(uri) from None
        marker: dict[str, Any] = orjson.loads(content)
        return marker

    def _download(self, path: str, marker: dict[str, Any], target: Path, uri: str) -> None:
        part = self._cache / _STAGING / secrets.token_hex(8) / target.name
        part.parent.mkdir(parents=True)
        if marker["folder"]:
            part.mkdir()
        for name in marker["files"]:
            local = part / name if name else part
            local.parent.mkdir(parents=True, exist_ok=True)
            try:
                self._fs.get_file(f"{self._base}/{path}/{name}" if name else f"{self._base}/{path}", str(local))
            except FileNotFoundError:
                raise _gone(uri) from None
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            part.rename(target)
        except OSError as error:  # somebody else fetched it meanwhile
            if error.errno not in {errno.ENOTEMPTY, errno.EEXIST}:
                raise
        shutil.rmtree(part.parent, ignore_errors=True)


def _files(local: Path) -> list[str]:
    """Relative paths of the files of a folder; ``[""]`` for a file."""
    if not local.is_dir():
        return [""]
    return sorted(p.relative_to(local).as_posix() for p in local.rglob("*") if p.is_file())
