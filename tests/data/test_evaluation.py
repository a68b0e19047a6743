"""Metrics against scikit-learn's, thresholds, slices, the blessing, files."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sk

from millrace.core.errors import DataError, NotFoundError
from millrace.data import (
    EvalConfig,
    Threshold,
    binary_metrics,
    evaluate,
    load_evaluation,
    multiclass_metrics,
    regression_metrics,
    save_evaluation,
)
from millrace.data.evaluation import LOWER_IS_BETTER

pairs = st.lists(
    st.tuples(st.integers(0, 1), st.floats(0, 1) | st.sampled_from([0.0, 0.25, 0.5, 1.0])), min_size=2, max_size=60
)


@given(pairs)
def test_binary_metrics_are_those_of_scikit_learn(rows: list[tuple[int, float]]) -> None:
    y, p = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
    found = binary_metrics(y, p)
    guessed = p >= 0.5
    tn, fp, fn, tp = sk.confusion_matrix(y, guessed, labels=[0, 1]).ravel()
    counts = {"true_negatives": tn, "false_positives": fp, "false_negatives": fn, "true_positives": tp}
    assert {name: found[name] for name in counts} == counts
    expected: dict[str, float] = {
        "binary_accuracy": sk.accuracy_score(y, guessed),
        "log_loss": sk.log_loss(y, p, labels=[0, 1]),
        "brier_score": sk.brier_score_loss(y, p) if len(set(y)) == 2 else found["brier_score"],
        "mean_label": y.mean(),
        "mean_prediction": p.mean(),
    }
    if len(set(y)) == 2:
        expected["auc"] = sk.roc_auc_score(y, p)
        expected["auc_precision_recall"] = sk.average_precision_score(y, p)
    if tp + fp and tp + fn:
        expected["precision"] = sk.precision_score(y, guessed)
        expected["recall"] = sk.recall_score(y, guessed)
        expected["f1"] = sk.f1_score(y, guessed)
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, abs=1e-9), name


def test_what_is_not_defined_is_nan() -> None:
    found = binary_metrics([1, 1], [0.2, 0.3])
    assert [name for name, value in found.items() if math.isnan(value)] == [
        "auc",
        "precision",
        "specificity",
        "balanced_accuracy",
    ]
    assert found["example_count"] == 2


@given(st.lists(st.tuples(st.floats(-100, 100), st.floats(-100, 100)), min_size=2, max_size=40))
def test_regression_metrics_are_those_of_scikit_learn(rows: list[tuple[float, float]]) -> None:
    y, p = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
    found = regression_metrics(y, p)
    assert found["mean_squared_error"] == pytest.approx(sk.mean_squared_error(y, p))
    assert found["mean_absolute_error"] == pytest.approx(sk.mean_absolute_error(y, p))
    assert found["median_absolute_error"] == pytest.approx(sk.median_absolute_error(y, p))
    assert found["max_error"] == pytest.approx(sk.max_error(y, p))
    if y.std() > 1e-3:
        assert found["r2"] == pytest.approx(sk.r2_score(y, p), rel=1e-6)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abcd")), min_size=1, max_size=40))
def test_multiclass_metrics_are_those_of_scikit_learn(rows: list[tuple[str, str]]) -> None:
    y, p = [row[0] for row in rows], [row[1] for row in rows]
    found = multiclass_metrics(y, p)
    assert found["accuracy"] == pytest.approx(sk.accuracy_score(y, p))
    assert found["macro_f1"] == pytest.approx(sk.f1_score(y, p, average="macro", zero_division=0))
    assert found["macro_precision"] == pytest.approx(sk.precision_score(y, p, average="macro", zero_division=0))
    assert found["macro_recall"] == pytest.approx(sk.recall_score(y, p, average="macro", zero_division=0))
    assert found["weighted_f1"] == pytest.approx(sk.f1_score(y, p, average="weighted", zero_division=0))


def test_multiclass_log_loss() -> None:
    probabilities = np.array([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6]])
    found = multiclass_metrics(["a", "c"], ["a", "c"], probabilities=probabilities, classes=["a", "b", "c"])
    assert found["log_loss"] == pytest.approx(sk.log_loss(["a", "c"], probabilities, labels=["a", "b", "c"]))
    with pytest.raises(DataError, match="do not fit"):
        multiclass_metrics(["a"], ["a"], probabilities=probabilities, classes=["a", "b", "c"])
    with pytest.raises(DataError, match="'z' is none of the classes"):
        multiclass_metrics(["z", "a"], ["a", "a"], probabilities=probabilities, classes=["a", "b", "c"])


@pytest.mark.parametrize(
    ("labels", "scores", "message"),
    [
        ([0, 1], [0.5], "2 labels and 1 predictions"),
        ([0, 2], [0.5, 0.5], "are 0 and 1"),
        ([0, None], [0.5, 0.5], "the label of row 2 is missing"),
        ([0, 1], [0.5, float("nan")], "the prediction of row 2"),
        (["benign", "malignant"], [0.5, 0.5], "must be numbers"),
    ],
)
def test_wrong_inputs_are_explained(labels: list[Any], scores: list[Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        binary_metrics(labels, scores)


FRAME = pl.DataFrame(
    {
        "label": [0, 1, 1, 0, 1, 0],
        "score": [0.1, 0.7, 0.4, 0.6, 0.9, 0.2],
        "sex": ["f", "f", "f", "m", "m", None],
        "old": [1, 1, 0, 0, 1, 1],
    }
)
BETTER = FRAME.with_columns(score=pl.col("label").cast(pl.Float64))


def verdicts(threshold: Threshold, baseline: pl.DataFrame | None = None, **options: Any) -> list[tuple[str, str, bool]]:
    config = EvalConfig(thresholds={"auc": threshold}, **options)
    return [(one.slice, one.kind, one.passed) for one in evaluate(FRAME, config, baseline).verdicts]


def test_value_thresholds() -> None:
    assert verdicts(Threshold(lower_bound=0.88, upper_bound=0.89)) == [
        ("all rows", "lower_bound", True),
        ("all rows", "upper_bound", True),
    ]
    evaluation = evaluate(FRAME, EvalConfig(thresholds={"auc": {"lower_bound": 0.95}}))
    assert not evaluation.blessed
    assert evaluation.failures[0].description == "auc is 0.8889, at least 0.95 is asked"


def test_change_thresholds_need_a_baseline() -> None:
    threshold = Threshold(change_absolute=-0.05, change_relative=-0.2)
    assert verdicts(threshold) == []
    assert evaluate(FRAME, EvalConfig(thresholds={"auc": threshold})).blessed
    assert verdicts(threshold, BETTER) == [
        ("all rows", "change_absolute", False),
        ("all rows", "change_relative", True),
    ]
    assert all(passed for _, _, passed in verdicts(threshold, FRAME))
    words = evaluate(FRAME, EvalConfig(thresholds={"auc": threshold}), BETTER).failures[0].description
    assert words == "auc changed by -0.1111 from the baseline's 1, at least -0.05 is asked"


def test_lower_may_be_better() -> None:
    config = EvalConfig(thresholds={"log_loss": Threshold(change_absolute=0.01, direction=LOWER_IS_BETTER)})
    assert not evaluate(FRAME, config, BETTER).blessed
    assert evaluate(BETTER, config, FRAME).blessed


def test_slices_and_slice_thresholds() -> None:
    config = EvalConfig(
        slices=["sex", ["sex", "old"]], thresholds={"binary_accuracy": Threshold(0.6, every_slice=True)}
    )
    evaluation = evaluate(FRAME, config)
    names = [one.name for one in evaluation.slices]
    assert names == [
        "all rows",
        "sex = None",
        "sex = f",
        "sex = m",
        "sex = None, old = 1",
        "sex = f, old = 0",
        "sex = f, old = 1",
        "sex = m, old = 0",
        "sex = m, old = 1",
    ]
    assert evaluation.slices[2].metrics["example_count"] == 3
    assert {one.slice for one in evaluation.failures} == {"sex = m", "sex = f, old = 0", "sex = m, old = 0"}
    larger = evaluate(FRAME, EvalConfig(slices=["sex"], min_slice_size=2))
    assert [one.name for one in larger.slices] == ["all rows", "sex = f", "sex = m"]


def test_a_metric_that_is_not_defined_never_passes() -> None:
    ones = FRAME.filter(pl.col("label") == 1)
    evaluation = evaluate(ones, EvalConfig(thresholds={"auc": Threshold(0.1)}))
    assert not evaluation.blessed
    assert "not defined" in evaluation.failures[0].description


def test_an_evaluation_comes_back_from_its_file(tmp_path: Path) -> None:
    config = EvalConfig(slices=["sex"], thresholds={"auc": Threshold(0.5, change_absolute=-0.1, every_slice=True)})
    evaluation = evaluate(FRAME, config, BETTER)
    path = save_evaluation(evaluation, tmp_path)
    loaded = load_evaluation(tmp_path)
    assert loaded.config == config
    assert repr(loaded) == repr(evaluation)  # NaN is not equal to itself
    assert loaded.blessed == evaluation.blessed
    save_evaluation(loaded, tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == path.read_bytes()
    path.write_text("{")
    with pytest.raises(DataError, match="cannot be read"):
        load_evaluation(path)


def test_other_problems() -> None:
    regression = evaluate(
        FRAME, EvalConfig(problem="regression", thresholds={"mean_absolute_error": {"upper_bound": 1}})
    )
    assert regression.blessed
    words = pl.DataFrame({"label": ["a", "b"], "score": ["a", "a"]})
    assert evaluate(words, EvalConfig(problem="multiclass")).overall["accuracy"] == 0.5


def test_wrong_configurations_are_explained() -> None:
    with pytest.raises(NotFoundError, match="Did you mean 'auc'"):
        evaluate(FRAME, EvalConfig(thresholds={"auk": Threshold(0.5)}))
    with pytest.raises(DataError, match="Did you mean 'label'"):
        evaluate(FRAME, EvalConfig(label="lable"))
    with pytest.raises(DataError, match="no rows"):
        evaluate(FRAME.clear(), EvalConfig())
    with pytest.raises(DataError, match="lower_bound"):
        EvalConfig(thresholds={"auc": {"at_least": 1}})
    with pytest.raises(DataError, match="binary"):
        EvalConfig(problem="ranking")
    with pytest.raises(DataError, match="higher_is_better"):
        Threshold(direction="up")
