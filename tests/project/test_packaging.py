"""What `pip install .` installs is the whole package: its templates, migrations and marker files too."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "millrace"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy: building leaves folders behind."""
    copy = tmp_path_factory.mktemp("copy")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    shutil.copytree(ROOT / "src", copy / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-cache-dir"]
    built = subprocess.run([*command, "-w", "out", "."], cwd=copy, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    [path] = (copy / "out").glob("*.whl")
    return path


def test_the_wheel_holds_every_file_of_the_source(wheel: Path) -> None:
    files = {path.relative_to(ROOT / "src").as_posix() for path in SOURCE.rglob("*") if path.is_file()}
    wanted = {name for name in files if "__pycache__" not in name}
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("millrace/")}
    assert packed == wanted


def test_the_wheel_has_the_command_and_the_licence(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        [entry_points] = [name for name in archive.namelist() if name.endswith("entry_points.txt")]
        assert "millrace = millrace.cli:main" in archive.read(entry_points).decode()
        [licence] = [name for name in archive.namelist() if name.endswith("/LICENSE")]
        assert archive.read(licence) == (ROOT / "LICENSE").read_bytes()


def test_the_lock_is_hashed_and_names_no_index() -> None:
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert "://" not in lock
    assert "--index" not in lock
    assert "--find-links" not in lock
    requirements = lock.replace("\\\n", " ").splitlines()
    assert [line for line in requirements if line.strip() and "--hash=sha256:" not in line] == []


def test_the_lock_has_every_dependency_of_the_project() -> None:
    """`make lock` was run after a dependency came in."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    wanted = [Requirement(line) for line in [*project["dependencies"], *extras["postgres"], *extras["dev"]]]
    lines = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    locked = dict(line.split(" ")[0].split("==") for line in lines if "==" in line and not line.startswith(" "))
    missing = [
        str(need) for need in wanted if not need.specifier.contains(locked.get(canonicalize_name(need.name), "0"))
    ]
    assert missing == []
