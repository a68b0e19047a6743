from __future__ import annotations

from collections.abc import Iterator

import pytest

from millrace.operations.local import LocalOperations
from tests.small_project import SmallProject, make_project, open_operations
from tests.small_server import SmallServer, serving


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
