from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from sklearn.datasets import load_breast_cancer


@pytest.fixture(scope="session")
def table() -> pl.DataFrame:
    """scikit-learn's bundled table: 569 rows, 30 measurements and the diagnosis."""
    bunch = load_breast_cancer()
    frame = pl.DataFrame(bunch.data, schema=[str(name) for name in bunch.feature_names], orient="row")
    return frame.with_columns(diagnosis=pl.Series([str(bunch.target_names[one]) for one in bunch.target]))


@pytest.fixture
def csv(table: pl.DataFrame, tmp_path: Path) -> Path:
    path = tmp_path / "rows.csv"
    table.write_csv(path)
    return path
