"""The queries of the hot paths use indexes on SQLite, whatever grows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from millrace.core.graph import Latest, OutputRef
from millrace.core.records import Metric
from millrace.core.states import RunState
from millrace.storage.sql.artifact_index import SqlArtifactIndex
from millrace.storage.sql.database import Database
from millrace.storage.sql.execution import SqlExecutionStore
from millrace.storage.sql.pipelines import SqlPipelineStore
from millrace.storage.sql.sqlite import SqliteBackend
from millrace.storage.sql.tracking import SqlTrackingStore
from millrace.testing.fakes import FakeClock, SequentialIds
from millrace.testing.storage_samples import NOW, TTL, Samples

# Bounded by a LIMIT in the order of the key, or by what is unfinished.
HARMLESS_SCANS = ("json_each", "ix_pipeline_run_unfinished")


class Plans:
    """The query plans of every statement that a call makes."""

    def __init__(self, database: Database) -> None:
        assert isinstance(database.backend, SqliteBackend)
        self.backend = database.backend

    def of(self, call: Callable[[], Any]) -> list[str]:
        statements: list[str] = []
        call()  # so that there is a reader to watch
        connections = [self.backend._writer, *self.backend._idle_readers]
        for connection in connections:
            connection.set_trace_callback(statements.append)
        call()
        for connection in connections:
            connection.set_trace_callback(None)
        plans: list[str] = []
        for sql in statements:
            if sql.startswith(("BEGIN", "COMMIT", "ROLLBACK", "--")):
                continue
            plans += [row[3] for row in self.backend._writer.execute(f"EXPLAIN QUERY PLAN {sql}")]
        assert plans or any("INSERT" in s for s in statements), "nothing was watched"
        return plans


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database.open(f"sqlite:///{tmp_path}/millrace.db")
    yield database
    database.close()


@pytest.fixture
def plans(database: Database) -> Plans:
    return Plans(database)


@pytest.fixture
def samples(database: Database) -> Samples:
    samples = Samples(SqlExecutionStore(database), SequentialIds())
    for n in range(3):
        samples.finished(RunState.SUCCESS, {"train": {"n": n}, "evaluate": {"ok": True}, "examples": {}})
    samples.queued()
    return samples


def test_execution(plans: Plans, samples: Samples) -> None:
    store = samples.store
    run = store.runs(states=(RunState.SUCCESS,))[0][0]
    task_runs = [t.task_run_id for t in store.task_runs(run.run_id)]
    attempt = store.attempts(run.run_id)[0]
    latest = Latest(
        OutputRef("train", "out"), OutputRef("evaluate", "out"), "ok", other_than=OutputRef("examples", "out")
    )
    calls: dict[str, Callable[[], Any]] = {
        "run": lambda: store.run(run.run_id),
        "run by its end": lambda: store.run(run.run_id[-8:]),
        "runs of a pipeline": lambda: store.runs(pipeline="main", cursor=run.run_id),
        "runs by state": lambda: store.runs(states=(RunState.FAILED, RunState.SUCCESS)),
        "task runs": lambda: store.task_runs(run.run_id),
        "task run": lambda: store.task_run(task_runs[0]),
        "attempts": lambda: store.attempts(run.run_id, "train"),
        "attempt": lambda: store.attempt(attempt.attempt_id),
        "outputs": lambda: store.outputs(task_runs),
        "latest": lambda: store.latest("main", latest, other_than_digest="x", before_run="ffffffff"),
        "cancel requests": lambda: store.cancel_requests([run.run_id]),
        "cached": lambda: store.cached("k"),
        "newest cache entries": lambda: store.cache_entries("main", "train", limit=20),
        "events": lambda: store.events(run.run_id, 3),
        "wakes at": store.wakes_at,
        "lease": lambda: store.lease("s", now=NOW + 3 * TTL, ttl=-1, limit=10, admit=lambda _p, _a: 10),
        "renew": lambda: store.renew("s", [run.run_id], now=NOW, ttl=TTL),
        "release": lambda: store.release("s", [run.run_id]),
        "commit": lambda: store.commit([samples.step(run)]),
    }
    for name, call in calls.items():
        for line in plans.of(call):
            assert not line.startswith("SCAN") or any(h in line for h in HARMLESS_SCANS), f"{name}: {line}"


def test_listings_walk_an_index_in_order(plans: Plans, samples: Samples, database: Database) -> None:
    index = SqlArtifactIndex(database)
    tracking = SqlTrackingStore(database, clock=FakeClock(), ids=SequentialIds(), artifact_root="/a")
    tracking_run = tracking.create_run("0", start_time=1)
    calls: dict[str, Callable[[], Any]] = {
        "runs": samples.store.runs,
        "runs of a pipeline": lambda: samples.store.runs(pipeline="main", cursor="ffff"),
        "runs by state": lambda: samples.store.runs(states=(RunState.FAILED,)),
        "artifacts": index.artifacts,
        "artifacts of a type": lambda: index.artifacts(type="Dataset"),
        "artifacts of a run": lambda: index.artifacts(run_id="x"),
        "artifacts of a task": lambda: index.artifacts(run_id="x", task_id="train"),
        "uses": lambda: index.used_by("x"),
        "tracking runs": lambda: tracking.tracking_runs(experiment_id="0"),
        "metric history": lambda: tracking.metric_history(tracking_run.run_id, "loss"),
    }
    for name, call in calls.items():
        for line in plans.of(call):
            assert "TEMP B-TREE" not in line, f"{name}: {line}"


def test_logging_finds_its_rows(plans: Plans, database: Database) -> None:
    tracking = SqlTrackingStore(database, clock=FakeClock(), ids=SequentialIds(), artifact_root="/a")
    run = tracking.create_run("0", start_time=1)

    def log() -> None:
        tracking.log_batch(run.run_id, metrics=[Metric("loss", 1.0, 1)], params={"p": "1"}, tags={"t": "1"})

    for line in [*plans.of(log), *plans.of(lambda: tracking.tracking_run(run.run_id))]:
        assert not line.startswith("SCAN") or "json_each" in line, line


def test_what_is_due(plans: Plans, database: Database) -> None:
    pipelines = SqlPipelineStore(database)
    for line in [*plans.of(lambda: pipelines.due(NOW)), *plans.of(pipelines.next_due)]:
        assert "ix_pipeline_next_due_at" in line, line
