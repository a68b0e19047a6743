"""The PostgreSQL fixture is a real server, gives each test its own database and leaves nothing behind."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from sqlalchemy import create_engine, text

from tests.postgres_server import PostgresServer, find_server_binaries

ROOT = Path(__file__).parents[2]


def test_a_url_opens_an_empty_utf8_database(postgres_url: str) -> None:
    engine = create_engine(postgres_url)
    with engine.begin() as connection:
        assert connection.scalar(text("select count(*) from pg_tables where schemaname = 'public'")) == 0
        assert connection.scalar(text("show server_encoding")) == "UTF8"
        connection.execute(text("create table kept_here_only (x integer)"))
    engine.dispose()


def test_each_test_has_its_own(postgres_url: str, postgres_server: PostgresServer) -> None:
    other = postgres_server.create_database()
    assert not postgres_url.endswith(f"/{other}")
    with postgres_server.connect(other) as connection:
        connection.execute("create table t as select 1 as x")
    copy = postgres_server.create_database(template=other)
    with postgres_server.connect(copy) as connection:
        assert connection.execute("select x from t").fetchall() == [(1,)]
    postgres_server.drop_database(other)
    postgres_server.drop_database(copy)
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        postgres_server.connect(other)


def test_a_database_is_dropped_under_an_open_connection(postgres_server: PostgresServer) -> None:
    name = postgres_server.create_database()
    connection = postgres_server.connect(name)
    postgres_server.drop_database(name)
    with pytest.raises(psycopg.OperationalError):
        connection.execute("select 1")
    connection.close()


def test_it_listens_on_the_loopback_address_only_and_not_as_root(postgres_server: PostgresServer) -> None:
    assert postgres_server.pid is not None
    process = psutil.Process(postgres_server.pid)
    assert process.uids().real != 0
    listening = [item.laddr for item in process.net_connections(kind="all") if item.status == psutil.CONN_LISTEN]
    assert [tuple(address) for address in listening] == [("127.0.0.1", postgres_server.port)]


def own_server() -> PostgresServer:
    binaries = find_server_binaries()
    assert binaries is not None
    return PostgresServer(binaries)


def test_stopping_leaves_neither_process_nor_folder(postgres_server: PostgresServer) -> None:
    assert postgres_server.port  # only to be skipped with it
    server = own_server()
    server.start()
    assert server.pid is not None
    family = [psutil.Process(server.pid), *psutil.Process(server.pid).children(recursive=True)]
    with server.connect() as connection:
        assert connection.execute("select 1").fetchone() == (1,)
    server.stop()
    server.stop()
    assert [process for process in family if process.is_running()] == []
    assert not server.folder.exists()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(make_conninfo(host="127.0.0.1", port=server.port, user="millrace", dbname="postgres"))


STARTER = """
from tests.project.test_postgres_server import own_server
server = own_server()
server.start()
print(server.pid, server.folder, flush=True)
input()
"""


def test_a_killed_test_process_takes_its_server_along(postgres_server: PostgresServer) -> None:
    assert postgres_server.port
    starter = subprocess.Popen(
        [sys.executable, "-c", STARTER], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert starter.stdin is not None
    assert starter.stdout is not None
    pid, folder = starter.stdout.readline().strip().split(" ", 1)
    server = psutil.Process(int(pid))
    starter.send_signal(signal.SIGKILL)
    starter.wait()
    starter.stdin.close()
    starter.stdout.close()
    psutil.wait_procs([server])
    assert not server.is_running()
    shutil.rmtree(folder)


def run_without_server(no_skip: bool) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {
        "MILLRACE_TEST_POSTGRES_BIN": "/nonexistent",
        "MILLRACE_TEST_NO_SKIP": str(int(no_skip)),
    }
    target = "tests/project/test_postgres_server.py::test_a_url_opens_an_empty_utf8_database"
    command = [sys.executable, "-m", "pytest", "-rs", target]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def test_without_the_binaries_the_tests_are_skipped_with_the_remedy() -> None:
    run = run_without_server(no_skip=False)
    assert run.returncode == 0, run.stdout
    assert "1 skipped" in run.stdout
    assert "apt-get install postgresql" in run.stdout


def test_ci_turns_that_skip_into_an_error() -> None:
    run = run_without_server(no_skip=True)
    assert run.returncode == 1, run.stdout
    assert "1 error" in run.stdout
    assert "apt-get install postgresql" in run.stdout
