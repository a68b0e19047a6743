"""What save_model writes and load_model reads: whole, deterministic, and refused when it is neither."""

from __future__ import annotations

import io
import json
import os
import signal
import stat
import subprocess
import sys
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from shutil import copytree
from typing import Any
from urllib.request import urlretrieve

import numpy as np
import polars as pl
import pytest
import sklearn.datasets
import yaml
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.preprocessing import FunctionTransformer
from sklearn.svm import LinearSVC
from skops import io as skops_io

from millrace.core.errors import ConflictError, ModelError, StorageError
from millrace.models import folder_digest, load_model, published_folder, save_model
from millrace.models.mlmodel import ModelMetadata, read_metadata

Table = tuple[pl.DataFrame, Any]


def test_the_folder_has_the_files_of_an_mlflow_model(plain_folder: Path) -> None:
    assert sorted(file.name for file in plain_folder.iterdir()) == [
        "MLmodel", "conda.yaml", "input_example.json", "model.skops", "python_env.yaml", "requirements.txt",
        "serving_input_example.json",
    ]  # fmt: skip
    document = yaml.safe_load((plain_folder / "MLmodel").read_text())
    assert set(document["flavors"]) == {"millrace", "python_function", "sklearn"}
    assert document["metadata"] == {"purpose": "test"}
    assert document["run_id"] == "0" * 32
    assert "millrace==" in (plain_folder / "requirements.txt").read_text()
    serving = json.loads((plain_folder / "serving_input_example.json").read_text())
    assert len(serving["dataframe_split"]["data"]) == 3


def test_predictions_are_the_estimators_with_the_labels_names(
    plain_folder: Path, cancer: Table, classifier: Any
) -> None:
    frame, target = cancer
    model = load_model(plain_folder)
    assert model.class_names == ("malignant", "benign")
    predicted = model.predict(frame)
    assert set(predicted.tolist()) == {"malignant", "benign"}
    assert (predicted == np.array(["malignant", "benign"])[classifier.predict(frame.to_numpy())]).all()
    assert (predicted == np.array(["malignant", "benign"])[target]).mean() > 0.97
    probabilities = classifier.predict_proba(frame.to_numpy())
    assert np.array_equal(model.predict_scores(frame), probabilities[:, 1])
    assert np.array_equal(model.predict_scores(frame, "malignant"), probabilities[:, 0])
    with pytest.raises(ModelError, match="no class 'maligant'") as caught:
        model.predict_scores(frame, "maligant")
    assert "'malignant'" in str(caught.value.remedy)


def test_columns_are_taken_by_name_whatever_their_order(plain_folder: Path, cancer: Table) -> None:
    frame, _ = cancer
    shuffled = frame.select(reversed(frame.columns)).with_columns(diagnosis=pl.lit("?"))
    model = load_model(plain_folder)
    assert np.array_equal(model.predict_scores(shuffled), model.predict_scores(frame))


def test_equal_content_gives_equal_bytes_in_another_process_too(
    tmp_path: Path, cancer: Table, plain_folder: Path
) -> None:
    script = """
import sys
from pathlib import Path
import polars as pl
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier
from millrace.models import save_model
bunch = load_breast_cancer()
frame = pl.DataFrame(bunch.data, schema=[str(name) for name in bunch.feature_names], orient="row")
forest = RandomForestClassifier(5, random_state=0).fit(bunch.data, bunch.target)
save_model(Path(sys.argv[1]), forest, feature_names=frame.columns, input_example=frame.head(2))
"""
    for name, seed in (("one", "1"), ("two", "2")):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        subprocess.run([sys.executable, "-c", script, str(tmp_path / name)], check=True, env=environment)
    assert folder_digest(tmp_path / "one") == folder_digest(tmp_path / "two")
    assert folder_digest(tmp_path / "one") != folder_digest(plain_folder)


def test_the_uuid_follows_the_content_and_the_time_is_the_callers(tmp_path: Path) -> None:
    estimator = DummyClassifier().fit([[0], [1]], [0, 1])
    save_model(tmp_path / "a", estimator)
    save_model(tmp_path / "b", estimator, created=datetime(2026, 1, 2, 3, tzinfo=UTC))
    save_model(tmp_path / "c", estimator, metadata={"x": 1})
    save_model(tmp_path / "d", estimator, model_uuid="f" * 32)
    a, b, c, d = (read_metadata(tmp_path / name) for name in "abcd")
    assert a.model_uuid == b.model_uuid != c.model_uuid
    assert (a.utc_time_created, b.utc_time_created) == (None, "2026-01-02 03:00:00.000000")
    assert d.model_uuid == "f" * 32
    with pytest.raises(ModelError, match="no time zone"):
        save_model(tmp_path / "e", estimator, created=datetime(2026, 1, 2))


