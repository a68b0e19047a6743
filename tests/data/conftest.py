"""Real tables for the tests of the data library."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from millrace.data import Examples, ingest_csv

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"


def shared(name: str) -> Path:
    path = SHARED / name
    if not path.is_file():
        pytest.skip(f"needs {name} in the folder of shared data beside the project")
    return path


@pytest.fixture(scope="session")
def taxi_csv() -> Path:
    return shared("taxi_simple.csv")


@pytest.fixture(scope="session")
def penguins_csv() -> Path:
    return shared("penguins_processed.csv")


@pytest.fixture(scope="session")
def taxi(taxi_csv: Path, tmp_path_factory: pytest.TempPathFactory) -> Examples:
    """The taxi trips in several shards a split."""
    out = tmp_path_factory.mktemp("taxi") / "examples"
    ingest_csv(taxi_csv, out, shard_rows=2_000)
    return Examples.open(out)


@pytest.fixture(scope="session")
def cancer_frame() -> pl.DataFrame:
    """scikit-learn's breast-cancer table, the label as a word."""
    from sklearn.datasets import load_breast_cancer

    table = load_breast_cancer()
    columns = {name: table.data[:, index] for index, name in enumerate(table.feature_names.tolist())}
    words = [table.target_names.tolist()[target] for target in table.target.tolist()]
    return pl.DataFrame({**columns, "diagnosis": words})


@pytest.fixture(scope="session")
def cancer(cancer_frame: pl.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Examples:
    folder = tmp_path_factory.mktemp("cancer")
    cancer_frame.write_csv(folder / "cancer.csv")
    ingest_csv(folder / "cancer.csv", folder / "examples")
    return Examples.open(folder / "examples")
