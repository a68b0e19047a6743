"""`millrace init`: the example project, its graph, and what its runs take from the cache."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from millrace.core.errors import ConflictError, StorageError
from millrace.core.graph import Latest, OutputRef
from millrace.core.types import Json
from millrace.examples.breast_cancer.pipeline import breast_cancer
from millrace.wiring.demo_faults import write_faulty
from millrace.wiring.platform import Platform, open_platform
from millrace.wiring.project import DATA, FILES, PIPELINE, init_project
from millrace.wiring.settings import load_settings

STEPS = [
    "CsvExampleGen",
    "StatisticsGen",
    "SchemaGen",
    "ExampleValidator",
    "Transform",
    "Trainer",
    "Evaluator",
    "Pusher",
]


def test_the_graph_is_the_main_job() -> None:
    graph = breast_cancer.graph
    assert [task.task_id for task in graph.tasks] == STEPS
    assert all(task.cache for task in graph.tasks)
    assert "ExampleValidator" in graph.by_id["Transform"].upstream
    assert graph.by_id["CsvExampleGen"].inputs[0].type == "path"


def test_baselines_come_from_earlier_runs_by_themselves() -> None:
    tasks = breast_cancer.graph.by_id
    statistics, model = OutputRef("StatisticsGen", "statistics"), OutputRef("Trainer", "model")
    schema = tasks["SchemaGen"].bindings["previous"]
    assert schema == Latest(OutputRef("SchemaGen", "schema"), other_than=statistics)
    assert tasks["ExampleValidator"].bindings["previous_statistics"] == Latest(statistics, other_than=statistics)
    blessing = OutputRef("Evaluator", "blessing")
    assert tasks["Evaluator"].bindings["baseline"] == Latest(model, where=blessing, flag="blessed", other_than=model)


def test_a_project_is_written_whole(tmp_path: Path) -> None:
    written = init_project(tmp_path / "new" / "project")
    assert [file.relative_to(tmp_path / "new" / "project").as_posix() for file in written] == list(FILES)
    table = pl.read_csv(tmp_path / "new" / "project" / DATA)
    assert table.shape == (569, 31)
    assert dict(table["diagnosis"].value_counts().iter_rows()) == {"malignant": 212, "benign": 357}


def test_nothing_is_written_over(tmp_path: Path) -> None:
    (tmp_path / "millrace.toml").write_text("# mine\n")
    with pytest.raises(ConflictError, match=r"millrace\.toml"):
        init_project(tmp_path)
    assert [one.name for one in tmp_path.iterdir()] == ["millrace.toml"]


def test_what_cannot_be_finished_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file where a folder must be")
    with pytest.raises(StorageError, match="file, not a folder"):
        init_project(tmp_path)
    assert [one.name for one in tmp_path.iterdir()] == ["data"]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Platform]:
    init_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    with open_platform(load_settings({}, cwd=tmp_path, environ={})) as platform:
        yield platform


def run(platform: Platform, **params: str) -> Json:
    return platform.run_file(Path(PIPELINE), None, params)


def ran(document: Json) -> list[str]:
    """The steps that did not come from the cache."""
    return [task["task_id"] for task in document["tasks"] if not task["cached_from"]]


def champion(platform: Platform) -> str:
    [alias] = platform.operations.registered_model("breast-cancer")["aliases"]
    assert alias["alias"] == "champion"
    return str(alias["version"])


def test_runs_take_from_the_cache_what_has_not_changed(project: Platform) -> None:
    first = run(project)
    assert first["state"] == "success"
    assert ran(first) == STEPS
    assert champion(project) == "1"

    os.utime(DATA)
    assert ran(run(project)) == []

    other = run(project, hyperparameters='{"C": 0.1}')
    assert other["state"] == "success"
    assert ran(other) == ["Trainer", "Evaluator", "Pusher"]
    compared = project.operations.task_run(other["run_id"], "Evaluator")["inputs"]
    assert [one["task_id"] for one in compared["baseline"]] == ["Trainer"]
    assert champion(project) == "2"

    # Going back brings the first model back to where it is served from, though nothing is trained.
    assert ran(run(project)) == ["Evaluator", "Pusher"]
    assert champion(project) == "3"
    assert ran(run(project)) == []
    assert sorted(one.name for one in Path("serving/breast-cancer").iterdir()) == ["1", "2", "3"]


def test_faulty_data_is_stopped_and_changes_nothing(project: Platform) -> None:
    assert run(project)["state"] == "success"
    faults = write_faulty(Path(DATA), Path("data/faulty.csv"))
    stopped = run(project, data="data/faulty.csv")
    assert stopped["state"] == "failed"
    states = {task["task_id"]: task["state"] for task in stopped["tasks"]}
    assert states["ExampleValidator"] == "failed"
    assert {states[step] for step in STEPS[4:]} == {"upstream_failed"}
    [failed] = [task for task in stopped["tasks"] if task["state"] == "failed"]
    assert failed["reason"].startswith(f"{len(faults)} anomalies: ")
    for fault in faults:
        assert repr(fault.column) in failed["reason"]
    assert ran(run(project)) == []  # the good data is judged as before
    assert champion(project) == "1"


def test_a_changed_csv_is_read_again(project: Platform) -> None:
    assert run(project)["state"] == "success"
    lines = Path(DATA).read_text().splitlines(keepends=True)
    Path(DATA).write_text("".join(lines[:-5]))
    changed = run(project)
    assert changed["state"] == "success"
    assert "CsvExampleGen" in ran(changed)
    schema = project.operations.task_run(changed["run_id"], "SchemaGen")["outputs"]["schema"]["artifact"]
    assert schema["metadata"]["origin"] == "kept"


def test_training_is_tracked(project: Platform) -> None:
    document = run(project, hyperparameters='{"C": 0.25}')
    [tracked] = project.operations.task_run(document["run_id"], "Trainer")["tracking_runs"]
    assert {"key": "C", "value": "0.25"} in tracked["data"]["params"]
    metrics = {one["key"]: one["value"] for one in tracked["data"]["metrics"]}
    assert metrics["eval_auc"] > 0.98
    model = project.operations.task_run(document["run_id"], "Trainer")["outputs"]["model"]["artifact"]
    assert model["metadata"]["tracking_run"] == tracked["info"]["run_id"]
    [version] = project.operations.registered_model("breast-cancer")["versions"]
    assert version["run_id"] == tracked["info"]["run_id"]


def test_a_model_below_the_threshold_is_not_pushed(project: Platform) -> None:
    document = run(project, thresholds='{"auc": {"lower_bound": 0.99999}}')
    [pusher] = [task for task in document["tasks"] if task["task_id"] == "Pusher"]
    assert pusher["state"] == "skipped"
    assert "not blessed" in pusher["reason"]
    assert project.operations.registered_models() == []
    assert not Path("serving").exists()


def test_a_destination_that_cannot_be_written_registers_nothing(project: Platform) -> None:
    document = run(project, serving=f"{DATA}/below")
    [pusher] = [task for task in document["tasks"] if task["task_id"] == "Pusher"]
    assert pusher["state"] == "failed"
    assert "a file, not a folder" in pusher["reason"]
    assert project.operations.registered_models() == []
