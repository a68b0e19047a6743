"""Running Alembic's revisions.

Invariant: a migration that fails leaves the database as it was: both systems change tables in a transaction.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import sqlalchemy

_MIGRATIONS = Path(__file__).parents[1] / "migrations"


class Migrating(Protocol):
    """The part of a backend that is asked for here."""

    def migrating(self) -> AbstractContextManager[sqlalchemy.Connection]: ...


def run_migrations(backend: Migrating, target: str = "head") -> None:
    """From wherever the database is, in one transaction."""
    from alembic import command  # lazy: only an older database needs Alembic
    from alembic.config import Config  # lazy: as above

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    with backend.migrating() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, target)
