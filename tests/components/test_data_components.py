"""From CSV to anomalies: the components as plain functions on real rows."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

import millrace.data as library
from millrace.components import CsvExampleGen, Examples, ImportSchemaGen, Schema
from millrace.core.errors import DataError, FailWithoutRetry
from millrace.data.source_digest import UNREADABLE, source_digest
from tests.components.chain import Chain


def write(table: pl.DataFrame, path: Path) -> Path:
    table.write_csv(path)
    return path


def test_rows_are_split_and_counted(csv: Path, tmp_path: Path) -> None:
    made = Chain(tmp_path / "run").examples(csv)
    opened = library.Examples.open(made.path)
    assert opened.splits == ["train", "eval"]
    assert made.metadata["rows"] == {split: opened.rows(split) for split in opened.splits}
    assert sum(made.metadata["rows"].values()) == 569
    assert made.metadata["columns"] == 31


def test_a_missing_csv_is_named_and_leaves_nothing(tmp_path: Path) -> None:
    target = Examples(tmp_path / "examples")
    with pytest.raises(DataError, match=r"nowhere\.csv"):
        CsvExampleGen(str(tmp_path / "nowhere.csv"), examples=target)
    assert list(tmp_path.iterdir()) == []


def test_statistics_are_of_every_split(csv: Path, tmp_path: Path) -> None:
    made = Chain(tmp_path / "run").statistics(csv)
    computed = library.load_statistics(made.path)
    assert {split: one.num_examples for split, one in computed.items()} == made.metadata["rows"]
    assert made.metadata["columns"] == 31


def test_a_schema_is_inferred_once_and_then_kept(table: pl.DataFrame, csv: Path, tmp_path: Path) -> None:
    first = Chain(tmp_path / "first")
    established = first.schema(first.statistics(csv))
    assert established.metadata["origin"] == "inferred"
    second = Chain(tmp_path / "second")
    more = write(table.with_columns(site=pl.lit("north")), tmp_path / "more.csv")
    kept = second.schema(second.statistics(more), previous=established)
    assert kept.metadata == {"columns": 31, "origin": "kept"}
    assert library.load_schema(kept.path) == library.load_schema(established.path)
    widened = second.schema(second.statistics_again(), previous=established, update=True)
    assert widened.metadata == {"columns": 32, "origin": "updated"}


def test_a_schema_file_is_imported(csv: Path, tmp_path: Path) -> None:
    chain = Chain(tmp_path / "run")
    inferred = chain.schema(chain.statistics(csv))
    file = library.save_schema(library.load_schema(inferred.path), tmp_path / "reviewed.yaml")
    imported = Schema(tmp_path / "imported")
    ImportSchemaGen(str(file), schema=imported)
    assert library.load_schema(imported.path) == library.load_schema(inferred.path)


def test_the_data_of_the_schema_has_no_anomalies(csv: Path, tmp_path: Path) -> None:
    chain = Chain(tmp_path / "run")
    statistics = chain.statistics(csv)
    found = chain.validate(statistics, chain.schema(statistics))
    assert found.metadata == {"anomalies": 0, "errors": 0, "valid": True}
    assert library.load_anomalies(found.path).valid


@pytest.fixture
def faulty(table: pl.DataFrame, tmp_path: Path) -> Path:
    """A column less, a new category in some rows, one column shifted."""
    broken = table.drop("mean texture").with_columns(
        pl.col("worst area") * 1.5,
        diagnosis=pl.when(pl.int_range(pl.len()) < 20).then(pl.lit("unclear")).otherwise("diagnosis"),
    )
    return write(broken, tmp_path / "faulty.csv")


def test_faults_stop_the_run_and_are_named_with_their_numbers(
    csv: Path, faulty: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, bad = Chain(tmp_path / "good"), Chain(tmp_path / "bad")
    before = good.statistics(csv)
    schema = good.schema(before)
    statistics = bad.statistics(faulty)
    with pytest.raises(FailWithoutRetry) as stopped:
        bad.validate(statistics, schema, previous_statistics=before)
    reason = stopped.value.message
    assert reason.startswith("3 anomalies: ")
    assert "column 'mean texture' is missing" in reason
    assert "'unclear' (20 rows" in reason
    assert "column 'worst area' shifted" in reason
    assert "mean 880.6 -> 1321" in reason
    logged = capsys.readouterr().out.splitlines()
    assert sum(line.startswith("ERROR ") for line in logged) == 3
    assert not (tmp_path / "bad" / "anomalies").exists()


def test_without_blocking_faults_are_written_and_the_run_goes_on(csv: Path, faulty: Path, tmp_path: Path) -> None:
    good, bad = Chain(tmp_path / "good"), Chain(tmp_path / "bad")
    schema = good.schema(good.statistics(csv))
    found = bad.validate(bad.statistics(faulty), schema, blocking=False)
    assert found.metadata == {"anomalies": 2, "errors": 2, "valid": False}
    assert [one.feature for one in library.load_anomalies(found.path)] == ["mean texture", "diagnosis"]


def test_severities_let_a_finding_pass(csv: Path, faulty: Path, tmp_path: Path) -> None:
    good, bad = Chain(tmp_path / "good"), Chain(tmp_path / "bad")
    schema = good.schema(good.statistics(csv))
    severities = {"SCHEMA_MISSING_COLUMN": "WARNING", "ENUM_TYPE_UNEXPECTED_STRING_VALUES/diagnosis": "IGNORE"}
    found = bad.validate(bad.statistics(faulty), schema, severities=severities)
    assert found.metadata == {"anomalies": 1, "errors": 0, "valid": True}


def test_equal_input_gives_equal_bytes(csv: Path, tmp_path: Path) -> None:
    digests = []
    for name in ("one", "two"):
        chain = Chain(tmp_path / name)
        statistics = chain.statistics(csv)
        chain.validate(statistics, chain.schema(statistics))
        digests.append(source_digest(chain.folder))
    assert digests[0] == digests[1] != UNREADABLE
