"""Constants of the SQL that stores and schema share; without SQLAlchemy, which a SQLite home does without."""

from __future__ import annotations

PROJECT = "default"
"""The one project there is until there are more."""

UNFINISHED = "state IN ('queued', 'running')"
"""Spelled the same in the partial index and in the queries that use it, so that SQLite sees that it may."""

SCHEDULED = "\"trigger\" = 'schedule'"
