"""Pushed versions: whole, unchanging, and the newest found."""

from __future__ import annotations

from pathlib import Path
from shutil import copytree

import pytest

from millrace.core.errors import ConflictError, ModelError
from millrace.models import folder_digest, load_model
from millrace.serving.push import latest_pushed, push_model


def test_a_pushed_model_loads_and_is_the_latest(model_folder: Path, tmp_path: Path) -> None:
    assert latest_pushed(tmp_path / "served") is None
    pushed = push_model(model_folder, tmp_path / "served", version="9")
    assert pushed == tmp_path / "served" / "9"
    assert folder_digest(pushed) == folder_digest(model_folder)
    assert load_model(pushed).metadata == load_model(model_folder).metadata
    push_model(model_folder, tmp_path / "served", version="10")
    assert latest_pushed(tmp_path / "served") == tmp_path / "served" / "10"


def test_names_that_are_no_numbers_follow_the_time_of_the_push(model_folder: Path, tmp_path: Path) -> None:
    for version in ("zebra", "ant"):
        push_model(model_folder, tmp_path, version=version)
    assert latest_pushed(tmp_path) == tmp_path / "ant"


def test_half_pushed_and_foreign_folders_are_no_versions(model_folder: Path, tmp_path: Path) -> None:
    copytree(model_folder, tmp_path / ".7.x.partial")
    (tmp_path / "99").mkdir()
    (tmp_path / "note.txt").write_text("")
    assert latest_pushed(tmp_path) is None


def test_the_same_again_changes_nothing_and_other_content_is_refused(model_folder: Path, tmp_path: Path) -> None:
    pushed = push_model(model_folder, tmp_path / "served", version="1")
    before = pushed.stat().st_mtime_ns
    assert push_model(model_folder, tmp_path / "served", version="1") == pushed
    assert pushed.stat().st_mtime_ns == before
    other = copytree(model_folder, tmp_path / "other")
    (other / "requirements.txt").write_text("")
    with pytest.raises(ConflictError, match="version 1 is pushed already"):
        push_model(other, tmp_path / "served", version="1")
    assert folder_digest(pushed) == folder_digest(model_folder)


@pytest.mark.parametrize("version", ["", "..", ".hidden", "a/b", "a b", "x" * 200])
def test_versions_are_plain_names(model_folder: Path, tmp_path: Path, version: str) -> None:
    with pytest.raises(ModelError, match="is no version"):
        push_model(model_folder, tmp_path, version=version)


def test_what_is_no_model_is_not_pushed(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelError, match="no MLmodel file"):
        push_model(tmp_path / "empty", tmp_path / "served", version="1")
    assert not (tmp_path / "served").exists()
