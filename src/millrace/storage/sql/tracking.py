"""Experiments and runs, by MLflow's rules.

Invariant: the latest metric of a key is the last of its history in the order (step, timestamp, arrival), written in the
same transaction; a param never changes; what is deleted refuses writes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import attrs

from millrace.core.errors import ConflictError, NotFoundError, UsageError
from millrace.core.records import Experiment, Metric, TrackingRun
from millrace.interfaces import Clock, Ids
from millrace.storage.sql import tracking_rules as rules
from millrace.storage.sql.conditions import PROJECT
from millrace.storage.sql.connection import Connection, Row, insert, select, update
from millrace.storage.sql.database import Database
from millrace.storage.sql.json_text import storable

_ACTIVE, _DELETED = "active", "deleted"
_RUN_NAME_TAG = "mlflow.runName"

_EXPERIMENT = (
    "SELECT experiment_id, name, artifact_location, lifecycle_stage, creation_time, last_update_time FROM experiment"
    " WHERE project_id = ?"
)
_INSERT_EXPERIMENT = (
    insert(
        "experiment",
        ("project_id", "name", "artifact_location", "lifecycle_stage", "creation_time", "last_update_time"),
        "ON CONFLICT (project_id, name) DO NOTHING",
    )
    + " RETURNING experiment_id"
)
_EXPERIMENT_TAGS = "SELECT experiment_id, key, value FROM experiment_tag"
_RUN_COLUMNS = (
    "run_id",
    "experiment_id",
    "run_name",
    "status",
    "start_time",
    "end_time",
    "artifact_uri",
    "lifecycle_stage",
    "user_id",
    "task_run_id",
)
_RUN = select(_RUN_COLUMNS, "run")
_INSERT_RUN = insert("run", _RUN_COLUMNS)
_INSERT_METRIC = insert("metric", ("run_id", "key", "value", "is_nan", "timestamp", "step"))
_LATEST = ("run_id", "key", "value", "is_nan", "timestamp", "step")
_UPSERT_LATEST = insert(
    "latest_metric",
    _LATEST,
    "ON CONFLICT (run_id, key) DO UPDATE SET value = excluded.value, is_nan = excluded.is_nan,"
    " timestamp = excluded.timestamp, step = excluded.step"
    " WHERE (excluded.step, excluded.timestamp) >= (latest_metric.step, latest_metric.timestamp)",
)
_INSERT_PARAM = insert("param", ("run_id", "key", "value"), "ON CONFLICT (run_id, key) DO NOTHING")
_UPSERT_TAG = insert(
    "tag", ("run_id", "key", "value"), "ON CONFLICT (run_id, key) DO UPDATE SET value = excluded.value"
)
_HISTORY = """
    SELECT key, value, is_nan, timestamp, step FROM metric
    WHERE run_id = ? AND key = ? ORDER BY step, timestamp, metric_id
