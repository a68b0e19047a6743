from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import polars as pl
import pytest
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from millrace.models import save_model
from millrace.serving.server import running_server

LABELS = ("malignant", "benign")


@pytest.fixture(scope="session")
def rows() -> pl.DataFrame:
    """Real measurements; the first row is malignant, row 19 benign."""
    bunch = load_breast_cancer()
    return pl.DataFrame(bunch.data, schema=[str(name) for name in bunch.feature_names], orient="row")


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory, rows: pl.DataFrame) -> Path:
    path = tmp_path_factory.mktemp("serving") / "model"
    estimator = make_pipeline(StandardScaler(), LogisticRegression()).fit(rows.to_numpy(), load_breast_cancer().target)
    save_model(path, estimator, feature_names=rows.columns, class_labels=LABELS, input_example=rows.head(2))
    return path


@pytest.fixture(scope="session")
def client(model_folder: Path) -> Iterator[httpx.Client]:
    """Real HTTP to a real uvicorn on a free port."""
    with running_server(model_folder) as url, httpx.Client(base_url=url) as connection:
        yield connection
