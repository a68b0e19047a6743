"""Opening, upgrading, refusing: what the database says when it cannot be used."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from millrace.core.errors import ConflictError, DatabaseVersionError, SettingsError, StorageError
from millrace.storage.sql.connection import Connection
from millrace.storage.sql.database import Database
from millrace.storage.sql.sqlite import SqliteBackend
from millrace.storage.sql.upgrade import status, upgrade
from millrace.storage.sql.versions import HEAD


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a home" / "millrace.db"


@pytest.fixture
def url(path: Path) -> str:
    return f"sqlite:///{path}"


def set_version(url: str, version: str) -> None:
    database = Database(url)
    with database.write() as connection:
        connection.change("UPDATE alembic_version SET version_num = ?", (version,))
    database.close()


def test_a_fresh_database_is_made_and_found_again(database_url: str) -> None:
    first = Database.open(database_url)
    with first.write() as connection:
        connection.change("UPDATE experiment SET last_update_time = 7")
    second = Database.open(database_url)
    with second.read() as connection:
        assert connection.rows("SELECT experiment_id, name, last_update_time FROM experiment") == [(0, "Default", 7)]
    first.close()
    second.close()
    assert status(database_url).state == "current"


def test_processes_that_open_a_fresh_database_at_once(database_url: str) -> None:
    start = threading.Barrier(6)

    def open_it() -> str | None:
        start.wait()
        database = Database.open(database_url)
        version = database.version()
        database.close()
        return version

    with ThreadPoolExecutor(6) as pool:
        assert [f.result() for f in [pool.submit(open_it) for _ in range(6)]] == [HEAD] * 6


def test_a_database_of_a_newer_millrace_is_left_alone(database_url: str) -> None:
    Database.open(database_url).close()
    set_version(database_url, "9999")
    for refused in (Database.open, upgrade):
        with pytest.raises(DatabaseVersionError, match="newer Millrace") as caught:
            refused(database_url)
        assert caught.value.remedy
    assert status(database_url).state == "newer"


def test_status_makes_nothing(url: str, path: Path) -> None:
    assert status(url).state == "absent"
    assert not path.exists()
    assert upgrade(url).version == HEAD
    assert status(url).state == "current"
    assert upgrade(url).state == "current"


def test_a_database_of_something_else_is_left_alone(database_url: str) -> None:
    database = Database(database_url)
    with database.write() as connection:
        connection.change("CREATE TABLE invoices (id INTEGER)")
    database.close()
    assert status(database_url).state == "empty"
    with pytest.raises(StorageError, match="'invoices'"):
        Database.open(database_url)


def test_a_block_that_raises_changes_nothing(database_url: str) -> None:
    database = Database.open(database_url)

    def change_and(then: Callable[[Connection], object]) -> None:
        with database.write() as connection:
            connection.change("UPDATE experiment SET name = 'changed'")
            then(connection)

    def refuse(_connection: Connection) -> None:
        raise ConflictError("on purpose")

    with pytest.raises(ConflictError):
        change_and(refuse)
    with pytest.raises(StorageError):
        change_and(lambda connection: connection.change("UPDATE nothing SET name = 'changed'"))
    with database.write() as connection:
        assert connection.row("SELECT name FROM experiment") == ("Default",)
    database.close()


def test_a_reader_sees_one_state_and_waits_for_nobody(url: str) -> None:
    database = Database.open(url)
    with database.read() as reader:
        before = reader.rows("SELECT name FROM experiment")
        with database.write() as writer:
            writer.change("UPDATE experiment SET name = 'changed'")
        assert reader.rows("SELECT name FROM experiment") == before
    with database.read() as reader:
        assert reader.rows("SELECT name FROM experiment") == [("changed",)]
        with pytest.raises(StorageError, match="read-only"), database.read() as other:
            other.change("UPDATE experiment SET name = 'no'")
    database.close()


def test_a_write_inside_a_write_is_told_and_not_waited_for(url: str) -> None:
    database = Database.open(url)
    with database.write(), pytest.raises(AssertionError, match="inside a write"), database.write():
        pass
    with database.write():
        pass
    database.close()


def test_a_full_disk(url: str) -> None:
    database = Database.open(url)
    assert isinstance(database.backend, SqliteBackend)
    pages = database.backend._writer.execute("PRAGMA page_count").fetchone()[0]
    database.backend._writer.execute(f"PRAGMA max_page_count={pages}")
    with pytest.raises(StorageError, match="disk is full") as caught, database.write() as connection:
        connection.change("UPDATE experiment SET artifact_location = ?", ("x" * 100_000,))
    assert caught.value.remedy
    with database.write() as connection:
        assert connection.row("SELECT artifact_location FROM experiment") == ("",)
    database.close()


def test_a_file_that_is_no_database(url: str, path: Path) -> None:
    path.parent.mkdir()
    path.write_text("pipeline,run\n" * 200)
    before = path.read_bytes()
    with pytest.raises(StorageError, match="not a SQLite database"):
        Database.open(url)
    assert path.read_bytes() == before


def test_a_folder_in_the_place_of_the_file(url: str, path: Path) -> None:
    path.mkdir(parents=True)
    with pytest.raises(StorageError, match="cannot be opened"):
        Database.open(url)


def test_a_damaged_file(url: str, path: Path) -> None:
    Database.open(url).close()
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 100_000)

    def read_all() -> None:
        database = Database.open(url)
        try:
            with database.read() as connection:
                connection.rows("SELECT * FROM experiment, pipeline_run, run")
        finally:
            database.close()

    with pytest.raises(StorageError, match="damaged"):
        read_all()


@pytest.mark.parametrize("bad", ["sqlite://", "sqlite:///:memory:", "mysql://x/y", "millrace.db", ""])
def test_urls_that_name_no_database(bad: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Database.open(bad)
    assert caught.value.remedy


def test_a_postgresql_that_is_not_there() -> None:
    with pytest.raises(StorageError, match="cannot be reached") as caught:
        Database.open("postgresql://me:secret@127.0.0.1:1/none")
    assert caught.value.remedy
    assert "secret" not in str(caught.value)


@pytest.mark.postgres
def test_a_postgresql_database_that_does_not_exist(postgres_url: str) -> None:
    address, _, _ = postgres_url.rpartition("/")
    with pytest.raises(StorageError) as caught:
        Database.open(f"{address}/no_such_database")
    assert "no_such_database" in str(caught.value)


@pytest.mark.postgres
def test_a_connection_that_died_in_the_pool_is_replaced(postgres_url: str) -> None:
    database = Database.open(postgres_url)
    other = Database.open(postgres_url)
    with database.read() as connection:
        ((pid,),) = connection.rows("SELECT pg_backend_pid()")
    with other.write() as connection:
        connection.rows("SELECT pg_terminate_backend(?)", (pid,))
    with database.read() as connection:
        assert connection.row("SELECT 1") == (1,)
    database.close()
    other.close()


def test_an_unused_sqlite_home_costs_no_sqlalchemy(url: str) -> None:
    code = (
        "import sys\n"
        "from millrace.storage.sql.database import Database\n"
        "Database.open(sys.argv[1]).close()\n"
        "sys.exit('sqlalchemy' in sys.modules or 'alembic' in sys.modules)\n"
    )
    assert subprocess.run([sys.executable, "-c", code, url], check=False).returncode == 0


COMMITTER = """
import sys
import attrs
from millrace.core.records import TaskRun, OutputValue
from millrace.core.states import TaskState
from millrace.storage.ids import UuidIds
from millrace.storage.sql.database import Database
from millrace.storage.sql.execution import SqlExecutionStore
from millrace.testing.storage_samples import Samples
store = SqlExecutionStore(Database.open(sys.argv[1]))
samples = Samples(store, UuidIds())
run = samples.leased()
print(run.run_id, flush=True)
for n in range(1, 1_000_000):
    new = tuple(samples.task_run(run, f"t{n}-{i}") for i in range(3))
    values = tuple(samples.value(t, n) for t in new)
    step = attrs.evolve(samples.step(run), new_task_runs=new, values=values, events=(samples.event(run, n),))
    store.commit([step])
    sys.stdout.write(f"{n}\\n")
    sys.stdout.flush()