"""


class SqlTrackingStore:
    """:class:`~millrace.interfaces.TrackingStore` over a :class:`Database`, with MLflow's delete and restore.

    ``artifact_root``: below it experiments get ``<root>/.tracking/<experiment id>`` unless they name another place.
    """

    def __init__(self, database: Database, *, clock: Clock, ids: Ids, artifact_root: str) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids
        self._artifact_root = artifact_root

    # --- experiments -------------------------------------------------------------------------------------------

    def create_experiment(
        self, name: str, *, artifact_location: str | None = None, tags: Mapping[str, str] | None = None
    ) -> Experiment:
        rules.check_experiment_name(name)
        rules.check_experiment_tags(tags or {})
        now = self._now()
        with self._database.write() as connection:
            row = connection.row(_INSERT_EXPERIMENT, (PROJECT, name, artifact_location or "", _ACTIVE, now, now))
            if row is None:
                raise ConflictError(f"there is an experiment {name!r} already")
            connection.change_many(
                insert("experiment_tag", ("experiment_id", "key", "value")),
                [(row[0], key, text) for key, text in (tags or {}).items()],
            )
            return self._experiment(connection, str(row[0]))

    def experiment(self, experiment_id: str) -> Experiment:
        with self._database.read() as connection:
            return self._experiment(connection, experiment_id)

    def experiment_by_name(self, name: str) -> Experiment | None:
        with self._database.read() as connection:
            found = self._experiments(connection, "AND name = ?", (name,))
        return found[0] if found else None

    def experiments(self) -> list[Experiment]:
        """Active ones, newest first."""
        with self._database.read() as connection:
            return self._experiments(connection, "AND lifecycle_stage = ? ORDER BY experiment_id DESC", (_ACTIVE,))

    def delete_experiment(self, experiment_id: str) -> None:
        """Marks it and its runs; :meth:`restore_experiment` takes that back."""
        self._set_experiment_stage(experiment_id, _DELETED)

    def restore_experiment(self, experiment_id: str) -> None:
        self._set_experiment_stage(experiment_id, _ACTIVE)

    # --- runs --------------------------------------------------------------------------------------------------

    def create_run(
        self,
        experiment_id: str,
        *,
        run_name: str = "",
        start_time: int,
        user_id: str = "",
        tags: Mapping[str, str] | None = None,
        task_run_id: str | None = None,
    ) -> TrackingRun:
        """A run without a name gets one. Name and tag ``mlflow.runName`` are one thing and must not differ."""
        tags = _storable(tags or {})
        rules.check_run_tags(tags)
        run_id = self._ids.new_tracking()
        if run_name and tags.get(_RUN_NAME_TAG, run_name) != run_name:
            raise UsageError(f"run name {run_name!r} and tag {_RUN_NAME_TAG} {tags[_RUN_NAME_TAG]!r} differ")
        run_name = run_name or tags.get(_RUN_NAME_TAG, "") or f"run-{run_id[:8]}"
        tags[_RUN_NAME_TAG] = run_name
        with self._database.write() as connection:
            experiment = self._experiment(connection, experiment_id)
            if experiment.lifecycle_stage != _ACTIVE:
                raise _refuses(f"experiment {experiment.name!r}")
            run = TrackingRun(
                run_id=run_id,
                experiment_id=experiment.experiment_id,
                run_name=run_name,
                status="RUNNING",
                start_time=start_time,
                end_time=None,
                artifact_uri=f"{experiment.artifact_location}/{run_id}/artifacts",
                lifecycle_stage=_ACTIVE,
                user_id=user_id,
                task_run_id=task_run_id,
                tags=tags,
            )
            connection.change(_INSERT_RUN, _run_row(run))
            connection.change_many(_UPSERT_TAG, [(run_id, key, text) for key, text in tags.items()])
        return run

    def update_run(
        self,
        run_id: str,
        *,
        status: str | None = None,
        end_time: int | None = None,
        run_name: str | None = None,
    ) -> TrackingRun:
        if status is not None:
            rules.check_status(status)
        with self._database.write() as connection:
            _writable(connection, run_id)
            for column, new in (("status", status), ("end_time", end_time), ("run_name", run_name or None)):
                if new is not None:
                    connection.change(update("run", (column,), "run_id"), (new, run_id))
            if run_name:
                rules.check_run_tags({_RUN_NAME_TAG: run_name})
                connection.change(_UPSERT_TAG, (run_id, _RUN_NAME_TAG, run_name))
            return _runs(connection, "WHERE run_id = ?", (run_id,))[0]

    def tracking_run(self, run_id: str) -> TrackingRun:
        with self._database.read() as connection:
            found = _runs(connection, "WHERE run_id = ?", (run_id,))
        if not found:
            raise _no_run(run_id)
        return found[0]

    def tracking_runs(
        self, *, experiment_id: str | None = None, task_run_ids: Sequence[str] | None = None, limit: int = 100
    ) -> list[TrackingRun]:
        conditions, parameters = ["lifecycle_stage = 'active'"], []
        with self._database.read() as connection:
            if experiment_id is not None:
                conditions.append("experiment_id = ?")
                parameters.append(_experiment_number(experiment_id))
            if task_run_ids is not None:
                conditions.append(f"task_run_id {connection.among}")
                parameters.append(connection.array(task_run_ids))
            where = f"WHERE {' AND '.join(conditions)} ORDER BY start_time DESC, run_id DESC LIMIT ?"
            return _runs(connection, where, (*parameters, limit))

    def delete_run(self, run_id: str) -> None:
        """Marks it; :meth:`restore_run` takes that back."""
        self._set_run_stage(run_id, _DELETED)

    def restore_run(self, run_id: str) -> None:
        self._set_run_stage(run_id, _ACTIVE)

    # --- logging -----------------------------------------------------------------------------------------------

    def log_batch(
        self,
        run_id: str,
        *,
        metrics: Sequence[Metric] = (),
        params: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        params, tags = _storable(params or {}), _storable(tags or {})
        rules.check_batch(metrics, params, tags)
        with self._database.write() as connection:
            _writable(connection, run_id)
            _log_params(connection, run_id, params)
            _log_metrics(connection, run_id, metrics)
            connection.change_many(_UPSERT_TAG, [(run_id, key, text) for key, text in tags.items()])
            if _RUN_NAME_TAG in tags:
                connection.change("UPDATE run SET run_name = ? WHERE run_id = ?", (tags[_RUN_NAME_TAG], run_id))

    def metric_history(self, run_id: str, key: str) -> list[Metric]:
        """In the order (step, timestamp, arrival): the last is the latest. Empty for a key that was never logged."""
        with self._database.read() as connection:
            if connection.row("SELECT 1 FROM run WHERE run_id = ?", (run_id,)) is None:
                raise _no_run(run_id)
            return [_metric_of(row) for row in connection.rows(_HISTORY, (run_id, key))]

    # --- in one transaction ------------------------------------------------------------------------------------

    def _now(self) -> int:
        """Epoch milliseconds."""
        return self._clock.now() // 1000

    def _experiment(self, connection: Connection, experiment_id: str) -> Experiment:
        number = _experiment_number(experiment_id)
        found = self._experiments(connection, "AND experiment_id = ?", (number,)) if number is not None else []
        if not found:
            known = connection.rows("SELECT experiment_id FROM experiment WHERE project_id = ?", (PROJECT,))
            raise NotFoundError("experiment", experiment_id, [str(row[0]) for row in known])
        return found[0]

    def _experiments(self, connection: Connection, condition: str, parameters: Row) -> list[Experiment]:
        found = connection.rows(f"{_EXPERIMENT} {condition}", (PROJECT, *parameters))
        tags: dict[int, dict[str, str]] = {}
        if len(found) == 1:
            tag_rows = connection.rows(f"{_EXPERIMENT_TAGS} WHERE experiment_id = ?", (found[0][0],))
        else:
            tag_rows = connection.rows(_EXPERIMENT_TAGS)
        for number, key, text in tag_rows:
            tags.setdefault(number, {})[key] = text
        return [
            Experiment(
                str(number),
                name,
                location or f"{self._artifact_root}/.tracking/{number}",
                stage,
                created,
                updated,
                tags.get(number, {}),
            )
            for number, name, location, stage, created, updated in found
        ]

    def _set_experiment_stage(self, experiment_id: str, stage: str) -> None:
        with self._database.write() as connection:
            number = int(self._experiment(connection, experiment_id).experiment_id)
            connection.change(
                "UPDATE experiment SET lifecycle_stage = ?, last_update_time = ? WHERE experiment_id = ?",
                (stage, self._now(), number),
            )
            connection.change("UPDATE run SET lifecycle_stage = ? WHERE experiment_id = ?", (stage, number))

    def _set_run_stage(self, run_id: str, stage: str) -> None:
        with self._database.write() as connection:
            if not connection.change("UPDATE run SET lifecycle_stage = ? WHERE run_id = ?", (stage, run_id)):
                raise _no_run(run_id)


def _experiment_number(experiment_id: str) -> int | None:
    """The stored key; None for what cannot be one."""
    return (
        int(experiment_id) if experiment_id.isascii() and experiment_id.isdigit() and len(experiment_id) < 10 else None
    )


def _storable(texts: Mapping[str, str]) -> dict[str, str]:
    return {key: storable(text) for key, text in texts.items()}


def _no_run(run_id: str) -> NotFoundError:
    return NotFoundError("tracking run", run_id)


def _refuses(what: str) -> UsageError:
    return UsageError(f"{what} is deleted and takes no writes", remedy="Restore it first.")


def _writable(connection: Connection, run_id: str) -> None:
    row = connection.row(select(("lifecycle_stage",), "run", "WHERE run_id = ?" + connection.lock_rows), (run_id,))
    if row is None:
        raise _no_run(run_id)
    if row[0] != _ACTIVE:
        raise _refuses(f"run {run_id}")


def _run_row(run: TrackingRun) -> Row:
    return (
        run.run_id,
        int(run.experiment_id),
        run.run_name,
        run.status,
        run.start_time,
        run.end_time,
        run.artifact_uri,
        run.lifecycle_stage,
        run.user_id,
        run.task_run_id,
    )


def _runs(connection: Connection, where: str, parameters: Row) -> list[TrackingRun]:
    """With their latest metrics, params and tags: four queries for any number of runs."""
    found = connection.rows(f"{_RUN} {where}", parameters)
    ids = connection.array([row[0] for row in found])
    metrics: dict[str, list[Metric]] = {}
    sql = select(_LATEST, "latest_metric", f"WHERE run_id {connection.among}")
    for run_id, *row in connection.rows(sql, (ids,)):
        metrics.setdefault(run_id, []).append(_metric_of(tuple(row)))
    params = _texts(connection, "param", ids)
    tags = _texts(connection, "tag", ids)
    return [
        attrs.evolve(
            _run_of(row),
            metrics=tuple(sorted(metrics.get(row[0], ()), key=lambda m: m.key)),
            params=params.get(row[0], {}),
            tags=tags.get(row[0], {}),
        )
        for row in found
    ]


def _texts(connection: Connection, table: str, ids: object) -> dict[str, dict[str, str]]:
    texts: dict[str, dict[str, str]] = {}
    sql = select(("run_id", "key", "value"), table, f"WHERE run_id {connection.among}")
    for run_id, key, text in connection.rows(sql, (ids,)):
        texts.setdefault(run_id, {})[key] = text
    return texts


def _run_of(row: Row) -> TrackingRun:
    run_id, experiment_id, *rest = row
    return TrackingRun(run_id, str(experiment_id), *rest)


def _metric_of(row: Row) -> Metric:
    key, value, is_nan, timestamp, step = row
    return Metric(key, math.nan if is_nan else value, timestamp, step)


def _metric_row(run_id: str, metric: Metric) -> Row:
    is_nan = math.isnan(metric.value)
    return (run_id, metric.key, 0.0 if is_nan else float(metric.value), is_nan, metric.timestamp, metric.step)


def _log_metrics(connection: Connection, run_id: str, metrics: Sequence[Metric]) -> None:
    connection.change_many(_INSERT_METRIC, [_metric_row(run_id, m) for m in metrics])
    latest: dict[str, Metric] = {}
    for metric in metrics:
        known = latest.get(metric.key)
        if known is None or (metric.step, metric.timestamp) >= (known.step, known.timestamp):
            latest[metric.key] = metric
    connection.change_many(_UPSERT_LATEST, [_metric_row(run_id, m) for m in latest.values()])


def _log_params(connection: Connection, run_id: str, params: Mapping[str, str]) -> None:
    rows = [(run_id, key, text) for key, text in params.items()]
    if connection.change_many(_INSERT_PARAM, rows) == len(rows):
        return
    kept: dict[str, str] = dict(connection.rows("SELECT key, value FROM param WHERE run_id = ?", (run_id,)))
    for key, text in params.items():
        if kept[key] != text:
            raise UsageError(
                f"param {key!r} of run {run_id} is {kept[key]!r} and does not change to {text!r}",
                remedy="Params are written once; log another key, a metric or a tag.",
            )
