"""One open transaction, the same for SQLite and PostgreSQL.

The stores speak plain SQL with ``?`` placeholders to the driver itself. Measured on SQLite (medians, one machine): a
step of six statements takes 0.11 ms so, making its rows included; 0.21 ms through SQLAlchemy's ``exec_driver_sql``
and 0.40 ms through its expressions, both without that. And a process that only runs a pipeline is spared SQLAlchemy's
import (0.3 s of CPU). SQLAlchemy keeps what it is best at: the schema, its migrations, the pool of PostgreSQL
connections.

Invariant: nothing here commits; the ``Database`` that made the connection does, or rolls back.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Collection, Sequence
from typing import Any, Protocol

Row = tuple[Any, ...]


class Cursor(Protocol):
    """What both drivers' cursors have."""

    @property
    def rowcount(self) -> int: ...

    def execute(self, sql: str, parameters: Sequence[Any], /) -> Any: ...

    def executemany(self, sql: str, rows: Sequence[Sequence[Any]], /) -> Any: ...

    def fetchall(self) -> list[Any]: ...


@functools.lru_cache(maxsize=512)
def _numbered(sql: str) -> str:
    return sql.replace("?", "%s")


class Connection:
    """Statements take ``?`` placeholders; a list of ids is one parameter, see :attr:`among`."""

    __slots__ = ("_cursor", "among", "lock_rows", "sqlite")

    def __init__(self, cursor: Cursor, *, sqlite: bool) -> None:
        self._cursor = cursor
        self.sqlite = sqlite
        self.among = "IN (SELECT value FROM json_each(?))" if sqlite else "= ANY(?)"
        """``f"run_id {connection.among}"`` with ``connection.array(ids)`` as its parameter: one text for any number."""
        self.lock_rows = "" if sqlite else " FOR NO KEY UPDATE"
        """Ends a SELECT whose rows are about to be changed. SQLite's only writer needs none."""

    def array(self, items: Collection[str]) -> Any:
        return json.dumps(list(items)) if self.sqlite else list(items)

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        self._cursor.execute(sql if self.sqlite else _numbered(sql), parameters)
        return self._cursor.fetchall()

    def row(self, sql: str, parameters: Sequence[Any] = ()) -> Row | None:
        found = self.rows(sql, parameters)
        return found[0] if found else None

    def change(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        """How many rows it changed."""
        self._cursor.execute(sql if self.sqlite else _numbered(sql), parameters)
        return self._cursor.rowcount

    def change_many(self, sql: str, rows: Sequence[Sequence[Any]]) -> int:
        """How many rows it changed over all of ``rows``."""
        if not rows:
            return 0
        self._cursor.executemany(sql if self.sqlite else _numbered(sql), rows)
        return self._cursor.rowcount


def insert(table: str, columns: Sequence[str], conflict: str = "") -> str:
    """The text of an INSERT of one row, by the columns in this order."""
    marks = ", ".join("?" * len(columns))
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks}) {conflict}".rstrip()  # noqa: S608 -- names are ours


def select(columns: Sequence[str], table: str, rest: str = "") -> str:
    """The text of a SELECT."""
    return f"SELECT {', '.join(columns)} FROM {table} {rest}".rstrip()  # noqa: S608 -- names are ours


def update(table: str, columns: Sequence[str], key: str) -> str:
    """The text of an UPDATE of one row: the columns in this order, then the key."""
    changes = ", ".join(f"{c} = ?" for c in columns)
    return f"UPDATE {table} SET {changes} WHERE {key} = ?"  # noqa: S608 -- names are ours
