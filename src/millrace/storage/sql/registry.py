"""Registered models, their versions and aliases.

Invariant: versions of a model are numbered 1..n in the order of their making and no number is given twice; an alias
points at a version that exists.
"""

from __future__ import annotations

from collections.abc import Mapping

from millrace.core.errors import ConflictError, NotFoundError
from millrace.core.records import ModelVersion, RegisteredModel
from millrace.interfaces import Clock
from millrace.storage.sql import tracking_rules as rules
from millrace.storage.sql.conditions import PROJECT
from millrace.storage.sql.connection import Connection, Row, insert, select
from millrace.storage.sql.database import Database

_INSERT_MODEL = insert(
    "registered_model",
    ("project_id", "name", "description", "last_version", "creation_timestamp", "last_updated_timestamp"),
    "ON CONFLICT (project_id, name) DO NOTHING",
)
_MODELS = """
    SELECT name, creation_timestamp, last_updated_timestamp, description FROM registered_model WHERE project_id = ?
"""
_NEXT_VERSION = """
    UPDATE registered_model SET last_version = last_version + 1, last_updated_timestamp = ?
    WHERE project_id = ? AND name = ? RETURNING last_version
"""
_VERSION = (
    "name",
    "version",
    "source",
    "run_id",
    "status",
    "creation_timestamp",
    "last_updated_timestamp",
    "artifact_id",
    "description",
)
_INSERT_VERSION = insert("model_version", ("project_id", *_VERSION))
_VERSIONS = select(_VERSION, "model_version", "WHERE project_id = ? AND name = ?")
_INSERT_MODEL_TAG = insert("registered_model_tag", ("project_id", "name", "key", "value"))
_INSERT_VERSION_TAG = insert("model_version_tag", ("project_id", "name", "version", "key", "value"))
_UPSERT_ALIAS = insert(
    "model_alias",
    ("project_id", "name", "alias", "version"),
    "ON CONFLICT (project_id, name, alias) DO UPDATE SET version = excluded.version",
)
_TOUCH = "UPDATE registered_model SET last_updated_timestamp = ? WHERE project_id = ? AND name = ?"


