"""The database server is restarted under a ``millrace up`` that runs tasks."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.postgres_server import REMEDY, PostgresServer, find_server_binaries
from tests.whole.installation import Installation, states_of
from tests.whole.processes import until

CHAIN = """
    import time
    from pathlib import Path

    from millrace import pipeline, task

    @task
    def first(folder: str) -> str:
        Path(folder, "begun").touch()
        while not Path(folder, "go").exists():
            time.sleep(0.01)
        return folder

    @task
    def second(folder: str) -> None:
        pass

    @pipeline
    def chain(folder: str) -> None:
        second(first(folder))
"""


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    binaries = find_server_binaries()
    if binaries is None:
        pytest.skip(f"PostgreSQL's server is not installed: {REMEDY}")
    server = PostgresServer(binaries)
    server.start()
    yield server
    server.stop()


@pytest.mark.postgres
@pytest.mark.parametrize("seconds", [1, pytest.param(12, marks=pytest.mark.slow)])
def test_a_restart_of_the_database_ends_neither_the_service_nor_its_runs(
    tmp_path: Path, server: PostgresServer, seconds: int
) -> None:
    """``seconds``: less, and more, than a lease lasts."""
    installation = Installation(tmp_path, database=server.url(server.create_database()))
    installation.write("chain.py", CHAIN)
    with installation.up() as service:
        run_id = service.trigger("chain", folder=str(tmp_path))
        until((tmp_path / "begun").exists, "the first task to run")
        with server.down():
            (tmp_path / "go").touch()
            until(lambda: service.ask("/health")["status"] == "failing", "health to say so")
            time.sleep(seconds)
        service.wait_healthy()
        run = service.ended(run_id)
        assert states_of(run) == {"first": "success", "second": "success"}
        if seconds == 1:
            assert [len(t["attempts"]) for t in run["tasks"]] == [1, 1]
        assert service.finished("chain", folder=str(tmp_path))["state"] == "success"
    installation.end_all()
