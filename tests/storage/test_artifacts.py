"""Artifact and log stores keep every promise of their interfaces."""

from __future__ import annotations

import errno
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from millrace.core.errors import ArtifactCorrupt, StorageError
from millrace.storage.artifacts import LocalArtifactStore
from millrace.storage.logs import PART, FileLogStore
from millrace.storage.object_artifacts import FsspecArtifactStore
from millrace.testing.artifact_conformance import (
    ArtifactStoreConformance,
    LogStoreConformance,
    staged_file,
    staged_folder,
    uri_of,
)


class TestLocal(ArtifactStoreConformance):
    @pytest.fixture
    def artifacts(self, tmp_path: Path) -> LocalArtifactStore:
        return LocalArtifactStore(tmp_path / "a home" / "artifacts%20")

    def test_a_file_url_of_the_same_place(self, artifacts: LocalArtifactStore) -> None:
        uri = uri_of(artifacts)
        artifacts.publish(staged_file(artifacts, uri), uri)
        assert artifacts.fetch(Path(uri).as_uri()).read_bytes() == b"content"

    def test_nothing_is_left_in_staging(self, artifacts: LocalArtifactStore) -> None:
        uri = uri_of(artifacts)
        artifacts.publish(staged_folder(artifacts, uri), uri)
        artifacts.delete(uri)
        assert [p for p in (Path(artifacts.root) / ".staging").rglob("*") if not p.is_dir()] == []

    def test_staging_folders_are_used_again(self, artifacts: LocalArtifactStore) -> None:
        for token in range(20):
            uri = uri_of(artifacts, token=token)
            artifacts.publish(staged_file(artifacts, uri), uri)
        assert len(list((Path(artifacts.root) / ".staging").iterdir())) == 1
        both = [artifacts.staging(uri_of(artifacts, token=t)) for t in (30, 31)]
        assert both[0].parent != both[1].parent

    def test_what_a_dead_process_left_is_swept_after_a_day(self, artifacts: LocalArtifactStore) -> None:
        staging = Path(artifacts.root) / ".staging"
        gone = subprocess.Popen([sys.executable, "-c", ""])
        gone.wait()
        host = socket.gethostname()
        names = {
            f"{host}-{gone.pid}-1": 2,
            f"{host}-{gone.pid}-2": 0,
            f"{host}-{os.getppid()}-1": 2,
            "other-host-1-1": 2,
        }
        for name, days in names.items():
            (staging / name).mkdir(parents=True)
            (staging / name / "half").write_text("written")
            then = time.time() - days * 86_400 - 60
            os.utime(staging / name, (then, then))
        own = artifacts.staging(uri_of(artifacts)).parent
        assert {p.name for p in staging.iterdir()} == {*list(names)[1:], own.name}

    def test_a_changed_byte_is_found(self, artifacts: LocalArtifactStore) -> None:
        uri = uri_of(artifacts)
        digest, _ = artifacts.publish(staged_folder(artifacts, uri), uri)
        (Path(uri) / "b.txt").write_bytes(b"x")
        with pytest.raises(ArtifactCorrupt, match="changed"):
            artifacts.verify(uri, digest)

    def test_from_another_file_system(self, artifacts: LocalArtifactStore) -> None:
        other = Path("/dev/shm")
        if not other.is_dir() or other.stat().st_dev == Path(artifacts.root).parent.parent.stat().st_dev:
            pytest.skip("no second file system here")
        folder = other / f"millrace-test-{os.getpid()}"
        folder.mkdir()
        (folder / "x").write_text("x")
        try:
            uri = uri_of(artifacts)
            artifacts.publish(folder, uri)
            assert (artifacts.fetch(uri) / "x").read_text() == "x"
            assert not folder.exists()
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def test_a_special_file_is_refused(self, artifacts: LocalArtifactStore) -> None:
        uri = uri_of(artifacts)
        folder = staged_folder(artifacts, uri)
        os.mkfifo(folder / "fifo")
        with pytest.raises(StorageError, match="neither a file nor a folder"):
            artifacts.publish(folder, uri)
        assert not artifacts.exists(uri)