class SqlRegistryStore:
    """:class:`~millrace.interfaces.RegistryStore` over a :class:`Database`."""

    def __init__(self, database: Database, *, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def create_registered_model(
        self, name: str, *, description: str = "", tags: Mapping[str, str] | None = None
    ) -> RegisteredModel:
        rules.check_model_name(name)
        rules.check_model_tags(tags or {})
        with self._database.write() as connection:
            if not self._insert_model(connection, name, description):
                raise ConflictError(f"there is a registered model {name!r} already")
            rows = [(PROJECT, name, key, text) for key, text in (tags or {}).items()]
            connection.change_many(_INSERT_MODEL_TAG, rows)
            return _model(connection, name)

    def registered_model(self, name: str) -> RegisteredModel:
        with self._database.read() as connection:
            return _model(connection, name)

    def registered_models(self) -> list[RegisteredModel]:
        with self._database.read() as connection:
            return _models(connection, "ORDER BY name", ())

    def create_model_version(
        self,
        name: str,
        source: str,
        *,
        run_id: str | None = None,
        artifact_id: str | None = None,
        description: str = "",
        tags: Mapping[str, str] | None = None,
    ) -> ModelVersion:
        rules.check_model_name(name)
        rules.check_model_tags(tags or {})
        now = self._now()
        with self._database.write() as connection:
            self._insert_model(connection, name, "")
            row = connection.row(_NEXT_VERSION, (now, PROJECT, name))
            assert row is not None  # it has just been made, or was there
            version = int(row[0])
            new = (PROJECT, name, version, source, run_id, "READY", now, now, artifact_id, description)
            connection.change(_INSERT_VERSION, new)
            rows = [(PROJECT, name, version, key, text) for key, text in (tags or {}).items()]
            connection.change_many(_INSERT_VERSION_TAG, rows)
            return _version(connection, name, version)

    def model_version(self, name: str, version: int) -> ModelVersion:
        with self._database.read() as connection:
            return _version(connection, name, version)

    def model_versions(self, name: str) -> list[ModelVersion]:
        with self._database.read() as connection:
            _model(connection, name)
            return _versions(connection, name, "ORDER BY version DESC", ())

    def model_version_by_alias(self, name: str, alias: str) -> ModelVersion:
        with self._database.read() as connection:
            aliases = _model(connection, name).aliases
            if alias not in aliases:
                raise NotFoundError(f"alias of registered model {name!r}", alias, aliases)
            return _version(connection, name, aliases[alias])

    def set_alias(self, name: str, alias: str, version: int) -> None:
        rules.check_alias(alias)
        with self._database.write() as connection:
            _version(connection, name, version)
            connection.change(_UPSERT_ALIAS, (PROJECT, name, alias, version))
            connection.change(_TOUCH, (self._now(), PROJECT, name))

    def delete_alias(self, name: str, alias: str) -> None:
        """Nothing happens where there is none, as in MLflow; NotFoundError for an unknown model."""
        with self._database.write() as connection:
            _model(connection, name)
            connection.change(
                "DELETE FROM model_alias WHERE project_id = ? AND name = ? AND alias = ?", (PROJECT, name, alias)
            )
            connection.change(_TOUCH, (self._now(), PROJECT, name))

    def _now(self) -> int:
        """Epoch milliseconds."""
        return self._clock.now() // 1000

    def _insert_model(self, connection: Connection, name: str, description: str) -> bool:
        now = self._now()
        return connection.change(_INSERT_MODEL, (PROJECT, name, description, 0, now, now)) == 1


def _model(connection: Connection, name: str) -> RegisteredModel:
    found = _models(connection, "AND name = ?", (name,))
    if not found:
        known = connection.rows("SELECT name FROM registered_model WHERE project_id = ?", (PROJECT,))
        raise NotFoundError("registered model", name, [other for (other,) in known])
    return found[0]


def _models(connection: Connection, condition: str, parameters: Row) -> list[RegisteredModel]:
    found = connection.rows(f"{_MODELS} {condition}", (PROJECT, *parameters))
    names = connection.array([row[0] for row in found])
    of_these = f"WHERE project_id = ? AND name {connection.among}"
    aliases: dict[str, dict[str, int]] = {}
    sql = select(("name", "alias", "version"), "model_alias", f"{of_these} ORDER BY alias")
    for name, alias, version in connection.rows(sql, (PROJECT, names)):
        aliases.setdefault(name, {})[alias] = version
    tags: dict[str, dict[str, str]] = {}
    sql = select(("name", "key", "value"), "registered_model_tag", f"{of_these} ORDER BY key")
    for name, key, text in connection.rows(sql, (PROJECT, names)):
        tags.setdefault(name, {})[key] = text
    sql = select(("name", "MAX(version)"), "model_version", f"{of_these} GROUP BY name")
    latest: dict[str, int] = dict(connection.rows(sql, (PROJECT, names)))
    return [
        RegisteredModel(
            name, created, updated, description, aliases.get(name, {}), tags.get(name, {}), latest.get(name)
        )
        for name, created, updated, description in found
    ]


def _version(connection: Connection, name: str, version: int) -> ModelVersion:
    found = _versions(connection, name, "AND version = ?", (version,))
    if not found:
        model = _model(connection, name)
        newest = f"The newest version is {model.latest_version}." if model.latest_version else "It has no version yet."
        raise NotFoundError(f"version of registered model {name!r}", str(version), remedy=newest)
    return found[0]


def _versions(connection: Connection, name: str, condition: str, parameters: Row) -> list[ModelVersion]:
    found = connection.rows(f"{_VERSIONS} {condition}", (PROJECT, name, *parameters))
    of_model = "WHERE project_id = ? AND name = ?"
    aliases: dict[int, list[str]] = {}
    sql = select(("alias", "version"), "model_alias", f"{of_model} ORDER BY alias")
    for alias, number in connection.rows(sql, (PROJECT, name)):
        aliases.setdefault(number, []).append(alias)
    tags: dict[int, dict[str, str]] = {}
    sql = select(("version", "key", "value"), "model_version_tag", f"{of_model} ORDER BY key")
    for number, key, text in connection.rows(sql, (PROJECT, name)):
        tags.setdefault(number, {})[key] = text
    return [_version_of(row, tuple(aliases.get(row[1], ())), tags.get(row[1], {})) for row in found]


def _version_of(row: Row, aliases: tuple[str, ...], tags: Mapping[str, str]) -> ModelVersion:
    name, version, source, run_id, status, created, updated, artifact_id, description = row
    return ModelVersion(
        name, version, source, run_id, status, created, updated, artifact_id, description, aliases, tags
    )
