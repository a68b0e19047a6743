"""The SQL stores keep every promise of their interfaces, on SQLite and on PostgreSQL."""

from __future__ import annotations

import pytest

from millrace.core.errors import UsageError
from millrace.core.records import Metric
from millrace.storage.sql.database import Database
from millrace.storage.sql.tracking import SqlTrackingStore
from millrace.testing.definition_conformance import ArtifactIndexConformance, PipelineStoreConformance
from millrace.testing.execution_conformance import ExecutionStoreConformance
from millrace.testing.fakes import FakeClock, SequentialIds
from millrace.testing.outputs_conformance import OutputsConformance
from millrace.testing.registry_conformance import RegistryStoreConformance
from millrace.testing.tracking_conformance import TrackingStoreConformance


class TestPipelines(PipelineStoreConformance):
    pass


class TestExecution(ExecutionStoreConformance):
    pass


class TestOutputs(OutputsConformance):
    pass


class TestArtifactIndex(ArtifactIndexConformance):
    pass


class TestRegistry(RegistryStoreConformance):
    pass


class TestTracking(TrackingStoreConformance):
    @pytest.fixture
    def sql(self, database: Database) -> SqlTrackingStore:
        return SqlTrackingStore(database, clock=FakeClock(), ids=SequentialIds(), artifact_root="/artifacts")

    def test_a_deleted_run_takes_no_writes_until_it_is_restored(self, sql: SqlTrackingStore) -> None:
        run = sql.create_run("0", start_time=1)
        sql.delete_run(run.run_id)
        assert sql.tracking_runs() == []
        assert sql.tracking_run(run.run_id).lifecycle_stage == "deleted"
        with pytest.raises(UsageError, match="deleted"):
            sql.log_batch(run.run_id, metrics=[Metric("m", 1.0, 1)])
        with pytest.raises(UsageError, match="deleted"):
            sql.update_run(run.run_id, status="FINISHED")
        sql.restore_run(run.run_id)
        sql.log_batch(run.run_id, metrics=[Metric("m", 1.0, 1)])

    def test_a_deleted_experiment_takes_no_runs(self, sql: SqlTrackingStore) -> None:
        experiment = sql.create_experiment("churn")
        run = sql.create_run(experiment.experiment_id, start_time=1)
        sql.delete_experiment(experiment.experiment_id)
        assert [e.name for e in sql.experiments()] == ["Default"]
        assert sql.experiment(experiment.experiment_id).lifecycle_stage == "deleted"
        with pytest.raises(UsageError, match="deleted"):
            sql.create_run(experiment.experiment_id, start_time=2)
        assert sql.tracking_run(run.run_id).lifecycle_stage == "deleted"
        sql.restore_experiment(experiment.experiment_id)
        assert sql.tracking_runs() == [run]
