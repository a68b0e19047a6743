"""What ``GET /health`` says of the parts of ``millrace up``."""

from __future__ import annotations

from pathlib import Path

import attrs

from millrace.storage.sql.database import Database
from millrace.wiring.service import Service
from millrace.wiring.settings import load_settings
from millrace.wiring.stores import open_stores


def test_health_is_what_was_found_and_not_what_is_hoped(tmp_path: Path) -> None:
    (tmp_path / "pipelines").mkdir()
    settings = load_settings({}, cwd=tmp_path, environ={})
    stores = open_stores(settings)
    other = tmp_path / "other.db"
    doomed = Database.open(f"sqlite:///{other}")
    doomed.close()
    service = Service(settings, attrs.evolve(stores, database=Database(f"sqlite:///{other}")))
    service.start()
    try:
        service._folder.first_scan.wait()
        assert service.health()["status"] == "ok"
        other.with_name("other.db-wal").unlink(missing_ok=True)
        other.write_bytes(b"no database" * 1000)
        service._stores.database.close()
        found = service.health()
        assert found["status"] == "failing"
        assert found["parts"]["database"]["status"] == "failing"
        assert "other.db" in found["parts"]["database"]["reason"]
        assert found["parts"]["workers"]["status"] == "ok"
        service._executor.close()
        assert service.health()["parts"]["workers"]["status"] == "failing"
    finally:
        service.close()
        stores.close()
