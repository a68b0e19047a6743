"""Whole runs: the real command in processes of its own, a real home, a free port."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.whole.installation import Installation


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    """One for this test alone."""
    made = Installation(tmp_path)
    yield made
    made.end_all()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """One for the tests of a file, where they do not get in one another's way."""
    made = Installation(tmp_path_factory.mktemp("shared"))
    yield made
    made.end_all()
