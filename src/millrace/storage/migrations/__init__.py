"""Alembic's folder. ``env.py`` runs on the connection that ``storage.sql.upgrade`` hands it; there is no alembic.ini.

A change of the schema is a new file in ``versions``, its revision at the end of ``storage.sql.versions.REVISIONS``,
the same change in ``schema.py``, and ``sqlite_ddl.py`` printed anew. Tests hold the four together.
"""
