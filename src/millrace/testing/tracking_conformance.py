"""What every :class:`~millrace.interfaces.TrackingStore` keeps to: MLflow's rules.

Subclass it and give the fixture ``tracking``, a store over a fresh, empty place.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor

import pytest

from millrace.core.errors import ConflictError, NotFoundError, UsageError
from millrace.core.records import Metric, TrackingRun
from millrace.interfaces import TrackingStore

NOW = 1_700_000_000_000
"""Epoch milliseconds."""


class TrackingStoreConformance:
    """See the module."""

    @pytest.fixture
    def run(self, tracking: TrackingStore) -> TrackingRun:
        return tracking.create_run("0", start_time=NOW)

    # --- experiments -------------------------------------------------------------------------------------------

    def test_the_default_experiment_is_there_from_the_start(self, tracking: TrackingStore) -> None:
        default = tracking.experiment("0")
        assert (default.name, default.lifecycle_stage) == ("Default", "active")
        assert tracking.experiment_by_name("Default") == default
        assert tracking.experiments() == [default]

    def test_experiments(self, tracking: TrackingStore) -> None:
        made = tracking.create_experiment("churn", tags={"team": "a"})
        elsewhere = tracking.create_experiment("else", artifact_location="s3://bucket/x")
        assert tracking.experiment(made.experiment_id) == made
        assert tracking.experiment_by_name("churn") == made
        assert tracking.experiment_by_name("Churn") is None
        assert (made.tags, elsewhere.tags, elsewhere.artifact_location) == ({"team": "a"}, {}, "s3://bucket/x")
        assert made.artifact_location.endswith(made.experiment_id)
        assert {e.name for e in tracking.experiments()} == {"Default", "churn", "else"}
        assert len({e.experiment_id for e in tracking.experiments()}) == 3

    def test_an_experiment_is_made_once(self, tracking: TrackingStore) -> None:
        tracking.create_experiment("churn")
        with pytest.raises(ConflictError):
            tracking.create_experiment("churn", tags={"team": "b"})
        assert len(tracking.experiments()) == 2

    @pytest.mark.parametrize("name", ["", "  ", "x" * 501])
    def test_names_that_no_experiment_has(self, tracking: TrackingStore, name: str) -> None:
        with pytest.raises(UsageError):
            tracking.create_experiment(name)

    @pytest.mark.parametrize("unknown", ["77", "", "abc", "-1", "99999999999999999999"])
    def test_an_unknown_experiment(self, tracking: TrackingStore, unknown: str) -> None:
        with pytest.raises(NotFoundError):
            tracking.experiment(unknown)
        with pytest.raises(NotFoundError):
            tracking.create_run(unknown, start_time=NOW)

    # --- runs --------------------------------------------------------------------------------------------------

    def test_a_run_starts_running(self, tracking: TrackingStore) -> None:
        run = tracking.create_run(
            "0", run_name="first", start_time=NOW, user_id="me", tags={"k": "v"}, task_run_id="task-run-1"
        )
        assert tracking.tracking_run(run.run_id) == run
        assert (run.status, run.end_time, run.lifecycle_stage, run.run_name) == ("RUNNING", None, "active", "first")
        assert run.tags == {"k": "v", "mlflow.runName": "first"}
        assert run.artifact_uri == f"{tracking.experiment('0').artifact_location}/{run.run_id}/artifacts"
        assert len(run.run_id) == 32
        assert set(run.run_id) <= set("0123456789abcdef")

    def test_name_and_name_tag_are_one_thing(self, tracking: TrackingStore, run: TrackingRun) -> None:
        assert run.run_name
        assert run.tags["mlflow.runName"] == run.run_name
        assert tracking.create_run("0", start_time=NOW, tags={"mlflow.runName": "tagged"}).run_name == "tagged"
        with pytest.raises(UsageError):
            tracking.create_run("0", run_name="a", start_time=NOW, tags={"mlflow.runName": "b"})
        assert tracking.update_run(run.run_id, run_name="c").tags["mlflow.runName"] == "c"
        tracking.log_batch(run.run_id, tags={"mlflow.runName": "d"})
        assert tracking.tracking_run(run.run_id).run_name == "d"

    def test_a_run_ends(self, tracking: TrackingStore, run: TrackingRun) -> None:
        ended = tracking.update_run(run.run_id, status="FINISHED", end_time=NOW + 5)
        assert (ended.status, ended.end_time, ended.run_name) == ("FINISHED", NOW + 5, run.run_name)
        assert tracking.tracking_run(run.run_id) == ended
        with pytest.raises(UsageError, match="FINISHED"):
            tracking.update_run(run.run_id, status="finished")
        with pytest.raises(NotFoundError):
            tracking.update_run("f" * 32, status="FAILED")

    def test_listing(self, tracking: TrackingStore) -> None:
        other = tracking.create_experiment("other").experiment_id
        runs = [
            tracking.create_run(("0", other)[i % 2], start_time=NOW + i, task_run_id=f"t{i}" if i else None)
            for i in range(5)
        ]
        tracking.log_batch(runs[3].run_id, metrics=[Metric("m", 1.0, NOW)], params={"p": "1"})
        newest_first = [r.run_id for r in reversed(runs)]
        listed = tracking.tracking_runs()
        assert [r.run_id for r in listed] == newest_first
        assert listed[1] == tracking.tracking_run(runs[3].run_id)
        assert [r.run_id for r in tracking.tracking_runs(limit=2)] == newest_first[:2]
        assert [r.run_id for r in tracking.tracking_runs(experiment_id=other)] == newest_first[1::2]
        found = tracking.tracking_runs(task_run_ids=["t1", "t4", "t9"], experiment_id=other)
        assert [r.run_id for r in found] == [runs[1].run_id]
        assert tracking.tracking_runs(task_run_ids=[]) == []

    # --- logging -----------------------------------------------------------------------------------------------

    def test_a_batch_is_there_at_once(self, tracking: TrackingStore, run: TrackingRun) -> None:
        metric = Metric("loss", 0.25, NOW, 3)
        tracking.log_batch(run.run_id, metrics=[metric], params={"rate": "0.1"}, tags={"t": "v"})
        logged = tracking.tracking_run(run.run_id)
        assert logged.metrics == (metric,)
        assert logged.params == {"rate": "0.1"}
        assert logged.tags == {"t": "v", "mlflow.runName": run.run_name}
        tracking.log_batch(run.run_id, tags={"t": "w"})
        assert tracking.tracking_run(run.run_id).tags["t"] == "w"

    def test_params_do_not_change(self, tracking: TrackingStore, run: TrackingRun) -> None:
        tracking.log_batch(run.run_id, params={"rate": "0.1", "depth": "3"})
        tracking.log_batch(run.run_id, params={"rate": "0.1", "new": ""})
        with pytest.raises(UsageError, match="rate"):
            tracking.log_batch(
                run.run_id, metrics=[Metric("m", 1.0, NOW)], params={"other": "1", "rate": "0.2"}, tags={"t": "v"}
            )
        logged = tracking.tracking_run(run.run_id)
        assert logged.params == {"rate": "0.1", "depth": "3", "new": ""}
        assert (logged.metrics, set(logged.tags)) == ((), {"mlflow.runName"}), "all or nothing"
        assert tracking.metric_history(run.run_id, "m") == []

    def test_every_number_is_a_metric(self, tracking: TrackingStore, run: TrackingRun) -> None:
        values = [math.nan, math.inf, -math.inf, 0.1 + 0.2, 5e-324, 1.7976931348623157e308]
        tracking.log_batch(run.run_id, metrics=[Metric(f"m{i}", v, NOW) for i, v in enumerate(values)])
        logged = {m.key: m.value for m in tracking.tracking_run(run.run_id).metrics}
        assert [repr(logged[f"m{i}"]) for i in range(len(values))] == [repr(v) for v in values]
        assert math.isnan(tracking.metric_history(run.run_id, "m0")[0].value)

    def test_the_latest_metric_is_the_last_by_step_time_and_arrival(
        self, tracking: TrackingStore, run: TrackingRun
    ) -> None:
        points = [(5, 1), (3, 9), (5, 0), (5, 1), (4, 2), (-1, 99)]
        logged: list[Metric] = []
        for value, (step, later) in enumerate(points):
            logged.append(Metric("m", float(value), NOW + later, step))
            tracking.log_batch(run.run_id, metrics=logged[-1:])
            in_order = sorted(logged, key=lambda m: (m.step, m.timestamp))
            assert tracking.metric_history(run.run_id, "m") == in_order
            assert tracking.tracking_run(run.run_id).metrics == (in_order[-1],)
        again = [Metric("n", float(value), NOW + later, step) for value, (step, later) in enumerate(points)]
        tracking.log_batch(run.run_id, metrics=again)
        assert tracking.tracking_run(run.run_id).metrics[1] == again[3], "within one batch too"

    def test_history_is_appended_to(self, tracking: TrackingStore, run: TrackingRun) -> None:
        same = Metric("m", 1.0, NOW, 0)
        tracking.log_batch(run.run_id, metrics=[same, same])
        tracking.log_batch(run.run_id, metrics=[same])
        assert tracking.metric_history(run.run_id, "m") == [same] * 3
        assert tracking.metric_history(run.run_id, "never") == []
        with pytest.raises(NotFoundError):
            tracking.metric_history("f" * 32, "m")

    @pytest.mark.parametrize(
        "key", ["a/b", "a b", "val_loss", "A.b-c", "p:90", "gr\N{LATIN SMALL LETTER O WITH DIAERESIS}ße"]
    )
    def test_keys(self, tracking: TrackingStore, run: TrackingRun, key: str) -> None:
        tracking.log_batch(run.run_id, metrics=[Metric(key, 1.0, NOW)], params={key: "1"}, tags={key: "1"})
        assert tracking.metric_history(run.run_id, key) == [Metric(key, 1.0, NOW)]

    @pytest.mark.parametrize("key", ["", ".", "..", "../a", "/a", "a//b", "a/../b", "a/", "a'b", "a\nb", "k" * 251])
    def test_keys_that_are_refused(self, tracking: TrackingStore, run: TrackingRun, key: str) -> None:
        with pytest.raises(UsageError):
            tracking.log_batch(run.run_id, metrics=[Metric(key, 1.0, NOW)])
        with pytest.raises(UsageError):
            tracking.log_batch(run.run_id, params={key: "1"})
        with pytest.raises(UsageError):
            tracking.log_batch(run.run_id, tags={key: "1"})

    def test_limits(self, tracking: TrackingStore, run: TrackingRun) -> None:
        metrics = [Metric(f"m{i}", 1.0, NOW) for i in range(1000)]
        hundred = {f"k{i}": "x" for i in range(100)}
        tracking.log_batch(run.run_id, metrics=metrics)
        tracking.log_batch(run.run_id, params=hundred, tags=hundred)
        tracking.log_batch(run.run_id, params={"long": "x" * 6000}, tags={"long": "x" * 8000})
        assert len(tracking.tracking_run(run.run_id).metrics) == 1000
        for too_much in (
            {"metrics": [*metrics, Metric("one", 1.0, NOW)]},
            {"params": {**hundred, "one": "x"}},
            {"tags": {**hundred, "one": "x"}},
            {"metrics": metrics, "params": {"one": "x"}},
            {"params": {"longer": "x" * 6001}},
            {"tags": {"longer": "x" * 8001}},
            {"metrics": [Metric("m", 1.0, 2**63)]},
            {"metrics": [Metric("m", 1.0, NOW, -(2**63) - 1)]},
        ):
            with pytest.raises(UsageError):
                tracking.log_batch(run.run_id, **too_much)

    def test_an_unknown_run(self, tracking: TrackingStore) -> None:
        with pytest.raises(NotFoundError):
            tracking.tracking_run("f" * 32)
        with pytest.raises(NotFoundError):
            tracking.log_batch("f" * 32, tags={"a": "b"})

    def test_what_several_threads_log_is_all_there(self, tracking: TrackingStore, run: TrackingRun) -> None:
        def log(thread: int) -> None:
            for step in range(25):
                tracking.log_batch(
                    run.run_id,
                    metrics=[Metric("shared", float(thread), NOW, step), Metric(f"own{thread}", 1.0, NOW, step)],
                    params={f"p{thread}-{step}": "1"},
                )

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(log, range(4)))
        history = tracking.metric_history(run.run_id, "shared")
        assert len(history) == 100
        logged = tracking.tracking_run(run.run_id)
        assert len(logged.params) == 100
        assert next(m for m in logged.metrics if m.key == "shared") == history[-1]
