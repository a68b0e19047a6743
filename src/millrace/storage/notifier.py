"""Wakes whoever waits for work on a store, in this process or another.

Invariant: nobody spins. A listener sleeps in ``select`` until a byte comes; a lost byte costs at most a second.
"""

from __future__ import annotations

from pathlib import Path

from millrace.interfaces import Notifier
from millrace.storage.fifo_notifier import FifoNotifier
from millrace.storage.sql.database import Database


def notifier_for(database: Database, home: Path) -> Notifier:
    """FIFOs in the home folder for SQLite, LISTEN/NOTIFY for PostgreSQL."""
    if database.sqlite:
        return FifoNotifier(home, database)
    from millrace.storage.postgres_notifier import PostgresNotifier  # lazy: SQLite homes do without psycopg

    return PostgresNotifier(database)
