"""A damaged code snapshot is said to be one, and is mended when its file is registered again."""

from __future__ import annotations

from pathlib import Path

import pytest

from millrace.core.errors import ArtifactCorrupt
from millrace.operations.registration import Registrar
from millrace.wiring.parse_process import parse
from millrace.wiring.settings import load_settings
from millrace.wiring.snapshots import snapshot_reader
from millrace.wiring.stores import open_stores

FILE = """
from millrace import pipeline, task

@task
def one() -> int:
    return 1

@pipeline
def small():
    one()
"""


def test_a_damaged_snapshot(tmp_path: Path) -> None:
    file = tmp_path / "small.py"
    file.write_text(FILE)
    stores = open_stores(load_settings({}, cwd=tmp_path, environ={}))
    try:
        registrar = Registrar(stores.pipelines, stores.execution, stores.artifacts, stores.notifier, stores.clock)
        (description,) = parse(file, tmp_path)["pipelines"]
        uri = registrar.version_of(description).code.snapshot
        assert uri is not None
        read = snapshot_reader(stores.artifacts)
        whole = read(uri)
        Path(uri).write_bytes(whole[:-7])
        with pytest.raises(ArtifactCorrupt, match="is damaged"):
            read(uri)
        registrar.version_of(description)
        assert read(uri) == whole
    finally:
        stores.close()
