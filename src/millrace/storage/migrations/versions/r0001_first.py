"""Everything: the schema of Millrace's first release."""

from __future__ import annotations

import time

import sqlalchemy as sa
from alembic import op
from sqlalchemy import Text

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    _experiment()
    _import_failure()
    _pipeline()
    _pipeline_run()
    _pipeline_version()
    _registered_model()
    _experiment_tag()
    _model_version()
    _registered_model_tag()
    _run()
    _run_event()
    _task_run()
    _attempt()
    _cache_entry()
    _latest_metric()
    _metric()
    _model_alias()
    _model_version_tag()
    _param()
    _tag()
    _value()
    _artifact()
    _artifact_use()
    now = time.time_ns() // 1_000_000
    op.execute(
        sa.text(
            "INSERT INTO experiment (experiment_id, project_id, name, artifact_location, lifecycle_stage,"
            " creation_time, last_update_time) VALUES (0, 'default', 'Default', '', 'active', :now, :now)"
        ).bindparams(now=now)
    )


def _experiment() -> None:
    op.create_table(
        "experiment",
        sa.Column("experiment_id", sa.Integer(), nullable=False),
        sa.Column("project_id", Text(), nullable=False),
        sa.Column("name", Text(), nullable=False),
        sa.Column("artifact_location", Text(), nullable=False),
        sa.Column("lifecycle_stage", Text(), nullable=False),
        sa.Column("creation_time", sa.BigInteger(), nullable=False),
        sa.Column("last_update_time", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("experiment_id", name="pk_experiment"),
        sqlite_autoincrement=True,
    )
    op.create_index("uq_experiment_name", "experiment", ["project_id", "name"], unique=True)


def _import_failure() -> None:
    op.create_table(
        "import_failure",
        sa.Column("project_id", Text(), nullable=False),
        sa.Column("file", Text(), nullable=False),
        sa.Column("message", Text(), nullable=False),
        sa.Column("traceback", Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("project_id", "file", name="pk_import_failure"),
        sqlite_with_rowid=False,
    )


def _pipeline() -> None:
    op.create_table(
        "pipeline",
        sa.Column("project_id", Text(), nullable=False),
        sa.Column("name", Text(), nullable=False),
        sa.Column("paused", sa.Boolean(), nullable=False),
        sa.Column("version", Text(), nullable=False),
        sa.Column("source", Text(), nullable=False),
        sa.Column("description", Text(), nullable=False),
        sa.Column("tags", Text(), nullable=False),
        sa.Column("schedule", Text(), nullable=False),
        sa.Column("next_due_at", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("project_id", "name", name="pk_pipeline"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_pipeline_next_due_at", "pipeline", ["project_id", "next_due_at"], unique=False)


def _pipeline_run() -> None:
    op.create_table(
        "pipeline_run",
        sa.Column("run_id", Text(), nullable=False),
        sa.Column("reversed_id", Text(), nullable=False),
        sa.Column("project_id", Text(), nullable=False),
        sa.Column("pipeline", Text(), nullable=False),
        sa.Column("version", Text(), nullable=False),
        sa.Column("trigger", Text(), nullable=False),
        sa.Column("params", Text(), nullable=False),
        sa.Column("state", Text(), nullable=False),
        sa.Column("queued_at", sa.BigInteger(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=True),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("logical_date", sa.BigInteger(), nullable=True),
        sa.Column("data_interval_start", sa.BigInteger(), nullable=True),
        sa.Column("data_interval_end", sa.BigInteger(), nullable=True),
        sa.Column("reason", Text(), nullable=False),
        sa.Column("cancel_requested", sa.Boolean(), nullable=False),
        sa.Column("lease_owner", Text(), nullable=True),
        sa.Column("lease_epoch", sa.BigInteger(), nullable=False),
        sa.Column("lease_expires_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("run_id", name="pk_pipeline_run"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_pipeline_run_pipeline", "pipeline_run", ["project_id", "pipeline", "run_id"], unique=False)
    op.create_index("ix_pipeline_run_reversed_id", "pipeline_run", ["reversed_id"], unique=False)
    op.create_index("ix_pipeline_run_state", "pipeline_run", ["state", "run_id"], unique=False)
    op.create_index(
        "ix_pipeline_run_unfinished",
        "pipeline_run",
        ["pipeline", "state", "queued_at", "run_id", "lease_expires_at"],
        unique=False,
        sqlite_where=sa.text("state IN ('queued', 'running')"),
        postgresql_where=sa.text("state IN ('queued', 'running')"),
    )
    op.create_index(
        "uq_pipeline_run_logical_date",
        "pipeline_run",
        ["project_id", "pipeline", "logical_date"],
        unique=True,
        sqlite_where=sa.text("\"trigger\" = 'schedule'"),
        postgresql_where=sa.text("\"trigger\" = 'schedule'"),
    )


def _pipeline_version() -> None:
    op.create_table(
        "pipeline_version",
        sa.Column("version", Text(), nullable=False),
        sa.Column("project_id", Text(), nullable=False),
        sa.Column("pipeline", Text(), nullable=False),
        sa.Column("graph", Text(), nullable=False),
        sa.Column("code", Text(), nullable=False),
        sa.Column("code_fingerprints", Text(), nullable=False),
        sa.Column("environment", Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("version", name="pk_pipeline_version"),
        sqlite_with_rowid=False,
    )


def _registered_model() -> None:
    op.create_table(
        "registered_model",
        sa.Column("project_id", Text(), nullable=False),
        sa.Column("name", Text(), nullable=False),
        sa.Column("description", Text(), nullable=False),
        sa.Column("last_version", sa.Integer(), nullable=False),
        sa.Column("creation_timestamp", sa.BigInteger(), nullable=False),
        sa.Column("last_updated_timestamp", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("project_id", "name", name="pk_registered_model"),
        sqlite_with_rowid=False,
    )


def _experiment_tag() -> None:
    op.create_table(
        "experiment_tag",
        sa.Column("experiment_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("key", Text(), nullable=False),
        sa.Column("value", Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["experiment_id"], ["experiment.experiment_id"], name="fk_experiment_tag_experiment_id"
        ),
        sa.PrimaryKeyConstraint("experiment_id", "key", name="pk_experiment_tag"),
        sqlite_with_rowid=False,
    )


def _model_version() -> None:
    op.create_table(
        "model_version",
        sa.Column("project_id", Text(), nullable=False),
        sa.Column("name", Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("source", Text(), nullable=False),
        sa.Column("run_id", Text(), nullable=True),
        sa.Column("artifact_id", Text(), nullable=True),
        sa.Column("status", Text(), nullable=False),
        sa.Column("description", Text(), nullable=False),
        sa.Column("creation_timestamp", sa.BigInteger(), nullable=False),
        sa.Column("last_updated_timestamp", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id", "name"],
            ["registered_model.project_id", "registered_model.name"],
            name="fk_model_version_project_id_name",
            onupdate="CASCADE",
        ),
        sa.PrimaryKeyConstraint("project_id", "name", "version", name="pk_model_version"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_model_version_run_id", "model_version", ["run_id"], unique=False)


def _registered_model_tag() -> None:
    op.create_table(
        "registered_model_tag",
        sa.Column("project_id", Text(), nullable=False),
        sa.Column("name", Text(), nullable=False),
        sa.Column("key", Text(), nullable=False),
        sa.Column("value", Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id", "name"],
            ["registered_model.project_id", "registered_model.name"],
            name="fk_registered_model_tag_project_id_name",
            onupdate="CASCADE",
        ),
        sa.PrimaryKeyConstraint("project_id", "name", "key", name="pk_registered_model_tag"),
        sqlite_with_rowid=False,
    )


def _run() -> None:
    op.create_table(
        "run",
        sa.Column("run_id", Text(), nullable=False),
        sa.Column("experiment_id", sa.Integer(), nullable=False),
        sa.Column("run_name", Text(), nullable=False),
        sa.Column("status", Text(), nullable=False),
        sa.Column("start_time", sa.BigInteger(), nullable=False),
        sa.Column("end_time", sa.BigInteger(), nullable=True),
        sa.Column("artifact_uri", Text(), nullable=False),
        sa.Column("lifecycle_stage", Text(), nullable=False),
        sa.Column("user_id", Text(), nullable=False),
        sa.Column("task_run_id", Text(), nullable=True),
        sa.ForeignKeyConstraint(["experiment_id"], ["experiment.experiment_id"], name="fk_run_experiment_id"),
        sa.PrimaryKeyConstraint("run_id", name="pk_run"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_run_experiment_id", "run", ["experiment_id", "start_time", "run_id"], unique=False)
    op.create_index("ix_run_start_time", "run", ["start_time", "run_id"], unique=False)
    op.create_index("ix_run_task_run_id", "run", ["task_run_id"], unique=False)


def _run_event() -> None:
    op.create_table(
        "run_event",
        sa.Column("run_id", Text(), nullable=False),
        sa.Column("seq", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("kind", Text(), nullable=False),
        sa.Column("task_id", Text(), nullable=False),
        sa.Column("payload", Text(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["pipeline_run.run_id"], name="fk_run_event_run_id"),
        sa.PrimaryKeyConstraint("run_id", "seq", name="pk_run_event"),
        sqlite_with_rowid=False,
    )


def _task_run() -> None:
    op.create_table(
        "task_run",
        sa.Column("task_run_id", Text(), nullable=False),
        sa.Column("run_id", Text(), nullable=False),
        sa.Column("task_id", Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("state", Text(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("token", sa.Integer(), nullable=False),
        sa.Column("queued_at", sa.BigInteger(), nullable=True),
        sa.Column("started_at", sa.BigInteger(), nullable=True),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("due_at", sa.BigInteger(), nullable=True),
        sa.Column("reason", Text(), nullable=False),
        sa.Column("cached_from", Text(), nullable=True),
        sa.ForeignKeyConstraint(["run_id"], ["pipeline_run.run_id"], name="fk_task_run_run_id"),
        sa.PrimaryKeyConstraint("task_run_id", name="pk_task_run"),
        sqlite_with_rowid=False,
    )
    op.create_index("uq_task_run_task_id", "task_run", ["run_id", "task_id"], unique=True)


def _attempt() -> None:
    op.create_table(
        "attempt",
        sa.Column("attempt_id", Text(), nullable=False),
        sa.Column("task_run_id", Text(), nullable=False),
        sa.Column("run_id", Text(), nullable=False),
        sa.Column("task_id", Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("token", sa.Integer(), nullable=False),
        sa.Column("state", Text(), nullable=False),
        sa.Column("executor", Text(), nullable=False),
        sa.Column("launched_at", sa.BigInteger(), nullable=False),
        sa.Column("worker", Text(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=True),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("kind", Text(), nullable=True),
        sa.Column("reason", Text(), nullable=False),
        sa.Column("detail", Text(), nullable=False),
        sa.Column("exit_code", sa.Integer(), nullable=True),
        sa.Column("cpu_seconds", sa.Double(), nullable=True),
        sa.Column("peak_bytes", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["task_run_id"], ["task_run.task_run_id"], name="fk_attempt_task_run_id"),
        sa.PrimaryKeyConstraint("attempt_id", name="pk_attempt"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_attempt_task_id", "attempt", ["run_id", "task_id", "token"], unique=False)


def _cache_entry() -> None:
    op.create_table(
        "cache_entry",
        sa.Column("key", Text(), nullable=False),
        sa.Column("pipeline", Text(), nullable=False),
        sa.Column("task_id", Text(), nullable=False),
        sa.Column("parts", Text(), nullable=False),
        sa.Column("task_run_id", Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("hits", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["task_run_id"], ["task_run.task_run_id"], name="fk_cache_entry_task_run_id"),
        sa.PrimaryKeyConstraint("key", name="pk_cache_entry"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_cache_entry_task_id", "cache_entry", ["pipeline", "task_id", "created_at"], unique=False)


def _latest_metric() -> None:
    op.create_table(
        "latest_metric",
        sa.Column("run_id", Text(), nullable=False),
        sa.Column("key", Text(), nullable=False),
        sa.Column("value", sa.Double(), nullable=False),
        sa.Column("is_nan", sa.Boolean(), nullable=False),
        sa.Column("timestamp", sa.BigInteger(), nullable=False),
        sa.Column("step", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["run.run_id"], name="fk_latest_metric_run_id"),
        sa.PrimaryKeyConstraint("run_id", "key", name="pk_latest_metric"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_latest_metric_value", "latest_metric", ["key", "is_nan", "value", "run_id"], unique=False)


def _metric() -> None:
    op.create_table(
        "metric",
        sa.Column("metric_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("run_id", Text(), nullable=False),
        sa.Column("key", Text(), nullable=False),
        sa.Column("value", sa.Double(), nullable=False),
        sa.Column("is_nan", sa.Boolean(), nullable=False),
        sa.Column("timestamp", sa.BigInteger(), nullable=False),
        sa.Column("step", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["run.run_id"], name="fk_metric_run_id"),
        sa.PrimaryKeyConstraint("metric_id", name="pk_metric"),
    )
    op.create_index("ix_metric_history", "metric", ["run_id", "key", "step", "timestamp", "metric_id"], unique=False)


def _model_alias() -> None:
    op.create_table(
        "model_alias",
        sa.Column("project_id", Text(), nullable=False),
        sa.Column("name", Text(), nullable=False),
        sa.Column("alias", Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id", "name", "version"],
            ["model_version.project_id", "model_version.name", "model_version.version"],
            name="fk_model_alias_model_version",
            onupdate="CASCADE",
        ),
        sa.PrimaryKeyConstraint("project_id", "name", "alias", name="pk_model_alias"),
        sqlite_with_rowid=False,
    )


def _model_version_tag() -> None:
    op.create_table(
        "model_version_tag",
        sa.Column("project_id", Text(), nullable=False),
        sa.Column("name", Text(), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("key", Text(), nullable=False),
        sa.Column("value", Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id", "name", "version"],
            ["model_version.project_id", "model_version.name", "model_version.version"],
            name="fk_model_version_tag_model_version",
            onupdate="CASCADE",
        ),
        sa.PrimaryKeyConstraint("project_id", "name", "version", "key", name="pk_model_version_tag"),
        sqlite_with_rowid=False,
    )


def _param() -> None:
    op.create_table(
        "param",
        sa.Column("run_id", Text(), nullable=False),
        sa.Column("key", Text(), nullable=False),
        sa.Column("value", Text(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["run.run_id"], name="fk_param_run_id"),
        sa.PrimaryKeyConstraint("run_id", "key", name="pk_param"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_param_value", "param", ["key", "value", "run_id"], unique=False)


def _tag() -> None:
    op.create_table(
        "tag",
        sa.Column("run_id", Text(), nullable=False),
        sa.Column("key", Text(), nullable=False),
        sa.Column("value", Text(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["run.run_id"], name="fk_tag_run_id"),
        sa.PrimaryKeyConstraint("run_id", "key", name="pk_tag"),
        sqlite_with_rowid=False,
    )


def _value() -> None:
    op.create_table(
        "value",
        sa.Column("task_run_id", Text(), nullable=False),
        sa.Column("name", Text(), nullable=False),
        sa.Column("document", Text(), nullable=False),
        sa.ForeignKeyConstraint(["task_run_id"], ["task_run.task_run_id"], name="fk_value_task_run_id"),
        sa.PrimaryKeyConstraint("task_run_id", "name", name="pk_value"),
        sqlite_with_rowid=False,
    )


def _artifact() -> None:
    op.create_table(
        "artifact",
        sa.Column("artifact_id", Text(), nullable=False),
        sa.Column("type", Text(), nullable=False),
        sa.Column("uri", Text(), nullable=False),
        sa.Column("digest", Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("metadata", Text(), nullable=False),
        sa.Column("producer", Text(), nullable=True),
        sa.Column("output", Text(), nullable=False),
        sa.Column("run_id", Text(), nullable=True),
        sa.Column("task_id", Text(), nullable=True),
        sa.Column("state", Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("pipeline", Text(), nullable=True),
        sa.ForeignKeyConstraint(["producer"], ["attempt.attempt_id"], name="fk_artifact_producer"),
        sa.PrimaryKeyConstraint("artifact_id", name="pk_artifact"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_artifact_run_id", "artifact", ["run_id", "artifact_id"], unique=False)
    op.create_index("ix_artifact_task_id", "artifact", ["run_id", "task_id", "artifact_id"], unique=False)
    op.create_index("ix_artifact_type", "artifact", ["type", "artifact_id"], unique=False)


def _artifact_use() -> None:
    op.create_table(
        "artifact_use",
        sa.Column("attempt_id", Text(), nullable=False),
        sa.Column("name", Text(), nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("artifact_id", Text(), nullable=False),
        sa.ForeignKeyConstraint(["artifact_id"], ["artifact.artifact_id"], name="fk_artifact_use_artifact_id"),
        sa.ForeignKeyConstraint(["attempt_id"], ["attempt.attempt_id"], name="fk_artifact_use_attempt_id"),
        sa.PrimaryKeyConstraint("attempt_id", "name", "position", name="pk_artifact_use"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_artifact_use_artifact_id", "artifact_use", ["artifact_id"], unique=False)
