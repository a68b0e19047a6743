"""A real PostgreSQL server for the tests: started from Debian's binaries, stopped with the session.

Invariant: it listens on the loopback address only, keeps everything in one temporary folder, and leaves
neither process nor folder behind; if the test process is killed, the kernel stops the server with it.

Use ``postgres_url`` for a fresh, empty database of one test; ``postgres_server.create_database(template)``
to copy a prepared one. Under xdist each worker process has its own server.

PostgreSQL refuses to run as root, so a root test session runs it as ``postgres``, else ``nobody``.
``MILLRACE_TEST_POSTGRES_BIN`` names the folder of the binaries when it is not one of the usual ones.
"""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

REMEDY = "apt-get install postgresql"
MAINTENANCE_DATABASE = "postgres"
SUPERUSER = "millrace"

# Durability is not what these tests are about, and the folder is thrown away.
SERVER_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "200",
    "shared_buffers": "32MB",
}


def find_server_binaries() -> Path | None:
    """The folder with ``initdb`` and ``postgres``: the one named, else on PATH, else Debian's newest."""
    named = os.environ.get("MILLRACE_TEST_POSTGRES_BIN")
    if named is not None:
        candidates = [Path(named)]
    else:
        on_path = shutil.which("initdb")
        candidates = [Path(on_path).resolve().parent] if on_path else []
        debian = Path("/usr/lib/postgresql").glob("*/bin")
        candidates += sorted(debian, key=lambda folder: _major(folder.parent.name), reverse=True)
    for folder in candidates:
        if all(os.access(folder / name, os.X_OK) for name in ("initdb", "postgres")):
            return folder
    return None


def _major(version: str) -> int:
    return int(version) if version.isdigit() else 0


class PostgresServer:
    """One running server; ``stop`` may be called more than once."""

    def __init__(self, binaries: Path) -> None:
        self._binaries = binaries
        self._account = pwd.getpwnam(_account_name()) if os.geteuid() == 0 else None
        self._folder = Path(tempfile.mkdtemp(prefix="millrace-postgres-", dir=_parent_folder(self._account)))
        if self._account is not None:
            os.chown(self._folder, self._account.pw_uid, self._account.pw_gid)
        self._numbers = itertools.count(1)
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0

    @property
    def folder(self) -> Path:
        return self._folder

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def start(self) -> None:
        initdb = [
            *("--pgdata", str(self._data), "--username", SUPERUSER, "--auth", "trust"),
            *("--encoding", "UTF8", "--locale", "C", "--no-sync", "--no-instructions"),
        ]
        command = self._as_account(self._binaries / "initdb", *initdb)
        made = subprocess.run(
            command, cwd=self._folder, env=self._environment, capture_output=True, text=True, check=False
        )
        if made.returncode:
            self._remove_folder()
            raise RuntimeError(f"initdb ended with {made.returncode}:\n{made.stdout}{made.stderr}")
        for _ in range(5):  # another process may take the free port first
            if self._start_on(_free_port()):
                return
        log = self._log.read_text()
        self._remove_folder()
        raise RuntimeError(f"PostgreSQL does not start:\n{log}")

    def stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)  # PostgreSQL's fast shutdown: sessions are ended
            self._process.wait()
            self._process = None
        self._remove_folder()

    @contextmanager
    def down(self) -> Iterator[None]:
        """Away while the block runs; then there again, on the same port."""
        assert self._process is not None
        self._process.send_signal(signal.SIGINT)
        self._process.wait()
        try:
            yield
        finally:
            assert self._start_on(self.port), self._log.read_text()

    def url(self, database: str) -> str:
        return f"postgresql+psycopg://{SUPERUSER}@127.0.0.1:{self.port}/{database}"

    def create_database(self, template: str = "template1") -> str:
        """The name of a new database: a copy of ``template``, to which nobody may be connected."""
        name = f"test_{next(self._numbers)}"
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
        with self.connect() as connection:
            connection.execute(statement)
        return name

    def drop_database(self, name: str) -> None:
        with self.connect() as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def connect(self, database: str = MAINTENANCE_DATABASE) -> psycopg.Connection:
        """A superuser's connection with autocommit; use it as a context manager."""
        return psycopg.connect(
            host="127.0.0.1", port=self.port, user=SUPERUSER, dbname=database, autocommit=True, sslmode="disable"
        )

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    @property
    def _log(self) -> Path:
        return self._folder / "server.log"

    @property
    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_", "LANG"))}
        return kept | {"HOME": str(self._folder), "LC_ALL": "C"}

    def _as_account(self, program: Path, *arguments: str) -> list[str]:
        """The command under setpriv: with the account's rights, and ended when this process ends."""
        prefix = ["setpriv", "--pdeathsig", "INT"]
        if self._account is not None:
            prefix += ["--reuid", str(self._account.pw_uid), "--regid", str(self._account.pw_gid), "--clear-groups"]
        return [*prefix, "--", str(program), *arguments]

    def _start_on(self, port: int) -> bool:
        settings = itertools.chain.from_iterable(("-c", f"{name}={value}") for name, value in SERVER_SETTINGS.items())
        command = self._as_account(self._binaries / "postgres", "-D", str(self._data), "-p", str(port), *settings)
        with self._log.open("wb") as log:
            process = subprocess.Popen(
                command, cwd=self._folder, env=self._environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        self.port = port
        while process.poll() is None:
            try:
                self.connect().close()
            except psycopg.OperationalError:
                time.sleep(0.02)
            else:
                self._process = process
                return True
        return False

    def _remove_folder(self) -> None:
        if self._folder.exists():
            shutil.rmtree(self._folder)


def _account_name() -> str:
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def _parent_folder(account: pwd.struct_passwd | None) -> Path:
    """The temporary folder, unless the server's account could not enter it."""
    folder = Path(tempfile.gettempdir())
    if account is None or all(part.stat().st_mode & stat.S_IXOTH for part in (folder, *folder.parents)):
        return folder
    return Path("/tmp")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    binaries = find_server_binaries()
    if binaries is None:
        pytest.skip(f"PostgreSQL's server is not installed: {REMEDY}")
    server = PostgresServer(binaries)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """SQLAlchemy's URL of a fresh, empty database; dropped after the test, whoever is still connected."""
    name = postgres_server.create_database()
    yield postgres_server.url(name)
    postgres_server.drop_database(name)
