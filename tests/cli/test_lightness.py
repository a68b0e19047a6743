"""The command line loads nothing that a verb does not need."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = "('sqlalchemy', 'fastapi', 'starlette', 'polars', 'sklearn', 'numpy', 'pyarrow', 'pydantic', 'rich', 'httpx')"


def _loaded(program: str) -> str:
    shown = f"import sys\n{program}\nprint([m for m in {HEAVY} if m in sys.modules], file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", shown], capture_output=True, text=True, check=True)
    return done.stderr.strip().splitlines()[-1]


@pytest.mark.parametrize("module", ["millrace.cli", "millrace.cli.app", "millrace.client"])
def test_importing_it_loads_no_heavy_library(module: str) -> None:
    assert _loaded(f"import {module}") == "[]"


@pytest.mark.parametrize("arguments", [["--help"], ["runs", "show", "--help"], ["version", "--json"]])
def test_a_light_verb_loads_no_heavy_library(arguments: list[str]) -> None:
    program = f"""
from millrace.cli.app import app
try:
    app({arguments!r}, prog_name="millrace")
except SystemExit as end:
    assert end.code in (None, 0)
"""
    assert _loaded(program) == "[]"


def test_a_verb_of_a_server_loads_no_store() -> None:
    program = """
from millrace.cli.app import app
try:
    app(["runs", "list", "--url", "http://127.0.0.1:9"], prog_name="millrace")
except SystemExit as end:
    assert end.code == 1
"""
    assert _loaded(program) == "[]"
