from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from millrace.operations.local import LocalOperations
from tests.small_project import SmallProject, make_project, open_operations
from tests.small_server import SmallServer, serving

Millrace = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> SmallProject:
    return make_project(tmp_path_factory.mktemp("project"))


@pytest.fixture(scope="session")
def operations(project: SmallProject) -> Iterator[LocalOperations]:
    with open_operations(project) as opened:
        yield opened


@pytest.fixture(scope="session")
def server(operations: LocalOperations) -> Iterator[SmallServer]:
    with serving(operations) as running:
        yield running


@pytest.fixture(scope="session")
def millrace(project: SmallProject) -> Millrace:
    """``millrace("runs", "list")``: the real command, in the project's folder."""

    def run(*arguments: str, cwd: Path | None = None, **environ: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "millrace", *arguments],
            cwd=cwd or project.file.parent,
            env={**os.environ, "MILLRACE_HOME": str(project.home), **environ},
            capture_output=True,
            text=True,
            check=False,
        )

    return run
