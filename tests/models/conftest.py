from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from millrace.models import save_model

LABELS = ("malignant", "benign")


@pytest.fixture(scope="session")
def cancer() -> tuple[pl.DataFrame, Any]:
    """The real table: 569 rows, 30 measurements, 0 is malignant and 1 benign."""
    bunch = load_breast_cancer()
    return pl.DataFrame(bunch.data, schema=[str(name) for name in bunch.feature_names], orient="row"), bunch.target


@pytest.fixture(scope="session")
def classifier(cancer: tuple[pl.DataFrame, Any]) -> Any:
    frame, target = cancer
    return make_pipeline(StandardScaler(), LogisticRegression(random_state=0)).fit(frame.to_numpy(), target)


@pytest.fixture(scope="session")
def plain_folder(tmp_path_factory: pytest.TempPathFactory, cancer: tuple[pl.DataFrame, Any], classifier: Any) -> Path:
    """A model folder without a transform graph, with label names and an input example."""
    frame, _ = cancer
    path = tmp_path_factory.mktemp("models") / "plain"
    save_model(
        path,
        classifier,
        feature_names=frame.columns,
        label="diagnosis",
        class_labels=LABELS,
        input_example=frame.head(3),
        metadata={"purpose": "test"},
        run_id="0" * 32,
    )
    return path