class TestMemory(ArtifactStoreConformance):
    @pytest.fixture
    def artifacts(self, tmp_path: Path) -> Iterator[FsspecArtifactStore]:
        yield FsspecArtifactStore("memory://bucket/artifacts", tmp_path / "cache")
        MemoryFileSystem.store.clear()
        MemoryFileSystem.pseudo_dirs[:] = [""]

    def test_an_upload_that_breaks_off_is_not_there(
        self, artifacts: FsspecArtifactStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        uri = uri_of(artifacts)
        folder = staged_folder(artifacts, uri)
        put, files = MemoryFileSystem.put_file, []

        def full(self: MemoryFileSystem, local: str, remote: str, **rest: Any) -> None:
            files.append(remote)
            if len(files) == 2:
                raise OSError(errno.ENOSPC, "No space left on device")
            put(self, local, remote, **rest)

        monkeypatch.setattr(MemoryFileSystem, "put_file", full)
        with pytest.raises(StorageError, match="No space left") as caught:
            artifacts.publish(folder, uri)
        assert "Free some space" in str(caught.value)
        assert not artifacts.exists(uri)
        assert list(artifacts.uris()) == []
        with pytest.raises(StorageError, match="gone"):
            artifacts.fetch(uri)
        monkeypatch.undo()
        digest, _ = artifacts.publish(folder, uri)
        artifacts.verify(uri, digest)

    def test_a_second_fetch_downloads_nothing(
        self, artifacts: FsspecArtifactStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        uri = uri_of(artifacts)
        artifacts.publish(staged_folder(artifacts, uri), uri)
        first = artifacts.fetch(uri)
        monkeypatch.delattr(MemoryFileSystem, "cat_file", raising=False)
        stored = fsspec.filesystem("memory")
        stored.rm("/bucket/artifacts/main", recursive=True)
        assert artifacts.fetch(uri) == first


class TestFileUrl(ArtifactStoreConformance):
    @pytest.fixture
    def artifacts(self, tmp_path: Path) -> FsspecArtifactStore:
        return FsspecArtifactStore(f"file://{tmp_path}/bucket", tmp_path / "cache")


class TestFileLogs(LogStoreConformance):
    @pytest.fixture
    def logs(self, tmp_path: Path) -> Iterator[FileLogStore]:
        store = FileLogStore(tmp_path / "logs")
        yield store
        store.close()

    def test_a_long_log_is_read_in_parts(self, logs: FileLogStore) -> None:
        lines = [str(number) * 1000 for number in range(5_000)] + ["x" * (PART + 5), "end"]
        logs.append("attempt-1", lines)
        after = 0
        parts = []
        while True:
            text, after = logs.read("attempt-1", after=after)
            if not text:
                break
            assert len(text) <= 2 * PART
            assert text.endswith("\n")
            parts.append(text)
        assert "".join(parts) == "".join(line + "\n" for line in lines)

    def test_a_part_of_a_line_waits_for_its_end(self, logs: FileLogStore, tmp_path: Path) -> None:
        logs.append("attempt-1", ["whole"])
        (path,) = (tmp_path / "logs").rglob("*.log")
        with path.open("a") as file:
            file.write("par")
        text, offset = logs.read("attempt-1")
        assert text == "whole\n"
        with path.open("a") as file:
            file.write("t\n")
        assert logs.read("attempt-1", after=offset)[0] == "part\n"


AS_NOBODY = """
import os, sys
from pathlib import Path
from millrace.core.errors import StorageError
from millrace.storage.artifacts import LocalArtifactStore
from millrace.storage.logs import FileLogStore
from millrace.storage.sql.database import Database
if os.getuid() == 0:
    os.setgid(65534); os.setuid(65534)
folder = sys.argv[1]
for refused in (
    lambda: LocalArtifactStore(Path(folder)).staging(folder + "/a/b/c/1/out"),
    lambda: FileLogStore(Path(folder) / "logs").append("attempt-1", ["x"]),
    lambda: Database.open(f"sqlite:///{folder}/millrace.db"),
    lambda: Database.open(f"sqlite:///{folder}/deeper/millrace.db"),
):
    try:
        refused()
    except StorageError as error:
        assert error.remedy, error
        print("refused", error.message)
"""


def test_a_read_only_folder_is_refused_in_plain_words(tmp_path: Path) -> None:
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    folder = tmp_path / "locked"
    folder.mkdir()
    folder.chmod(0o555)
    done = subprocess.run([sys.executable, "-c", AS_NOBODY, str(folder)], capture_output=True, text=True, check=False)
    assert done.stdout.count("refused") == 4, done.stdout + done.stderr
    assert list(folder.iterdir()) == []


PUBLISHER = """
import sys
from pathlib import Path
from millrace.storage.artifacts import LocalArtifactStore
store = LocalArtifactStore(Path(sys.argv[1]))
for n in range(1_000_000):
    uri = f"{store.root}/main/run/task/{n}/out"
    folder = store.staging(uri)
    folder.mkdir()
    for i in range(20):
        (folder / str(i)).write_bytes(b"x" * 2000)
    digest, _ = store.publish(folder, uri)
    sys.stdout.write(f"{uri} {digest}\\n")
    sys.stdout.flush()
"""


def test_what_is_published_is_whole_after_sigkill(tmp_path: Path) -> None:
    root = tmp_path / "artifacts"
    process = subprocess.Popen([sys.executable, "-c", PUBLISHER, str(root)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    acknowledged = [process.stdout.readline().split() for _ in range(40)]
    process.kill()
    acknowledged += [line.split() for line in process.stdout.read().splitlines()]
    process.wait()
    process.stdout.close()
    store = LocalArtifactStore(root)
    for uri, digest in acknowledged:
        store.verify(uri, digest)
    published = [attempt for attempt in store.uris() if store.exists(f"{attempt}/out")]
    assert len(acknowledged) <= len(published) <= len(acknowledged) + 1
    for attempt in published:
        store.verify(f"{attempt}/out", acknowledged[0][1])
