"""Every table.

Times are BIGINT: epoch microseconds in execution, epoch milliseconds (MLflow's) in tracking and registry. JSON is
TEXT, see ``json_text``. A table whose rows are found by name has a ``project_id``.

Invariant: this metadata and the newest Alembic revision describe the same database; a test compares them on both.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    text,
)

from millrace.storage.sql.conditions import SCHEDULED, UNFINISHED

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _text(name: str, *arguments: Any, null: bool = False, key: bool = False) -> Column[str]:
    return Column(name, Text, *arguments, nullable=null, primary_key=key)


def _number(name: str, *, null: bool = False) -> Column[int]:
    return Column(name, BigInteger, nullable=null)


def _table(name: str, *items: Any) -> Table:
    # Rows are found by their primary key, so SQLite keeps them in its tree (WITHOUT ROWID) and not beside it.
    return Table(name, metadata, *items, sqlite_with_rowid=False)


# --- definition ------------------------------------------------------------------------------------------------

pipeline = _table(
    "pipeline",
    _text("project_id", key=True),
    _text("name", key=True),
    Column("paused", Boolean, nullable=False),
    _text("version"),
    _text("source"),
    _text("description"),
    _text("tags"),
    _text("schedule"),
    _number("next_due_at", null=True),
    _number("created_at"),
    _number("updated_at"),
    Index("ix_pipeline_next_due_at", "project_id", "next_due_at"),
)

pipeline_version = _table(
    "pipeline_version",
    _text("version", key=True),
    _text("project_id"),
    _text("pipeline"),
    _text("graph"),
    _text("code"),
    _text("code_fingerprints"),
    _text("environment"),
    _number("created_at"),
)

import_failure = _table(
    "import_failure",
    _text("project_id", key=True),
    _text("file", key=True),
    _text("message"),
    _text("traceback"),
    _number("at"),
)

# --- execution -------------------------------------------------------------------------------------------------


pipeline_run = _table(
    "pipeline_run",
    _text("run_id", key=True),
    _text("reversed_id"),  # finds a run by the end of its id: the beginnings of UUIDv7s of one minute are alike
    _text("project_id"),
    _text("pipeline"),
    _text("version"),
    _text("trigger"),
    _text("params"),
    _text("state"),
    _number("queued_at"),
    _number("started_at", null=True),
    _number("ended_at", null=True),
    _number("logical_date", null=True),
    _number("data_interval_start", null=True),
    _number("data_interval_end", null=True),
    _text("reason"),
    Column("cancel_requested", Boolean, nullable=False),
    _text("lease_owner", null=True),
    _number("lease_epoch"),
    _number("lease_expires_at", null=True),
    Index("ix_pipeline_run_reversed_id", "reversed_id"),
    Index("ix_pipeline_run_pipeline", "project_id", "pipeline", "run_id"),
    Index("ix_pipeline_run_state", "state", "run_id"),
    Index(
        "ix_pipeline_run_unfinished",
        "pipeline",
        "state",
        "queued_at",
        "run_id",
        "lease_expires_at",
        sqlite_where=text(UNFINISHED),
        postgresql_where=text(UNFINISHED),
    ),
    Index(
        "uq_pipeline_run_logical_date",
        "project_id",
        "pipeline",
        "logical_date",
        unique=True,
        sqlite_where=text(SCHEDULED),
        postgresql_where=text(SCHEDULED),
    ),
)

task_run = _table(
    "task_run",
    _text("task_run_id", key=True),
    _text("run_id", ForeignKey("pipeline_run.run_id")),
    _text("task_id"),
    Column("position", Integer, nullable=False),
    _text("state"),
    Column("tries", Integer, nullable=False),
    Column("token", Integer, nullable=False),
    _number("queued_at", null=True),
    _number("started_at", null=True),
    _number("ended_at", null=True),
    _number("due_at", null=True),
    _text("reason"),
    _text("cached_from", null=True),
    Index("uq_task_run_task_id", "run_id", "task_id", unique=True),
)

attempt = _table(
    "attempt",
    _text("attempt_id", key=True),
    _text("task_run_id", ForeignKey("task_run.task_run_id")),
    _text("run_id"),
    _text("task_id"),
    Column("number", Integer, nullable=False),
    Column("token", Integer, nullable=False),
    _text("state"),
    _text("executor"),
    _number("launched_at"),
    _text("worker"),
    _number("started_at", null=True),
    _number("ended_at", null=True),
    _text("kind", null=True),
    _text("reason"),
    _text("detail"),
    Column("exit_code", Integer, nullable=True),
    Column("cpu_seconds", Double, nullable=True),
    _number("peak_bytes", null=True),
    Index("ix_attempt_task_id", "run_id", "task_id", "token"),
)

run_event = _table(
    "run_event",
    _text("run_id", ForeignKey("pipeline_run.run_id"), key=True),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    _number("at"),
    _text("kind"),
    _text("task_id"),
    _text("payload"),
)


# --- values and lineage ----------------------------------------------------------------------------------------

artifact = _table(
    "artifact",
    _text("artifact_id", key=True),
    _text("type"),
    _text("uri"),
    _text("digest"),
    _number("size"),
    _text("metadata"),
    _text("producer", ForeignKey("attempt.attempt_id"), null=True),
    _text("output"),
    _text("run_id", null=True),
    _text("task_id", null=True),
    _text("state"),
    _number("created_at"),
    _text("pipeline", null=True),
    Index("ix_artifact_task_id", "run_id", "task_id", "artifact_id"),
    Index("ix_artifact_run_id", "run_id", "artifact_id"),
    Index("ix_artifact_type", "type", "artifact_id"),
)

artifact_use = _table(
    "artifact_use",
    _text("attempt_id", ForeignKey("attempt.attempt_id"), key=True),
    _text("name", key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    _text("artifact_id", ForeignKey("artifact.artifact_id")),
    Index("ix_artifact_use_artifact_id", "artifact_id"),
)

value = _table(
    "value",
    _text("task_run_id", ForeignKey("task_run.task_run_id"), key=True),
    _text("name", key=True),
    _text("document"),
)

cache_entry = _table(
    "cache_entry",
    _text("key", key=True),
    _text("pipeline"),
    _text("task_id"),
    _text("parts"),
    _text("task_run_id", ForeignKey("task_run.task_run_id")),
    _number("created_at"),
    _number("hits"),
    Index("ix_cache_entry_task_id", "pipeline", "task_id", "created_at"),
)

# --- tracking --------------------------------------------------------------------------------------------------

experiment = Table(
    "experiment",
    metadata,
    Column("experiment_id", Integer, primary_key=True),
    _text("project_id"),
    _text("name"),
    _text("artifact_location"),
    _text("lifecycle_stage"),
    _number("creation_time"),
    _number("last_update_time"),
    Index("uq_experiment_name", "project_id", "name", unique=True),
    sqlite_autoincrement=True,  # an id is never given twice
)

experiment_tag = _table(
    "experiment_tag",
    Column("experiment_id", Integer, ForeignKey("experiment.experiment_id"), primary_key=True, autoincrement=False),
    _text("key", key=True),
    _text("value"),
)

run = _table(
    "run",
    _text("run_id", key=True),
    Column("experiment_id", Integer, ForeignKey("experiment.experiment_id"), nullable=False),
    _text("run_name"),
    _text("status"),
    _number("start_time"),
    _number("end_time", null=True),
    _text("artifact_uri"),
    _text("lifecycle_stage"),
    _text("user_id"),
    _text("task_run_id", null=True),
    Index("ix_run_experiment_id", "experiment_id", "start_time", "run_id"),
    Index("ix_run_start_time", "start_time", "run_id"),
    Index("ix_run_task_run_id", "task_run_id"),
)

metric = Table(
    "metric",
    metadata,
    # The order of arrival. INTEGER on SQLite, where only that one numbers by itself.
    Column("metric_id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    _text("run_id", ForeignKey("run.run_id")),
    _text("key"),
    Column("value", Double, nullable=False),
    Column("is_nan", Boolean, nullable=False),  # SQLite has no NaN; ``value`` is 0 then
    _number("timestamp"),
    _number("step"),
    Index("ix_metric_history", "run_id", "key", "step", "timestamp", "metric_id"),
)

latest_metric = _table(
    "latest_metric",
    _text("run_id", ForeignKey("run.run_id"), key=True),
    _text("key", key=True),
    Column("value", Double, nullable=False),
    Column("is_nan", Boolean, nullable=False),
    _number("timestamp"),
    _number("step"),
    Index("ix_latest_metric_value", "key", "is_nan", "value", "run_id"),
)

param = _table(
    "param",
    _text("run_id", ForeignKey("run.run_id"), key=True),
    _text("key", key=True),
    _text("value"),
    Index("ix_param_value", "key", "value", "run_id"),
)

tag = _table(
    "tag",
    _text("run_id", ForeignKey("run.run_id"), key=True),
    _text("key", key=True),
    _text("value"),
)

# --- registry --------------------------------------------------------------------------------------------------

registered_model = _table(
    "registered_model",
    _text("project_id", key=True),
    _text("name", key=True),
    _text("description"),
    Column("last_version", Integer, nullable=False),  # the highest number ever given
    _number("creation_timestamp"),
    _number("last_updated_timestamp"),
)


def _of_registered_model() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(
        ["project_id", "name"], ["registered_model.project_id", "registered_model.name"], onupdate="CASCADE"
    )


def _of_model_version(table: str) -> ForeignKeyConstraint:
    return ForeignKeyConstraint(
        ["project_id", "name", "version"],
        ["model_version.project_id", "model_version.name", "model_version.version"],
        name=f"fk_{table}_model_version",
        onupdate="CASCADE",
    )


registered_model_tag = _table(
    "registered_model_tag",
    _text("project_id", key=True),
    _text("name", key=True),
    _text("key", key=True),
    _text("value"),
    _of_registered_model(),
)

model_version = _table(
    "model_version",
    _text("project_id"),
    _text("name"),
    Column("version", Integer, nullable=False),
    _text("source"),
    _text("run_id", null=True),
    _text("artifact_id", null=True),
    _text("status"),
    _text("description"),
    _number("creation_timestamp"),
    _number("last_updated_timestamp"),
    PrimaryKeyConstraint("project_id", "name", "version"),
    _of_registered_model(),
    Index("ix_model_version_run_id", "run_id"),
)

model_version_tag = _table(
    "model_version_tag",
    _text("project_id", key=True),
    _text("name", key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    _text("key", key=True),
    _text("value"),
    _of_model_version("model_version_tag"),
)

model_alias = _table(
    "model_alias",
    _text("project_id", key=True),
    _text("name", key=True),
    _text("alias", key=True),
    Column("version", Integer, nullable=False),
    _of_model_version("model_alias"),
)
