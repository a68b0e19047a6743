"""Real stores in a temporary home, with a pipeline that has run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from millrace.wiring.settings import Settings, load_settings
from millrace.wiring.stores import Stores, open_stores


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings({"home": str(tmp_path / "home")}, cwd=tmp_path, environ={})


@pytest.fixture
def stores(settings: Settings) -> Iterator[Stores]:
    opened = open_stores(settings)
    yield opened
    opened.close()
