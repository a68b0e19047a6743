"""What every :class:`~millrace.interfaces.ArtifactStore` and :class:`~millrace.interfaces.LogStore` keeps to.

Subclass and give the fixture ``artifacts`` or ``logs``, a store over a fresh, empty place.
"""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from millrace.core.errors import ArtifactCorrupt, ConflictError, StorageError
from millrace.interfaces import ArtifactStore, LogStore


def uri_of(store: ArtifactStore, output: str = "out", *, token: int = 1) -> str:
    return f"{store.root}/main/run-1/train/{token}/{output}"


def staged_file(store: ArtifactStore, uri: str, content: bytes = b"content") -> Path:
    path = store.staging(uri)
    path.write_bytes(content)
    return path


def staged_folder(store: ArtifactStore, uri: str) -> Path:
    path = store.staging(uri)
    (path / "nested" / "deep").mkdir(parents=True)
    (path / "b.txt").write_bytes(b"b")
    (path / "nested" / "deep" / "a name.bin").write_bytes(b"\0" * 1000)
    (path / "empty").mkdir()
    return path


class ArtifactStoreConformance:
    """See the module."""

    def test_a_file(self, artifacts: ArtifactStore) -> None:
        uri = uri_of(artifacts, "data.csv")
        local = staged_file(artifacts, uri)
        assert local.name == "data.csv"
        assert not artifacts.exists(uri)
        digest, size = artifacts.publish(local, uri)
        assert (digest, size) == ("sha256:" + hashlib.sha256(b"content").hexdigest(), 7)
        assert not local.exists(), "moved, not copied"
        assert artifacts.exists(uri)
        fetched = artifacts.fetch(uri)
        assert (fetched.name, fetched.read_bytes()) == ("data.csv", b"content")
        artifacts.verify(uri, digest)

    def test_a_folder(self, artifacts: ArtifactStore) -> None:
        uri = uri_of(artifacts)
        digest, size = artifacts.publish(staged_folder(artifacts, uri), uri)
        lines = {"b.txt": b"b", "nested/deep/a name.bin": b"\0" * 1000}
        listing = "".join(f"{p}\0{hashlib.sha256(c).hexdigest()}\n" for p, c in sorted(lines.items()))
        assert digest == "sha256:" + hashlib.sha256(listing.encode()).hexdigest()
        assert size == 1001
        fetched = artifacts.fetch(uri)
        assert {p: (fetched / p).read_bytes() for p in lines} == lines
        artifacts.verify(uri, digest)

    def test_the_digest_is_of_the_content(self, artifacts: ArtifactStore) -> None:
        digests = [
            artifacts.publish(staged_folder(artifacts, uri), uri)[0]
            for uri in (uri_of(artifacts, token=n) for n in (1, 2))
        ]
        changed = uri_of(artifacts, token=3)
        folder = staged_folder(artifacts, changed)
        (folder / "b.txt").rename(folder / "c.txt")
        digests.append(artifacts.publish(folder, changed)[0])
        assert digests[0] == digests[1] != digests[2]

    def test_an_empty_file_and_an_empty_folder(self, artifacts: ArtifactStore) -> None:
        empty_file, empty_folder = uri_of(artifacts, "file"), uri_of(artifacts, "folder")
        artifacts.publish(staged_file(artifacts, empty_file, b""), empty_file)
        folder = artifacts.staging(empty_folder)
        folder.mkdir()
        assert artifacts.publish(folder, empty_folder)[1] == 0
        assert artifacts.fetch(empty_file).read_bytes() == b""
        assert list(artifacts.fetch(empty_folder).iterdir()) == []

    def test_a_file_from_anywhere(self, artifacts: ArtifactStore, tmp_path: Path) -> None:
        local = tmp_path / "elsewhere.txt"
        local.write_text("x")
        uri = uri_of(artifacts)
        artifacts.publish(local, uri)
        assert artifacts.fetch(uri).read_text() == "x"
        assert not local.exists()

    def test_links_are_published_as_what_they_point_at(self, artifacts: ArtifactStore, tmp_path: Path) -> None:
        outside = tmp_path / "outside.txt"
        outside.write_text("outside")
        uri = uri_of(artifacts)
        folder = staged_folder(artifacts, uri)
        (folder / "link.txt").symlink_to(outside)
        digest, _ = artifacts.publish(folder, uri)
        outside.write_text("changed since")
        assert (artifacts.fetch(uri) / "link.txt").read_text() == "outside"
        artifacts.verify(uri, digest)

    def test_what_is_published_does_not_change(self, artifacts: ArtifactStore) -> None:
        for uri, make in ((uri_of(artifacts, "file"), staged_file), (uri_of(artifacts, "folder"), staged_folder)):
            digest, _ = artifacts.publish(make(artifacts, uri), uri)
            with pytest.raises(ConflictError):
                artifacts.publish(staged_file(artifacts, uri, b"other"), uri)
            artifacts.verify(uri, digest)

    def test_what_is_gone_says_so(self, artifacts: ArtifactStore) -> None:
        uri = uri_of(artifacts)
        digest, _ = artifacts.publish(staged_folder(artifacts, uri), uri)
        artifacts.delete(uri)
        artifacts.delete(uri)
        assert not artifacts.exists(uri)
        with pytest.raises(StorageError, match="gone"):
            artifacts.fetch(uri)
        with pytest.raises(StorageError, match="gone"):
            artifacts.verify(uri, digest)
        artifacts.publish(staged_file(artifacts, uri), uri)
        assert artifacts.fetch(uri).read_bytes() == b"content"

    def test_another_digest_is_corruption(self, artifacts: ArtifactStore) -> None:
        uri = uri_of(artifacts)
        artifacts.publish(staged_file(artifacts, uri), uri)
        with pytest.raises(ArtifactCorrupt):
            artifacts.verify(uri, "sha256:" + "0" * 64)

    def test_publishing_what_is_not_there_leaves_nothing(self, artifacts: ArtifactStore) -> None:
        uri = uri_of(artifacts)
        with pytest.raises(StorageError):
            artifacts.publish(artifacts.staging(uri), uri)
        assert not artifacts.exists(uri)
        folder = staged_folder(artifacts, uri)
        (folder / "dangling").symlink_to(folder / "nothing")
        with pytest.raises(StorageError):
            artifacts.publish(folder, uri)
        assert not artifacts.exists(uri)
        assert list(artifacts.uris()) == []

    @pytest.mark.parametrize(
        "path",
        [
            "../out",
            "a/../../out",
            "/etc/passwd",
            "",
            ".",
            "..",
            "a/..",
            ".staging/x",
            "s3://else/where",
            "a\0b",
            "a\\..\\b",
        ],
    )
    def test_nothing_outside_the_root_is_touched(self, artifacts: ArtifactStore, tmp_path: Path, path: str) -> None:
        local = tmp_path / "local"
        local.write_text("x")
        for uri in {path, f"{artifacts.root}/{path}"} - {f"{artifacts.root}//etc/passwd"}:
            for refused in (artifacts.staging, artifacts.fetch, artifacts.exists, artifacts.delete):
                with pytest.raises(StorageError):
                    refused(uri)
            with pytest.raises(StorageError):
                artifacts.publish(local, uri)
        assert local.exists()

    def test_attempt_folders_are_listed(self, artifacts: ArtifactStore) -> None:
        assert list(artifacts.uris()) == []
        for token in (2, 1):
            for output in ("one", "two"):
                uri = uri_of(artifacts, output, token=token)
                artifacts.publish(staged_folder(artifacts, uri), uri)
        artifacts.staging(uri_of(artifacts, token=3))
        elsewhere = f"{artifacts.root}/.tracking/0/run/artifacts/x"
        artifacts.publish(staged_file(artifacts, elsewhere), elsewhere)
        attempts = [f"{artifacts.root}/main/run-1/train/{token}" for token in (1, 2)]
        assert list(artifacts.uris()) == attempts
        for attempt in attempts:
            artifacts.delete(attempt)
        assert list(artifacts.uris()) == []
        assert not artifacts.exists(uri_of(artifacts, "one"))

    def test_many_at_once(self, artifacts: ArtifactStore) -> None:
        def publish(n: int) -> str:
            uri = uri_of(artifacts, f"out{n}", token=n % 3)
            artifacts.publish(staged_file(artifacts, uri, str(n).encode()), uri)
            return uri

        with ThreadPoolExecutor(8) as pool:
            uris = list(pool.map(publish, range(40)))
        assert [artifacts.fetch(u).read_bytes() for u in uris] == [str(n).encode() for n in range(40)]


