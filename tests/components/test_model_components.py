"""From features to a pushed model: the components as plain functions on real rows."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from sklearn.datasets import load_diabetes, load_wine
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import Ridge

import millrace.data as library
from millrace.components import (
    CsvExampleGen,
    Evaluation,
    Evaluator,
    Examples,
    ModelBlessing,
    PushedModel,
    Pusher,
    SchemaGen,
    Statistics,
    StatisticsGen,
    Trainer,
)
from millrace.components import Schema as SchemaArtifact
from millrace.core.errors import DataError, FailWithoutRetry, SkipTask, StorageError, UsageError
from millrace.core.types import Model
from millrace.data.source_digest import source_digest
from millrace.examples.breast_cancer.pipeline import fit, preprocess
from millrace.models import load_model
from tests.components.chain import Chain

LABELS = ["benign", "malignant"]


@pytest.fixture
def chain(csv: Path, tmp_path: Path) -> Chain:
    made = Chain(tmp_path / "run")
    made.schema(made.statistics(csv))
    return made


def schema_of(chain: Chain) -> SchemaArtifact:
    return SchemaArtifact(chain.folder / "schema")


@pytest.fixture
def model(chain: Chain) -> Model:
    return chain.train(schema_of(chain), preprocess, fit, class_labels=LABELS, hyperparameters={"C": 0.5})


def test_features_are_fitted_on_the_training_rows(chain: Chain) -> None:
    graph, transformed = chain.transform(schema_of(chain), preprocess)
    train = library.Examples.open(transformed.path).read("train")
    assert train["mean radius"].mean() == pytest.approx(0)
    assert train["mean radius"].std(ddof=0) == pytest.approx(1)
    assert set(train["malignant"].unique()) == {0, 1}
    assert sum(transformed.metadata["rows"].values()) == 569
    assert graph.metadata == {"inputs": 31, "features": 30}


def test_preprocess_may_only_use_columns_of_the_schema(chain: Chain) -> None:
    schema = library.load_schema(schema_of(chain).path)
    narrow = library.Schema(tuple(one for one in schema.features if one.name != "mean area"))
    library.save_schema(narrow, schema_of(chain).path)
    with pytest.raises(DataError, match="'mean area', which the schema does not know"):
        chain.transform(schema_of(chain), preprocess)


def test_the_model_takes_raw_rows_and_answers_with_class_names(table: pl.DataFrame, model: Model) -> None:
    loaded = load_model(model.path)
    answers = loaded.predict(table.drop("diagnosis"))
    right = (pl.Series(answers, dtype=pl.String) == table["diagnosis"]).sum()
    assert right > 0.95 * table.height
    assert loaded.signature is not None
    assert loaded.signature.inputs is not None
    assert list(loaded.signature.inputs.names) == table.drop("diagnosis").columns
    example = json.loads((model.path / "serving_input_example.json").read_text())
    assert len(loaded.predict(pl.DataFrame(**_split(example)))) == 5
    assert model.metadata["estimator"] == "LogisticRegression"
    assert model.metadata["metrics"]["eval_auc"] > 0.98


def _split(document: dict[str, Any]) -> dict[str, Any]:
    split = document["dataframe_split"]
    return {"data": split["data"], "schema": split["columns"], "orient": "row"}


def test_equal_input_gives_an_equal_model(csv: Path, tmp_path: Path) -> None:
    digests = []
    for name in ("one", "two"):
        made = Chain(tmp_path / name)
        schema = made.schema(made.statistics(csv))
        trained = made.train(schema, preprocess, fit, class_labels=LABELS)
        made.evaluate(trained, thresholds={"auc": {"lower_bound": 0.9}})
        digests.append(source_digest(made.folder))
    assert digests[0] == digests[1]


def test_a_misspelt_hyperparameter_is_told_before_training(chain: Chain) -> None:
    with pytest.raises(UsageError, match="no hyperparameter 'max_iters'") as told:
        chain.train(schema_of(chain), preprocess, fit, hyperparameters={"max_iters": 5})
    assert told.value.remedy == "Did you mean 'max_iter'?"


def test_a_label_is_needed(chain: Chain) -> None:
    with pytest.raises(UsageError, match="marks none as label"):
        chain.train(schema_of(chain), lambda x, t: {"area": t.scale_to_0_1(x["mean area"])}, fit)


def test_a_good_model_is_blessed(model: Model, chain: Chain) -> None:
    evaluation, blessing = chain.evaluate(model, thresholds={"auc": {"lower_bound": 0.95}})
    assert blessing.metadata["blessed"] is True
    saved = library.load_evaluation(evaluation.path)
    assert saved.blessed
    assert evaluation.metadata["metrics"]["auc"] == saved.overall["auc"] > 0.98
    written = json.loads((blessing.path / "blessing.json").read_text())
    assert written["blessed"] is True
    assert written["baseline"] is None


def test_a_threshold_that_is_missed_says_by_how_much(model: Model, chain: Chain) -> None:
    thresholds = {"auc": {"lower_bound": 0.9}, "log_loss": {"upper_bound": 0.001}}
    _, blessing = chain.evaluate(model, thresholds=thresholds)
    assert blessing.metadata["blessed"] is False
    [reason] = blessing.metadata["reasons"]
    assert reason.startswith("log_loss is 0.0")
    assert reason.endswith("at most 0.001 is asked")
    with pytest.raises(FailWithoutRetry, match="not blessed: log_loss"):
        chain.evaluate(model, thresholds=thresholds, blocking=True)


def test_a_model_must_keep_up_with_the_last_blessed_one(model: Model, csv: Path, tmp_path: Path) -> None:
    worse = Chain(tmp_path / "worse")
    schema = worse.schema(worse.statistics(csv))
    dummy = worse.train(schema, preprocess, lambda x, y: DummyClassifier().fit(x.to_numpy(), y.to_numpy()))
    thresholds = {"auc": {"change_absolute": -0.01}}
    _, alone = worse.evaluate(dummy, thresholds=thresholds)
    assert alone.metadata["blessed"] is True  # nothing to compare it with
    _, compared = worse.evaluate(dummy, thresholds=thresholds, baseline=model)
    assert compared.metadata["blessed"] is False
    assert "from the baseline's 0.99" in compared.metadata["reasons"][0]


def test_slices_are_judged_too(model: Model, chain: Chain, table: pl.DataFrame) -> None:
    evaluation, _ = chain.evaluate(model, slices=["diagnosis"], thresholds={"auc": {"lower_bound": 0.9}})
    names = [one.name for one in library.load_evaluation(evaluation.path).slices]
    assert names == ["all rows", "diagnosis = benign", "diagnosis = malignant"]
    with pytest.raises(DataError, match="no column 'diagnoses' to slice by"):
        chain.evaluate(model, slices=["diagnoses"])


def test_the_positive_class_may_be_named(model: Model, chain: Chain) -> None:
    rows = library.Examples.open(chain.folder / "examples").read("eval")
    for name in LABELS:
        evaluation, _ = chain.evaluate(model, positive_class=name)
        share = (rows["diagnosis"] == name).mean()
        assert evaluation.metadata["metrics"]["mean_label"] == pytest.approx(share)
    with pytest.raises(DataError, match="no class 'sick'"):
        chain.evaluate(model, positive_class="sick")


def without_transform(frame: pl.DataFrame, folder: Path, fit_function: Any, label: str) -> tuple[Model, Examples]:
    frame.write_csv(folder / "rows.csv")
    examples, model = Examples(folder / "examples"), Model(folder / "model")
    CsvExampleGen(str(folder / "rows.csv"), examples=examples)
    Trainer(examples, fit_function, model=model, label=label)
    return model, examples


def evaluated(model: Model, examples: Examples, folder: Path, **more: Any) -> dict[str, float]:
    evaluation = Evaluation(folder / "evaluation")
    Evaluator(examples, model, evaluation=evaluation, blessing=ModelBlessing(folder / "blessing"), **more)
    metrics: dict[str, float] = evaluation.metadata["metrics"]
    return metrics


def test_regression_without_a_transform(tmp_path: Path) -> None:
    bunch = load_diabetes()
    frame = pl.DataFrame(bunch.data, schema=bunch.feature_names, orient="row").with_columns(progress=bunch.target)
    fitted = lambda x, y: Ridge(alpha=0.1).fit(x.to_numpy(), y.to_numpy())  # noqa: E731 - shorter here
    model, examples = without_transform(frame, tmp_path, fitted, "progress")
    assert evaluated(model, examples, tmp_path)["r2"] > 0.3
    assert model.metadata["metrics"]["eval_r2"] > 0.3


def test_several_classes_of_text(tmp_path: Path) -> None:
    bunch = load_wine()
    frame = pl.DataFrame(bunch.data, schema=[str(n) for n in bunch.feature_names], orient="row").with_columns(
        cultivar=pl.Series([f"cultivar {one}" for one in bunch.target])
    )

    def forest(x: pl.DataFrame, y: pl.Series, trees: int = 20) -> RandomForestClassifier:
        return RandomForestClassifier(trees, random_state=0).fit(x.to_numpy(), y.to_numpy())

    model, examples = without_transform(frame, tmp_path, forest, "cultivar")
    metrics = evaluated(model, examples, tmp_path, thresholds={"accuracy": {"lower_bound": 0.8}})
    assert metrics["accuracy"] > 0.9
    assert metrics["class_count"] == 3


def blessing(folder: Path, *, blessed: bool) -> ModelBlessing:
    made = ModelBlessing(folder / f"blessed-{blessed}")
    made.path.mkdir()
    reasons = ["auc is 0.5, at least 0.9 is asked"]
    (made.path / "blessing.json").write_text(json.dumps({"blessed": blessed, "reasons": reasons}))
    return made


def test_a_blessed_model_is_pushed_once(model: Model, tmp_path: Path) -> None:
    destination = tmp_path / "serving"
    for number in (1, 2):
        pushed = PushedModel(tmp_path / f"pushed-{number}")
        Pusher(model, blessing=blessing_of(tmp_path, number), destination=str(destination), pushed=pushed)
        assert pushed.metadata["version"] == "1"
        assert pushed.metadata["destination"] == str(destination / "1")
    assert [one.name for one in destination.iterdir()] == ["1"]
    assert load_model(destination / "1").metadata.model_uuid == load_model(model.path).metadata.model_uuid


def blessing_of(folder: Path, number: int) -> ModelBlessing:
    (folder / str(number)).mkdir()
    return blessing(folder / str(number), blessed=True)


def test_another_model_gets_the_next_version(model: Model, csv: Path, tmp_path: Path) -> None:
    destination = tmp_path / "serving"
    Pusher(model, blessing_of(tmp_path, 1), str(destination), pushed=PushedModel(tmp_path / "one"))
    other = Chain(tmp_path / "other")
    schema = other.schema(other.statistics(csv))
    second = other.train(schema, preprocess, fit, class_labels=LABELS, hyperparameters={"C": 5.0})
    Pusher(second, blessing_of(tmp_path, 2), str(destination), pushed=PushedModel(tmp_path / "two"))
    assert sorted(one.name for one in destination.iterdir()) == ["1", "2"]


def test_a_model_that_is_not_blessed_is_skipped(model: Model, tmp_path: Path) -> None:
    with pytest.raises(SkipTask, match=r"not blessed, so it is not pushed: auc is 0\.5"):
        Pusher(model, blessing(tmp_path, blessed=False), str(tmp_path / "serving"), pushed=PushedModel(tmp_path / "p"))
    assert not (tmp_path / "serving").exists()


def test_a_destination_that_cannot_be_written_is_told(model: Model, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(StorageError, match="a file, not a folder"):
        Pusher(
            model, blessing(tmp_path, blessed=True), str(tmp_path / "file" / "deep"), pushed=PushedModel(tmp_path / "p")
        )
    assert not (tmp_path / "p").exists()


def test_an_installed_mlflow_loads_the_model_too(model: Model, table: pl.DataFrame) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # importing mlflow trips over deprecations of its own
        import mlflow.pyfunc
    rows = table.drop("diagnosis")
    theirs = mlflow.pyfunc.load_model(str(model.path)).predict(rows.to_pandas())
    assert list(theirs) == list(load_model(model.path).predict(rows))


def test_registering_needs_a_run(model: Model, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no registry outside a task"):
        Pusher(
            model,
            blessing(tmp_path, blessed=True),
            str(tmp_path / "serving"),
            pushed=PushedModel(tmp_path / "p"),
            model_name="cancer",
        )
    assert not (tmp_path / "serving").exists()


def test_a_schema_lets_a_column_be_missing_when_served(table: pl.DataFrame, tmp_path: Path) -> None:
    holes = table.with_columns(
        pl.when(pl.int_range(pl.len()) % 7 == 0).then(None).otherwise(pl.col("mean texture")).alias("mean texture")
    )
    holes.write_csv(tmp_path / "holes.csv")
    chain = Chain(tmp_path / "run")
    examples = chain.examples(tmp_path / "holes.csv")
    statistics, schema = Statistics(tmp_path / "s"), SchemaArtifact(tmp_path / "schema")
    StatisticsGen(examples, statistics=statistics)
    SchemaGen(statistics, schema=schema)

    def filled(x: Any, t: Any) -> Any:
        texture = t.fill_missing(x["mean texture"], "median")
        label = t.label(x["diagnosis"], positive="malignant")
        return {"texture": t.scale_to_z_score(texture), "area": t.scale_to_0_1(x["mean area"]), "malignant": label}

    model = chain.train(schema, filled, fit, class_labels=LABELS)
    row = table.drop("diagnosis", "mean texture").head(1)
    assert load_model(model.path).predict(row)[0] in LABELS