"""


def test_every_acknowledged_step_is_whole_after_sigkill(database_url: str) -> None:
    from millrace.storage.sql.execution import SqlExecutionStore

    Database.open(database_url).close()
    process = subprocess.Popen([sys.executable, "-c", COMMITTER, database_url], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    run_id = process.stdout.readline().strip()
    for _ in range(150):
        process.stdout.readline()
    process.kill()
    rest = process.stdout.read()
    process.wait()
    acknowledged = 150 + rest.count("\n")
    process.stdout.close()

    database = Database.open(database_url)
    store = SqlExecutionStore(database)
    events = [e.seq for e in store.events(run_id)]
    assert events == list(range(1, len(events) + 1))
    assert len(events) in {acknowledged, acknowledged + 1}, "one more may be committed and not yet said"
    task_runs = store.task_runs(run_id)
    assert [t.task_id for t in task_runs] == [f"t{n}-{i}" for n in events for i in range(3)]
    outputs = store.outputs([t.task_run_id for t in task_runs])
    assert all(o.values for o in outputs.values())
    database.close()


def test_two_processes_write_side_by_side(url: str) -> None:
    Database.open(url).close()
    code = (
        "import sys\n"
        "from millrace.storage.sql.database import Database\n"
        "database = Database.open(sys.argv[1])\n"
        "for _ in range(300):\n"
        "    with database.write() as connection:\n"
        "        (count,) = connection.row('SELECT last_update_time FROM experiment')\n"
        "        connection.change('UPDATE experiment SET last_update_time = ?', (count + 1,))\n"
    )
    raw = sqlite3.connect(url.removeprefix("sqlite:///"))
    raw.execute("UPDATE experiment SET last_update_time = 0")
    raw.commit()
    processes = [subprocess.Popen([sys.executable, "-c", code, url], env=dict(os.environ)) for _ in range(3)]
    assert [p.wait() for p in processes] == [0, 0, 0]
    assert raw.execute("SELECT last_update_time FROM experiment").fetchone() == (900,)
    raw.close()
