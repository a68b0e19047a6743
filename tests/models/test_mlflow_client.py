"""A real mlflow loads our folders, and we load the folders that a real mlflow wrote."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from millrace.core.errors import ModelError
from millrace.models import infer_signature, load_model, save_model
from millrace.models.mlmodel import read_metadata

with warnings.catch_warnings():
    # importing mlflow trips over deprecations in itself and in its own dependencies
    warnings.simplefilter("ignore")
    import mlflow.models
    import mlflow.pyfunc
    import mlflow.sklearn

# mlflow hints at length that integer columns cannot hold missing values whenever it infers a signature with one
pytestmark = pytest.mark.filterwarnings("ignore:Hint. Inferred schema contains integer column:UserWarning")

Table = tuple[pl.DataFrame, Any]


def test_mlflow_pyfunc_predicts_the_same(plain_folder: Path, cancer: Table) -> None:
    frame, _ = cancer
    theirs = mlflow.pyfunc.load_model(str(plain_folder))
    assert np.array_equal(theirs.predict(frame.to_pandas()), load_model(plain_folder).predict(frame))
    assert theirs.metadata.run_id == "0" * 32
    assert theirs.metadata.metadata == {"purpose": "test"}
    assert theirs.metadata.get_model_info().model_uuid == read_metadata(plain_folder).model_uuid
    assert theirs.input_example.shape == (3, 30)


def test_mlflow_reads_our_signature(plain_folder: Path, cancer: Table) -> None:
    frame, _ = cancer
    theirs = mlflow.pyfunc.load_model(str(plain_folder)).metadata.signature
    assert theirs.inputs == mlflow.models.infer_signature(frame.to_pandas()).inputs
    assert theirs.outputs.input_types() == [mlflow.types.DataType.string]
    with pytest.raises(mlflow.exceptions.MlflowException, match="mean area"):
        mlflow.pyfunc.load_model(str(plain_folder)).predict(frame.drop("mean area").to_pandas())


def test_mlflow_sklearn_loads_the_estimator_itself(plain_folder: Path, cancer: Table, classifier: Any) -> None:
    frame, _ = cancer
    theirs = mlflow.sklearn.load_model(str(plain_folder))
    assert np.array_equal(theirs.predict_proba(frame.to_numpy()), classifier.predict_proba(frame.to_numpy()))


def test_mlflow_sklearn_loads_a_forest_with_its_trusted_types(tmp_path: Path, cancer: Table) -> None:
    frame, target = cancer
    forest = RandomForestClassifier(3, random_state=0).fit(frame.to_numpy(), target)
    save_model(tmp_path / "m", forest, feature_names=frame.columns)
    theirs = mlflow.sklearn.load_model(str(tmp_path / "m"))
    assert np.array_equal(theirs.predict(frame.to_numpy()), forest.predict(frame.to_numpy()))


def test_our_inferred_signature_is_mlflows() -> None:
    frame = pl.DataFrame({"a": [1.5], "b": [2], "c": ["x"], "d": [True], "e": pl.Series([1], dtype=pl.Int32)})
    theirs = mlflow.models.infer_signature(frame.to_pandas(), np.zeros((1, 2)))
    ours = infer_signature(frame, np.zeros((1, 2)))
    assert mlflow.models.ModelSignature.from_dict(ours.to_dict()) == theirs


@pytest.mark.parametrize("serialization", ["skops", "cloudpickle"])
def test_a_model_that_mlflow_saved_predicts_the_same_here(tmp_path: Path, cancer: Table, serialization: str) -> None:
    frame, target = cancer
    data = frame.to_pandas()
    estimator = LogisticRegression(max_iter=5_000).fit(data, target)
    signature = mlflow.models.infer_signature(data, estimator.predict(data))
    mlflow.sklearn.save_model(
        estimator, str(tmp_path / "m"), signature=signature, serialization_format=serialization, pip_requirements=[]
    )
    model = load_model(tmp_path / "m")
    assert np.array_equal(model.predict(frame), estimator.predict(data))
    assert np.array_equal(model.predict(data.to_dict(orient="records")), estimator.predict(data))
    assert np.allclose(model.predict_scores(frame), estimator.predict_proba(data)[:, 1])
    with pytest.raises(ModelError, match="'mean area' is missing"):
        model.predict(frame.drop("mean area"))


LOADER = """
from pathlib import Path
import pandas as pd


class Scaler:
    def __init__(self, path):
        self.factor = float(Path(path).read_text())

    def predict(self, model_input, params=None):
        return pd.DataFrame({"scaled": model_input["x"] * self.factor * params["by"]})


_load_pyfunc = Scaler
"""


# mlflow urges to give an input example, from which it would infer the signature that is given here
@pytest.mark.filterwarnings("ignore:.*An input example was not provided:UserWarning")
def test_a_model_with_code_data_and_params_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "scaler_loader.py").write_text(LOADER)
    (tmp_path / "factor.txt").write_text("2")
    mlflow.pyfunc.save_model(
        str(tmp_path / "m"),
        loader_module="scaler_loader",
        code_paths=[str(tmp_path / "scaler_loader.py")],
        data_path=str(tmp_path / "factor.txt"),
        signature=mlflow.models.infer_signature(pd.DataFrame({"x": [1.5]}), params={"by": 1}),
        pip_requirements=[],
    )
    monkeypatch.setattr(sys, "path", [*sys.path])  # the model's code folder goes in front, for this test only
    model = load_model(tmp_path / "m")
    assert model.predict([{"x": 2}])["scaled"].tolist() == [4.0]
    assert model.predict({"x": [2, 3]}, {"by": 10})["scaled"].tolist() == [40.0, 60.0]
    with pytest.raises(ModelError, match="'by' takes long, not '3'"):
        model.predict({"x": 2}, {"by": "3"})
    assert model.predict_scores({"x": [2, 3]}).tolist() == [[4.0], [6.0]]
    with pytest.raises(ModelError, match="no probabilities by class name"):
        model.predict_scores({"x": 2}, "a")