@pytest.mark.parametrize(
    "estimator",
    [RandomForestClassifier(3, random_state=0), HistGradientBoostingClassifier(max_iter=3), LinearRegression()],
    ids=lambda estimator: type(estimator).__name__,
)
def test_estimators_of_many_kinds_come_back_the_same(tmp_path: Path, cancer: Table, estimator: Any) -> None:
    frame, target = cancer
    estimator.fit(frame.to_numpy(), target)
    save_model(tmp_path / "m", estimator, feature_names=frame.columns)
    assert np.array_equal(load_model(tmp_path / "m").predict(frame), estimator.predict(frame.to_numpy()))


def test_an_estimator_fitted_on_named_columns_gets_them_named(tmp_path: Path, cancer: Table) -> None:
    frame, target = cancer
    estimator = LinearRegression().fit(frame, target)
    save_model(tmp_path / "m", estimator)
    model = load_model(tmp_path / "m")
    assert np.array_equal(model.predict(frame.select(reversed(frame.columns))), estimator.predict(frame))
    assert np.array_equal(model.predict_scores(frame), estimator.predict(frame))
    assert np.array_equal(model.predict(frame.to_numpy()), estimator.predict(frame))
    with pytest.raises(ModelError, match="column 'mean area' is missing"):
        model.predict(frame.drop("mean area"))
    with pytest.raises(ModelError, match=r"shape \(569, 2\) for 30 named columns"):
        model.predict(frame.to_numpy()[:, :2])


def test_probabilities_as_the_prediction(tmp_path: Path, cancer: Table) -> None:
    frame, _ = cancer
    three = np.arange(frame.height) % 3
    estimator = LogisticRegression(max_iter=10_000).fit(frame.to_numpy()[:, :2], three)
    save_model(tmp_path / "m", estimator, feature_names=frame.columns[:2], predict="predict_proba")
    model = load_model(tmp_path / "m")
    assert model.predict(frame).shape == (frame.height, 3)
    assert model.predict_scores(frame).shape == (frame.height, 3)
    assert np.allclose(model.predict_scores(frame, "2"), model.predict(frame)[:, 2])


def test_a_classifier_without_probabilities_says_so(tmp_path: Path, cancer: Table) -> None:
    frame, target = cancer
    save_model(tmp_path / "m", LinearSVC().fit(frame.to_numpy()[:, :2] / 30, target), feature_names=frame.columns[:2])
    with pytest.raises(ModelError, match="gives no probabilities"):
        load_model(tmp_path / "m").predict_scores(frame)


def test_what_skops_cannot_write_or_trust_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"not trusted: .*lambda") as caught:
        save_model(tmp_path / "m", FunctionTransformer(lambda x: x).fit([[1]]))
    assert caught.value.where == str(tmp_path / "m")
    with pytest.raises(ModelError, match=r"not trusted: builtins\.eval"):
        save_model(tmp_path / "m", FunctionTransformer(eval).fit([[1]]))
    assert list(tmp_path.iterdir()) == []


def _with_trusted_types(folder: Path, types: list[str]) -> None:
    file = folder / "MLmodel"
    document = yaml.safe_load(file.read_text())
    document["flavors"]["millrace"]["skops_trusted_types"] = types
    file.write_text(yaml.safe_dump(document))


def test_types_a_model_claims_to_trust_must_be_scikit_learns_own(tmp_path: Path) -> None:
    forest = RandomForestClassifier(2, bootstrap=False).fit([[0], [1]], [0, 1])
    save_model(tmp_path / "m", forest)
    _with_trusted_types(tmp_path / "m", [])
    with pytest.raises(ModelError, match=r"not trusted: sklearn\.tree\._tree\.Tree") as caught:
        load_model(tmp_path / "m")
    assert "trusted=['sklearn.tree._tree.Tree']" in str(caught.value.remedy)
    assert load_model(tmp_path / "m", trusted=["sklearn.tree._tree.Tree"]).predict([[1]]).tolist() == [1]


