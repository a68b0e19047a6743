"""The revisions of the schema, oldest first, known without importing Alembic.

Invariant: the same list as the files under ``storage/migrations/versions``; a test compares them.
"""

from __future__ import annotations

REVISIONS = ("0001",)
HEAD = REVISIONS[-1]