class LogStoreConformance:
    """See the module."""

    def test_lines_are_read_back_from_where_one_was(self, logs: LogStore) -> None:
        logs.append("attempt-1", ["first", "second\n"])
        text, offset = logs.read("attempt-1")
        assert text == "first\nsecond\n"
        assert logs.read("attempt-1", after=offset) == ("", offset)
        logs.append("attempt-1", ["dritte \N{SNOWMAN}"])
        assert logs.read("attempt-1", after=offset)[0] == "dritte \N{SNOWMAN}\n"
        assert logs.read("attempt-2") == ("", 0)

    def test_text_that_is_no_utf8_is_kept_readable(self, logs: LogStore) -> None:
        logs.append("attempt-1", ["half \udcff", "nul \0"])
        assert logs.read("attempt-1")[0] == "half \\udcff\nnul \0\n"

    def test_more_attempts_than_open_files(self, logs: LogStore) -> None:
        for line in ("one", "two"):
            for n in range(200):
                logs.append(f"attempt-{n}", [f"{line} {n}"])
        assert logs.read("attempt-7")[0] == "one 7\ntwo 7\n"

    def test_lines_of_several_threads_stay_whole(self, logs: LogStore) -> None:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda n: logs.append("attempt-1", [f"{n} " + "x" * 300] * 3), range(50)))
        lines = logs.read("attempt-1")[0].splitlines()
        assert len(lines) == 150
        assert all(line.endswith(" " + "x" * 300) for line in lines)

    @pytest.mark.parametrize("attempt_id", ["../x", "", "/etc/passwd", ".hidden", "a/b"])
    def test_ids_that_are_no_file_names(self, logs: LogStore, attempt_id: str) -> None:
        with pytest.raises(StorageError):
            logs.append(attempt_id, ["x"])
        with pytest.raises(StorageError):
            logs.read(attempt_id)
