"""A disk without room: a small file system of its own, filled by the test."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.whole.installation import Installation, task_of
from tests.whole.processes import until
from tests.whole.test_bad_input import GOOD, check

SIZE = 24 << 20

BIG = """
    from millrace import Dataset, Output, pipeline, task

    @task
    def write(rows: Output[Dataset]) -> None:
        with rows.path.open("wb") as file:
            for _ in range(64):
                file.write(b"x" * (1 << 20))

    @pipeline
    def big():
        write()
    """


class SmallDisk:
    """A file system at ``path``; ``fill`` leaves no byte, ``free`` takes that back."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.filler = path / "filler"

    def fill(self) -> None:
        with self.filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(b"\0" * 4096)

    def free(self) -> None:
        self.filler.unlink()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small file system")
    path = tmp_path / "disk"
    path.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(path)]
    made = subprocess.run(mount, capture_output=True, text=True, check=False)
    if made.returncode != 0:
        pytest.skip(f"no file system can be mounted here: {made.stderr.strip()}")
    yield SmallDisk(path)
    subprocess.run(["umount", "--lazy", str(path)], check=True)


@pytest.fixture
def installation(disk: SmallDisk, tmp_path: Path) -> Iterator[Installation]:
    """Its home is on the small disk, its pipelines are not."""
    made = Installation(tmp_path)
    made.home = disk.path / "home"
    yield made
    made.end_all()


def whole(installation: Installation) -> bool:
    with contextlib.closing(sqlite3.connect(installation.home / "millrace.db")) as connection:
        answer: str = connection.execute("PRAGMA integrity_check").fetchone()[0]
    return answer == "ok"


def test_no_room_for_a_new_home(installation: Installation, disk: SmallDisk) -> None:
    file = installation.write("good.py", GOOD)
    disk.fill()
    check(installation.millrace("run", file), "[Nn]o space left|disk is full", "[Rr]oom", codes=(1,))
    disk.free()
    installation.millrace("run", file).ok()
    assert whole(installation)


@pytest.mark.parametrize("verb", ["run", "trigger"])
def test_no_room_in_a_home_that_is_used(installation: Installation, disk: SmallDisk, verb: str) -> None:
    file = installation.write("good.py", GOOD)
    installation.millrace("run", file).ok()
    before = installation.content()
    disk.fill()
    done = installation.millrace(verb, "good" if verb == "trigger" else file)
    disk.free()
    check(done, "[Nn]o space left|disk is full", "[Rr]oom", codes=(1,))
    assert whole(installation)
    assert installation.content() == before
    installation.millrace("run", file).ok()


def test_an_artifact_that_does_not_fit_leaves_nothing(installation: Installation) -> None:
    file = installation.write("big.py", BIG)
    done = installation.millrace("run", file, "--json")
    assert done.code == 1
    run = installation.millrace("runs", "show", done.json["run_id"], "--json").ok().json
    assert "No space left" in task_of(run, "write")["reason"]
    assert installation.rows()["artifact"] == 0
    assert not [n for n, kind in installation.files().items() if n.startswith("artifacts/big") and kind != "folder"]
    good = installation.write("good.py", GOOD)
    installation.millrace("run", good).ok()


def test_a_service_outlives_a_full_disk(installation: Installation, disk: SmallDisk) -> None:
    installation.write("good.py", GOOD)
    with installation.up() as service:
        assert service.finished("good")["state"] == "success"
        disk.fill()
        refused = service.ask("/api/v1/pipelines/good/runs", {"params": {}})
        assert "run_id" not in refused, refused
        installation.write("later.py", GOOD.replace("def good", "def later"))
        assert "no space" in str(refused).lower() or "disk is full" in str(refused).lower(), refused
        until(lambda: "takes no pipelines" in service.log.read_text(), "the new file to be refused")
        disk.free()
        assert service.finished("good")["state"] == "success"
        until(lambda: "later" in service.pipelines(), "the file that came while the disk was full")
    assert whole(installation)
