"""The verbs over real stores: lineage, plan, replay, model URIs, what tasks may call."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from millrace import Dataset, Metrics, Output, component, pipeline, task
from millrace.core.attempts import CodeLocation, Launch
from millrace.core.errors import ConflictError, NotFoundError, ParameterError, UsageError
from millrace.operations.model_uris import find_model, find_version
from millrace.operations.source_digests import SourceDigests
from millrace.operations.task_services import LocalTaskServices, Services
from millrace.wiring.in_process import run_in
from millrace.wiring.stores import Stores


@component
def write(text: str, out: Output[Dataset]) -> None:
    out.path.write_text(text)
    out.metadata["length"] = len(text)


@component
def count(data: Dataset, numbers: Output[Metrics]) -> int:
    numbers.log_metric("length", len(data.path.read_text()))
    return len(data.path.read_text())


@pipeline
def counting(text: str = "hello") -> None:
    count(write(text))  # type: ignore[call-arg] # outputs are given by the platform; a type checker sees the plain function


@task
def fails() -> None:
    raise ValueError("no")


@pipeline
def failing() -> None:
    fails()


def run_counting(stores: Stores, **params: str) -> str:
    return run_in(stores, counting, params).check().run_id


def test_lineage_goes_both_ways(stores: Stores) -> None:
    run_id = run_counting(stores)
    operations = stores.operations()
    written = operations.artifacts(run_id=run_id, task_id="write", type=None, limit=10, cursor=None)["items"][0]
    assert written["metadata"] == {"length": 5}
    lineage = operations.lineage(written["artifact_id"], depth=2)
    kinds = [node["kind"] for node in lineage["nodes"]]
    assert (kinds.count("artifact"), kinds.count("attempt")) == (2, 2)
    assert {(edge["name"]) for edge in lineage["edges"]} == {"out", "data", "numbers"}


def test_a_task_run_shows_what_it_read_wrote_and_logged(stores: Stores) -> None:
    run_id = run_counting(stores)
    shown = stores.operations().task_run(run_id, "count")
    assert shown["inputs"]["data"][0]["type"] == "Dataset"
    assert shown["outputs"]["return_value"] == {"value": 5}
    assert [m["value"] for r in shown["tracking_runs"] for m in r["data"]["metrics"]] == [5.0]


def test_a_cached_run_shows_the_outputs_it_took(stores: Stores) -> None:
    run_counting(stores)
    again = run_in(stores, counting, {})
    assert [t.cached_from is not None for t in again.task_runs] == [True, True]
    assert again.output("count") == 5
    assert again.output("count", "numbers").metadata == {"length": 5.0}


def test_a_parameter_that_is_unknown_writes_nothing(stores: Stores) -> None:
    run_counting(stores)
    with pytest.raises(ParameterError, match="no parameter 'txt'") as error:
        stores.operations().trigger("counting", {"txt": "x"})
    assert "'text'" in str(error.value)
    runs = stores.operations().runs(pipeline=None, state=None, limit=10, cursor=None)["items"]
    assert len(runs) == 1


def test_an_unknown_task_names_the_near_ones(stores: Stores) -> None:
    run_id = run_counting(stores)
    with pytest.raises(NotFoundError, match="'count'"):
        stores.operations().task_run(run_id, "cout")


def test_a_run_that_has_ended_cannot_be_cancelled(stores: Stores) -> None:
    with pytest.raises(ConflictError):
        stores.operations().cancel(run_counting(stores))


def test_wait_returns_when_the_time_is_up(stores: Stores) -> None:
    run_counting(stores)
    operations = stores.operations()
    queued = operations.trigger("counting", {})
    assert operations.wait(queued["run_id"], 0.01)["state"] == "queued"


def test_a_failing_run_says_which_task_and_why(stores: Stores) -> None:
    result = run_in(stores, failing, {})
    assert not result.ok
    with pytest.raises(Exception, match="ValueError: no"):
        result.check()


@pytest.fixture
def services(stores: Stores) -> LocalTaskServices:
    launch = Launch(
        attempt_id="a",
        token=1,
        task_run_id="t",
        run_id="r",
        pipeline="counting",
        task_id="count",
        number=1,
        code=CodeLocation("", "file.py", "counting", "v"),
        inputs={},
        output_uri="",
    )
    return LocalTaskServices(Services(stores.tracking, stores.registry, stores.clock), launch)


def test_a_task_logs_to_one_run_of_its_pipelines_experiment(stores: Stores, services: LocalTaskServices) -> None:
    services.call("tracking.log_batch", {"params": {"lr": "0.1"}})
    services.send("tracking.log_batch", {"metrics": [{"key": "loss", "value": 1}, {"key": "loss", "value": 0.5}]})
    experiment = stores.tracking.experiment_by_name("counting")
    assert experiment is not None
    runs = stores.tracking.tracking_runs(experiment_id=experiment.experiment_id)
    assert [(r.run_name, dict(r.params)) for r in runs] == [("count", {"lr": "0.1"})]
    assert [m.value for m in stores.tracking.metric_history(runs[0].run_id, "loss")] == [1.0, 0.5]


def test_a_task_that_logs_nothing_makes_no_run(stores: Stores) -> None:
    run_in(stores, failing, {})
    assert stores.tracking.experiment_by_name("failing") is None


def test_a_task_may_call_only_what_is_listed(services: LocalTaskServices) -> None:
    with pytest.raises(UsageError, match="cannot call"):
        services.call("tracking.delete_everything", {})


def test_model_uris(stores: Stores, services: LocalTaskServices, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "MLmodel").write_text("flavors: {}\n")
    uri = f"{stores.artifacts.root}/p/r/t/1/model"
    stores.artifacts.publish(folder, uri)
    for _ in range(2):
        services.call("registry.create_model_version", {"name": "m", "source": uri})
    services.call("registry.set_alias", {"name": "m", "alias": "champion", "version": 1})
    for text, version in (("models:/m/2", 2), ("models:/m@champion", 1), ("models:/m/latest", 2)):
        assert find_version(text, stores.registry).version == version
        assert (find_model(text, stores.registry, stores.artifacts).path / "MLmodel").is_file()
    for wrong in ("models:/m", "models:m@", "nowhere", "s3://bucket/model"):
        with pytest.raises((UsageError, NotFoundError)):
            find_model(wrong, stores.registry, stores.artifacts)


def test_source_digests_follow_the_content(tmp_path: Path) -> None:
    digests = SourceDigests()
    file = tmp_path / "rows.csv"
    file.write_text("a\n1\n")
    first = digests.digest(str(file))
    assert digests.digest(str(file)) == first
    os.utime(file)
    assert digests.digest(str(file)) == first
    file.write_text("a\n2\n")
    assert digests.digest(str(file)) != first
    assert digests.digest(str(tmp_path)).startswith("sha256:")


def test_what_cannot_be_read_equals_nothing(tmp_path: Path) -> None:
    digests = SourceDigests()
    missing = str(tmp_path / "missing")
    assert digests.digest(missing) != digests.digest(missing)
