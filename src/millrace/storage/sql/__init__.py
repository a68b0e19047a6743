"""The database, on SQLite and PostgreSQL through one schema and one SQL text."""
