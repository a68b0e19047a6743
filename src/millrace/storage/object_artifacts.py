"""The bytes of artifacts at any fsspec URL.

Invariant: at a URI there is a whole artifact or none. An object store cannot rename a folder, so each artifact has a
marker that is written last and deleted first: without its marker an upload is not there.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import orjson

from millrace.storage.artifact_paths import (
    ATTEMPT_DEPTH,
    MARKERS,
    STAGING,
    already_published,
    check_digest,
    explained,
    gone,
    relative_path,
    remove,
)
from millrace.storage.digests import digest_of


class FsspecArtifactStore:
    """Any fsspec URL: ``s3://bucket/prefix``, ``gs://``, ``memory://``, ``file://``.

    Beside the bytes at ``<root>/<path>`` each artifact has the marker ``<root>/.published/<path>.json`` with its
    digest, size and files; it is written last and deleted first. ``cache`` is a local folder for what was fetched.
    """

    def __init__(self, url: str, cache: Path | None = None) -> None:
        import fsspec  # lazy: only a store that is not a folder needs it

        self._root = url.rstrip("/")
        with explained(f"open the artifact store {url}"):
            self._fs, base = fsspec.core.url_to_fs(self._root)
        self._base = str(base).rstrip("/")
        self._cache = cache or Path(tempfile.gettempdir()) / f"millrace-artifacts-{os.getuid()}"

    @property
    def root(self) -> str:
        return self._root

    def publish(self, local: Path, uri: str) -> tuple[str, int]:
        path = relative_path(self._root, uri)
        with explained(f"publish {uri}"):
            if self._fs.exists(self._marker(path)):
                raise already_published(uri)
            digest, size = digest_of(local)
            files = _files(local)
            for name in files:
                target = f"{self._base}/{path}/{name}" if name else f"{self._base}/{path}"
                self._fs.makedirs(target.rpartition("/")[0], exist_ok=True)
                self._fs.put_file(str(local / name), target)
            marker = {"digest": digest, "size": size, "folder": local.is_dir(), "files": files}
            self._fs.makedirs(self._marker(path).rpartition("/")[0], exist_ok=True)
            self._write_marker(path, orjson.dumps(marker))
            remove(local)
        return digest, size

    def staging(self, uri: str) -> Path:
        name = PurePosixPath(relative_path(self._root, uri)).name
        folder = self._cache / STAGING / secrets.token_hex(8)
        with explained(f"write below {self._cache}"):
            folder.mkdir(parents=True)
        return folder / name

    def fetch(self, uri: str) -> Path:
        """By digest, so that a second fetch costs nothing."""
        path = relative_path(self._root, uri)
        with explained(f"fetch {uri}"):
            marker = self._read_marker(path, uri)
            cached = self._cache / str(marker["digest"]).replace(":", "-") / PurePosixPath(path).name
            if not cached.exists():
                self._download(path, marker, cached, uri)
        return cached

    def exists(self, uri: str) -> bool:
        with explained(f"look for {uri}"):
            return bool(self._fs.exists(self._marker(relative_path(self._root, uri))))

    def verify(self, uri: str, digest: str) -> None:
        path = relative_path(self._root, uri)
        with explained(f"read {uri}"):
            marker = self._read_marker(path, uri)
            copy = self._cache / STAGING / secrets.token_hex(8) / PurePosixPath(path).name
            self._download(path, marker, copy, uri)
            found = digest_of(copy)[0]
            shutil.rmtree(copy.parent)
        check_digest(uri, digest, found)

    def delete(self, uri: str) -> None:
        path = relative_path(self._root, uri)
        with explained(f"delete {uri}"):
            # Markers first: what is half-deleted is gone. Below a folder of an attempt there are several.
            for doomed in (self._marker(path), f"{self._base}/{MARKERS}/{path}", f"{self._base}/{path}"):
                self._fs.invalidate_cache()
                if self._fs.exists(doomed):
                    self._fs.rm(doomed, recursive=True)

    def uris(self) -> Iterator[str]:
        prefix = f"{self._base}/{MARKERS}"
        with explained(f"list {self._root}"):
            self._fs.invalidate_cache()
            markers = self._fs.find(prefix) if self._fs.exists(prefix) else []
        attempts = {"/".join(str(m)[len(prefix) + 1 :].split("/")[:ATTEMPT_DEPTH]) for m in markers}
        for attempt in sorted(a for a in attempts if not a.startswith(".")):
            yield f"{self._root}/{attempt}"

    def _marker(self, path: str) -> str:
        return f"{self._base}/{MARKERS}/{path}.json"

    def _write_marker(self, path: str, content: bytes) -> None:
        # One object appears at once everywhere but in a plain folder, where a rename makes it so.
        final, part = self._marker(path), f"{self._marker(path)}.{secrets.token_hex(4)}"
        self._fs.pipe_file(part, content)
        self._fs.mv(part, final)

    def _read_marker(self, path: str, uri: str) -> dict[str, Any]:
        try:
            content = self._fs.cat_file(self._marker(path))
        except FileNotFoundError:
            raise gone(uri) from None
        marker: dict[str, Any] = orjson.loads(content)
        return marker

    def _download(self, path: str, marker: dict[str, Any], target: Path, uri: str) -> None:
        part = self._cache / STAGING / secrets.token_hex(8) / target.name
        part.parent.mkdir(parents=True)
        if marker["folder"]:
            part.mkdir()
        for name in marker["files"]:
            local = part / name if name else part
            local.parent.mkdir(parents=True, exist_ok=True)
            try:
                self._fs.get_file(f"{self._base}/{path}/{name}" if name else f"{self._base}/{path}", str(local))
            except FileNotFoundError:
                raise gone(uri) from None
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
