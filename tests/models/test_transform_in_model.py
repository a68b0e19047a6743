"""A model with a fitted transform: raw columns in, label names out, the same in training, here and in mlflow."""

from __future__ import annotations

import warnings
from pathlib import Path
from shutil import copytree, rmtree
from typing import Any

import numpy as np
import polars as pl
import pytest
from sklearn.linear_model import LogisticRegression

from millrace.core.errors import ModelError
from millrace.data.examples import Examples, ingest_csv
from millrace.data.transform import TransformGraph, fit_transform_graph
from millrace.models import load_model, read_metadata, save_model

with warnings.catch_warnings():
    # importing mlflow trips over deprecations in itself and in its own dependencies
    warnings.simplefilter("ignore")
    import mlflow.pyfunc


def preprocess(x: Any, t: Any) -> dict[str, Any]:
    return {
        "size": t.scale_to_z_score(t.fill_missing(x["mean area"], "median")),
        "texture": t.scale_to_z_score(x["mean texture"]),
        "site": t.compute_and_apply_vocabulary(x["site"]),
        "diagnosis": t.label(x["diagnosis"] == "malignant"),
    }


@pytest.fixture(scope="module")
def table(cancer: tuple[pl.DataFrame, Any]) -> pl.DataFrame:
    frame, target = cancer
    names = np.array(["malignant", "benign"])[target]
    site = pl.Series(["left" if row % 3 else "right" for row in range(frame.height)])
    chosen = frame.select("mean radius", "mean texture", "mean area")
    return chosen.with_columns(site=site, diagnosis=pl.Series(names.tolist()))


@pytest.fixture(scope="module")
def graph(table: pl.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> TransformGraph:
    folder = tmp_path_factory.mktemp("transform")
    table.write_csv(folder / "data.csv")
    ingest_csv(folder / "data.csv", folder / "examples", splits={"train": 1})
    return fit_transform_graph(Examples.open(folder / "examples"), preprocess)


@pytest.fixture(scope="module")
def estimator(table: pl.DataFrame, graph: TransformGraph) -> Any:
    """Fitted on two of the three features, in an order of its own."""
    transformed = graph.apply(table)
    return LogisticRegression().fit(
        transformed.select("texture", "size").to_numpy(), transformed["diagnosis"].to_numpy()
    )


@pytest.fixture(scope="module")
def folder(
    table: pl.DataFrame, graph: TransformGraph, estimator: Any, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    base = tmp_path_factory.mktemp("model")
    graph.save(base / "fitted")
    save_model(
        base / "model",
        estimator,
        transform=base / "fitted",
        feature_names=["texture", "size"],
        label="diagnosis",
        class_labels=["benign", "malignant"],
        input_example=table.head(2),
    )
    return base / "model"


def test_raw_rows_without_the_label_give_the_training_predictions(
    folder: Path, table: pl.DataFrame, graph: TransformGraph, estimator: Any
) -> None:
    model = load_model(folder)
    features = graph.apply(table).select("texture", "size").to_numpy()
    served = table.drop("diagnosis", "site", "mean radius")
    assert np.array_equal(model.predict_scores(served), estimator.predict_proba(features)[:, 1])
    assert np.array_equal(model.predict_scores(table), model.predict_scores(served))
    assert np.array_equal(model.predict_scores(served, "benign"), estimator.predict_proba(features)[:, 0])
    predicted = model.predict(served)
    assert (predicted == np.array(["benign", "malignant"])[estimator.predict(features)]).all()
    assert (predicted == table["diagnosis"].to_numpy()).mean() > 0.85


def test_the_signature_and_the_example_have_the_raw_columns_a_prediction_rests_on(folder: Path) -> None:
    signature = read_metadata(folder).signature
    assert signature is not None
    assert signature.inputs is not None
    assert signature.inputs.names == ("mean texture", "mean area")
    assert set(read_metadata(folder).flavors) == {"millrace", "python_function"}
    with pytest.raises(ModelError, match="'mean area' is missing"):
        load_model(folder).predict([{"mean texture": 1.0}])


def test_missing_values_are_filled_in_serving_as_in_training(folder: Path, graph: TransformGraph) -> None:
    rows = [{"mean texture": 20.0, "mean area": None}, {"mean texture": 20.0, "mean area": float("nan")}]
    median = graph.apply(pl.DataFrame({"mean area": [None], "mean texture": [20.0]}), skip_missing_outputs=True)
    assert not np.isnan(median["size"][0])
    scores = load_model(folder).predict_scores(rows)
    assert scores[0] == scores[1]


def test_mlflow_loads_it_too(folder: Path, table: pl.DataFrame) -> None:
    data = table.drop("diagnosis").to_pandas()
    assert np.array_equal(mlflow.pyfunc.load_model(str(folder)).predict(data), load_model(folder).predict(table))


def test_without_a_signature_the_graph_names_what_is_missing(
    table: pl.DataFrame, graph: TransformGraph, tmp_path: Path
) -> None:
    """And without feature names the graph's features, in its order, are what the estimator was fitted on."""
    features = graph.apply(table)
    fitted = LogisticRegression().fit(features.select(graph.feature_names).to_numpy(), features["diagnosis"].to_numpy())
    graph.save(tmp_path / "fitted")
    save_model(tmp_path / "m", fitted, transform=tmp_path / "fitted")
    model = load_model(tmp_path / "m")
    raw = table.select("mean texture", "mean area", "site")
    assert np.array_equal(model.predict(raw), fitted.predict(features.select(graph.feature_names).to_numpy()))
    with pytest.raises(ModelError, match="column 'mean area' is missing") as caught:
        model.predict(raw.rename({"mean area": "mean_area"}))
    assert caught.value.remedy == "Did you mean 'mean_area'?"
    with pytest.raises(ModelError, match="mean area"):
        model.predict(raw.with_columns(pl.lit("large").alias("mean area")))


def test_a_damaged_transform_is_a_model_error(folder: Path, tmp_path: Path) -> None:
    copy = copytree(folder, tmp_path / "m")
    (copy / "transform" / "transform.json").write_text("{")
    with pytest.raises(ModelError, match="transform cannot be read"):
        load_model(copy)
    rmtree(copy / "transform")
    with pytest.raises(ModelError, match="transform graph is missing"):
        load_model(copy)