def test_a_function_that_scikit_learn_only_imports_is_not_trusted(tmp_path: Path) -> None:
    """`sklearn.datasets._base` imports urlretrieve: the name starts with `sklearn.`, the function is not its own."""
    assert urlretrieve is sklearn.datasets._base.urlretrieve
    save_model(tmp_path / "m", FunctionTransformer(np.log).fit([[1]]))
    with zipfile.ZipFile(io.BytesIO(skops_io.dumps(FunctionTransformer(urlretrieve)))) as source:
        schema = source.read("schema.json").decode()
    assert '"urllib.request"' in schema
    with zipfile.ZipFile(tmp_path / "m" / "model.skops", "w") as target:
        target.writestr("schema.json", schema.replace('"urllib.request"', '"sklearn.datasets._base"'))
    _with_trusted_types(tmp_path / "m", ["sklearn.datasets._base.urlretrieve"])
    with pytest.raises(ModelError, match=r"not trusted: sklearn\.datasets\._base\.urlretrieve"):
        load_model(tmp_path / "m")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: (f / "MLmodel").unlink(), "no MLmodel file"),
        (lambda f: (f / "MLmodel").write_text("a: [1"), "not YAML"),
        (lambda f: (f / "MLmodel").write_text("just text"), "names no flavors"),
        (lambda f: (f / "MLmodel").write_text("flavors: {a: 1}"), "not a mapping"),
        (lambda f: (f / "MLmodel").write_text("flavors: {sklearn: {}}"), "no python_function flavor"),
        (lambda f: (f / "MLmodel").write_bytes(b"\xff\xfe\xfa"), "cannot be read|not YAML"),
        (
            lambda f: (f / "MLmodel").write_text("flavors: {python_function: {loader_module: millrace.models.pyfunc}}"),
            "millrace flavor is missing",
        ),
        (lambda f: (f / "model.skops").unlink(), "estimator cannot be read"),
        (lambda f: (f / "model.skops").write_bytes(b"PK"), "not a whole skops file"),
        (
            lambda f: (f / "model.skops").write_bytes((f / "model.skops").read_bytes()[:-200]),
            "not a whole skops file",
        ),
        (
            lambda f: (f / "MLmodel").write_text((f / "MLmodel").read_text().replace("'[{", "'[")),
            "signature is not JSON",
        ),
        (
            lambda f: (f / "MLmodel").write_text((f / "MLmodel").read_text().replace("model.skops", "../x.skops")),
            "outside its folder",
        ),
    ],
)
def test_a_damaged_folder_is_named_with_the_remedy(
    tmp_path: Path, plain_folder: Path, damage: Any, message: str
) -> None:
    folder = copytree(plain_folder, tmp_path / "m")
    damage(folder)
    with pytest.raises(ModelError, match=message) as caught:
        load_model(folder)
    assert str(folder) in str(caught.value.where)
    assert caught.value.remedy


def test_a_missing_loader_package_is_named(tmp_path: Path) -> None:
    (tmp_path / "MLmodel").write_text("flavors: {python_function: {loader_module: nosuchpackage.loader}}")
    with pytest.raises(ModelError, match="needs the package 'nosuchpackage'") as caught:
        load_model(tmp_path)
    assert "pip install nosuchpackage" in str(caught.value.remedy)
    (tmp_path / "MLmodel").write_text("flavors: {python_function: {loader_module: json}}")
    with pytest.raises(ModelError, match="has no _load_pyfunc"):
        load_model(tmp_path)


def test_unknown_keys_of_an_mlmodel_file_are_kept() -> None:
    document = {"flavors": {"x": {"y": 1}}, "resources": {"api_version": "1"}, "mlflow_version": "3.18.0"}
    assert ModelMetadata.from_dict(document).to_dict() == document


def test_saving_over_something_is_refused(plain_folder: Path, tmp_path: Path) -> None:
    before = folder_digest(plain_folder)
    with pytest.raises(ConflictError, match="something already"):
        save_model(plain_folder, DummyClassifier().fit([[0]], [0]))
    assert folder_digest(plain_folder) == before
    (tmp_path / "empty").mkdir()
    save_model(tmp_path / "empty", DummyClassifier().fit([[0]], [0]))
    assert stat.S_IMODE((tmp_path / "empty").stat().st_mode) == 0o755


def test_a_failure_half_way_leaves_nothing(tmp_path: Path) -> None:
    def fail_half_way() -> None:
        with published_folder(tmp_path / "deep" / "m") as folder:
            (folder / "half").write_text("x")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_half_way()
    assert list((tmp_path / "deep").iterdir()) == []


def test_a_kill_half_way_shows_no_model(tmp_path: Path) -> None:
    script = """
import os, signal, sys
from pathlib import Path
from millrace.models import published_folder
with published_folder(Path(sys.argv[1])) as folder:
    (folder / "MLmodel").write_text("flavors: {}")
    os.kill(os.getpid(), signal.SIGKILL)
"""
    ended = subprocess.run([sys.executable, "-c", script, str(tmp_path / "m")], check=False)
    assert ended.returncode == -signal.SIGKILL
    assert not (tmp_path / "m").exists()
    save_model(tmp_path / "m", DummyClassifier().fit([[0]], [0]))
    assert load_model(tmp_path / "m").predict([[0]]).tolist() == [0]


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be written"):
        save_model(tmp_path / "file" / "m", DummyClassifier().fit([[0]], [0]))


def test_a_missing_transform_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no transform graph"):
        save_model(tmp_path / "m", DummyClassifier().fit([[0]], [0]), transform=tmp_path / "nothing")
