"""The statements that make a fresh database, from ``schema.metadata``.

``python -m millrace.storage.sql.ddl`` prints ``sqlite_ddl.py``, which spares a fresh SQLite home SQLAlchemy's import.
"""

from __future__ import annotations

from typing import Literal

from sqlalchemy import Dialect
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.schema import CreateIndex, CreateTable

from millrace.storage.sql.schema import metadata


def create_statements(name: Literal["sqlite", "postgresql"]) -> list[str]:
    """Tables in the order of their foreign keys, each with its indexes."""
    dialect: Dialect = sqlite.dialect() if name == "sqlite" else postgresql.dialect()  # type: ignore[no-untyped-call] # SQLAlchemy left these bare
    statements: list[str] = []
    for table in metadata.sorted_tables:
        statements.append(str(CreateTable(table).compile(dialect=dialect)))
        statements += [
            str(CreateIndex(index).compile(dialect=dialect))
            for index in sorted(table.indexes, key=lambda i: str(i.name))
        ]
    return [" ".join(s.split()) for s in statements]


def sqlite_module() -> str:
    """The source of ``sqlite_ddl.py``."""
    statements = create_statements("sqlite")
    lines = ['"""Generated from ``schema.py`` by ``python -m millrace.storage.sql.ddl``; a test compares."""', ""]
    lines += ["from __future__ import annotations", "", "# ruff: noqa: E501 -- generated, one statement a line", ""]
    lines += ["STATEMENTS = (", *(f"    {_quoted(s)}," for s in statements), ")", ""]
    return "\n".join(lines)


def _quoted(text: str) -> str:
    """As the formatter would have it: the quotes that need fewer escapes."""
    quote = "'" if text.count('"') > text.count("'") else '"'
    return quote + text.replace(quote, f"\\{quote}") + quote


if __name__ == "__main__":
    print(sqlite_module(), end="")
