"""PostgreSQL through psycopg 3: SQLAlchemy keeps the pool, the stores speak to the driver's cursor.

Invariant: a transaction that leaves its ``with`` block by an error has changed nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy
from sqlalchemy import exc

from millrace.core.errors import StorageError
from millrace.storage.sql.connection import Connection


class PostgresBackend:
    """``url`` as SQLAlchemy reads it; ``postgres://`` and ``postgresql://`` both mean psycopg 3."""

    sqlite = False

    def __init__(self, url: str) -> None:
        _, _, rest = url.partition("://")
        try:
            self.engine = sqlalchemy.create_engine(
                f"postgresql+psycopg://{rest}",
                pool_size=8,
                max_overflow=24,
                pool_pre_ping=True,  # a connection that died in the pool must not fail a step
                connect_args={"connect_timeout": 10, "application_name": "millrace"},
            )
        except ModuleNotFoundError as error:
            raise StorageError(
                "PostgreSQL needs a driver that is not installed", remedy="pip install 'millrace[postgres]'"
            ) from error
        except (exc.ArgumentError, ValueError) as error:
            raise StorageError(
                "this database URL cannot be read", remedy="postgresql://user:password@host:5432/database"
            ) from error
        # A read is one round trip then, not three; READ COMMITTED gives each statement its own snapshot anyway.
        self._reading = self.engine.execution_options(isolation_level="AUTOCOMMIT")
        self._driver_error: type[Exception] = self.engine.dialect.loaded_dbapi.Error
        shown = self.engine.url.difference_update_query(["password", "sslpassword"])
        self.address = shown.render_as_string(hide_password=True).replace("+psycopg", "", 1)

    @contextmanager
    def write(self) -> Iterator[Connection]:
        with self.explained(), self.engine.begin() as connection:
            yield Connection(connection.connection.cursor(), sqlite=False)  # type: ignore[arg-type] # the DBAPI's own Protocol is looser

    @contextmanager
    def read(self) -> Iterator[Connection]:
        with self.explained(), self._reading.connect() as connection:
            yield Connection(connection.connection.cursor(), sqlite=False)  # type: ignore[arg-type] # as above

    def tables(self) -> set[str]:
        with self.read() as connection:
            return {
                row[0] for row in connection.rows("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()")
            }

    @contextmanager
    def migrating(self) -> Iterator[sqlalchemy.Connection]:
        """A connection with an open transaction, for Alembic."""
        with self.explained(), self.engine.begin() as connection:
            yield connection

    def close(self) -> None:
        self.engine.dispose()

    @contextmanager
    def explained(self) -> Iterator[None]:
        try:
            yield
        except exc.DBAPIError as error:
            raise self._explain(error.orig or error) from error
        except (exc.SQLAlchemyError, self._driver_error) as error:
            raise self._explain(error) from error

    def _explain(self, error: BaseException) -> StorageError:
        state = getattr(error, "sqlstate", None) or ""
        text = " ".join(str(error).split())
        what, remedy = _EXPLANATIONS.get(state, (text, None))
        if state.startswith("08") or (not state and "connect" in text):
            what = f"it cannot be reached: {text}"
            remedy = "Start the server, or mend host, port, database and user in the database URL."
        return StorageError(f"PostgreSQL at {self.address} refuses: {what}", remedy=remedy)


_EXPLANATIONS = {
    "53100": ("its disk is full", "Free some space on the database server; nothing was half-written."),
    "25006": ("it is read-only", "Name the primary server, not a replica."),
    "53300": ("it has no connection left", "Raise max_connections, or run fewer servers."),
    "3D000": ("there is no such database", "Make it: createdb NAME"),
    "28P01": ("the password is wrong", "Mend the database URL."),
    "28000": ("it does not let this user in", "Mend the database URL or pg_hba.conf."),
    "42501": ("this user may not do that", "GRANT it ownership of the database: ALTER DATABASE NAME OWNER TO USER"),
}
