"""No test leaves a project's modules in this process."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from millrace.authoring import project_modules


@pytest.fixture(autouse=True)
def _no_active_project() -> Iterator[None]:
    project_modules.deactivate()  # what an earlier module of this worker may have left active
    before = list(sys.path), list(sys.meta_path)
    yield
    project_modules.deactivate()
    assert (list(sys.path), list(sys.meta_path)) == before
