from __future__ import annotations

import os
from pathlib import Path

import pytest

from millrace.data.source_digest import UNREADABLE, source_digest
from millrace.operations.source_digests import SourceDigests


def test_a_file_is_known_by_its_bytes_alone(tmp_path: Path) -> None:
    one, two = tmp_path / "one.csv", tmp_path / "two.csv"
    one.write_text("a,b\n1,2\n")
    two.write_text("a,b\n1,2\n")
    os.utime(two, (0, 0))
    assert source_digest(one) == source_digest(str(two))
    assert source_digest(one).startswith("sha256:")
    two.write_text("a,b\n1,3\n")
    assert source_digest(one) != source_digest(two)


def test_a_folder_is_known_by_names_and_bytes(tmp_path: Path) -> None:
    folder = tmp_path / "rows"
    (folder / "deep").mkdir(parents=True)
    (folder / "a.csv").write_text("1")
    (folder / "deep" / "b.csv").write_text("2")
    before = source_digest(folder)
    (folder / ".hidden").write_text("3")
    assert source_digest(folder) == before
    (folder / "a.csv").rename(folder / "c.csv")
    renamed = source_digest(folder)
    assert renamed != before
    (folder / "deep" / "b.csv").write_text("4")
    assert source_digest(folder) not in {before, renamed}


def test_content_does_not_move_between_files(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    for folder, first, second in ((one, "xy", "z"), (two, "x", "yz")):
        folder.mkdir()
        (folder / "a").write_text(first)
        (folder / "b").write_text(second)
    assert source_digest(one) != source_digest(two)


@pytest.mark.parametrize("name", ["nowhere.csv", "null\0character", "file.csv/below"])
def test_what_cannot_be_read_has_a_digest_too(name: str, tmp_path: Path) -> None:
    (tmp_path / "file.csv").write_text("a")
    assert source_digest(tmp_path / name) == UNREADABLE


def test_what_would_be_waited_for_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert source_digest(tmp_path / "pipe") == UNREADABLE
    assert source_digest(tmp_path) == UNREADABLE
    assert source_digest("/dev/zero") == UNREADABLE


@pytest.mark.parametrize("path", ["a\0b", "\ud800", "/dev/zero", "nowhere"])
def test_a_path_that_cannot_be_read_is_equal_to_nothing(path: str) -> None:
    digests = SourceDigests()
    assert digests.digest(path) != digests.digest(path)
