"""Ingestion of CSV files: types, splits, determinism, and every kind of bad input."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace.core.errors import DataError, NotFoundError, StorageError
from millrace.data import Examples, ingest_csv
from millrace.data import csv_source as csv_source_module
from millrace.data.shard_writer import ShardWriter

PINNED_EVAL = [3, 4, 6, 8, 9, 11]


def write(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def ingest(tmp_path: Path, text: str, **options: Any) -> Examples:
    source = write(tmp_path / "in.csv", text)
    ingest_csv(source, tmp_path / "out", **options)
    return Examples.open(tmp_path / "out")


def all_rows(examples: Examples) -> pl.DataFrame:
    return pl.concat([examples.read(split) for split in examples.splits])


def types(examples: Examples) -> dict[str, str]:
    return {column.name: column.type for column in examples.columns}


def test_types_are_inferred_over_all_rows_and_an_empty_cell_is_missing(tmp_path: Path) -> None:
    examples = ingest(tmp_path, "a,b,c,d,e\n1,1,x,,1e3\n,2.5,,,-0.5\n 3 ,4,5,,.5\n")
    assert types(examples) == {"a": "int64", "b": "double", "c": "string", "d": "string", "e": "double"}
    rows = all_rows(examples).sort("b")
    assert rows["a"].to_list() == [1, None, 3]
    assert rows["c"].to_list() == ["x", None, "5"]
    assert rows["d"].null_count() == 3


def test_a_late_row_decides_a_type_also_across_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_source_module, "_BLOCK_BYTES", 1 << 12)
    lines = "".join(f"{number}\n" for number in range(5_000))
    assert types(ingest(tmp_path, "n\n" + lines + "1.5\n"))["n"] == "double"


def test_a_large_input_is_read_twice_with_the_same_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "n,s\n" + "".join(f"{number},v{number % 7}\n" for number in range(3_000))
    first = ingest(tmp_path, text)
    monkeypatch.setattr(csv_source_module, "_KEEP_BYTES", 100)
    monkeypatch.setattr(csv_source_module, "_BLOCK_BYTES", 1 << 12)
    ingest_csv(tmp_path / "in.csv", tmp_path / "again")
    assert files(first.path) == files(tmp_path / "again")


def test_a_row_longer_than_a_block_and_than_what_the_csv_module_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csv_source_module, "_BLOCK_BYTES", 1 << 12)
    long = "a long text, " * 20_000
    text = "n,s\n" + "".join(f"{number},short\n" for number in range(900)) + f'900,"{long}"\n901,5" pipe\n'
    rows = all_rows(ingest(tmp_path, text)).sort("n")
    assert rows["n"].to_list() == list(range(902))
    assert rows["s"].to_list()[-2:] == [long, '5" pipe']


def test_integers_beyond_64_bits_are_floats(tmp_path: Path) -> None:
    examples = ingest(tmp_path, "a,b\n9223372036854775807,9223372036854775808\n-9223372036854775808,1\n")
    assert types(examples) == {"a": "int64", "b": "double"}
    assert set(all_rows(examples)["a"]) == {2**63 - 1, -(2**63)}


def test_quoted_cells_line_breaks_and_a_byte_order_mark(tmp_path: Path) -> None:
    text = '\ufeffa,b\r\n"one, two","line\r\nbreak"\r\n"a ""word""",""\r\n'
    rows = all_rows(ingest(tmp_path, text)).sort("a")
    assert rows.columns == ["a", "b"]
    assert rows["a"].to_list() == ['a "word"', "one, two"]
    assert rows["b"].to_list() == [None, "line\r\nbreak"]


def test_a_quote_inside_a_plain_cell_is_a_character(tmp_path: Path) -> None:
    assert all_rows(ingest(tmp_path, 'a,b\n5" pipe,1\n'))["a"].to_list() == ['5" pipe']


def test_given_types_override(tmp_path: Path) -> None:
    examples = ingest(tmp_path, "zip,n\n01234,1\n99999,2\n", types={"zip": "string", "n": "double"})
    assert types(examples) == {"zip": "string", "n": "double"}
    assert sorted(all_rows(examples)["zip"]) == ["01234", "99999"]


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_equal_input_gives_equal_bytes_anywhere(tmp_path: Path) -> None:
    text = "n,s\n" + "".join(f"{number},v{number % 7}\n" for number in range(300))
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        ingest(tmp_path / name, text)
    assert files(tmp_path / "one" / "out") == files(tmp_path / "two" / "out")


def test_the_split_of_these_rows_never_changes(tmp_path: Path) -> None:
    """Pinned: a change of the hash would move rows between training and evaluation of existing data sets."""
    text = "n,f,s\n" + "".join(f"{number},{number / 4},v{number % 5}\n" for number in range(12))
    examples = ingest(tmp_path, text)
    assert examples.read("eval")["n"].to_list() == PINNED_EVAL


def test_a_row_keeps_its_split_whatever_rows_columns_and_types_are_around_it(tmp_path: Path) -> None:
    rows = [(number, f"v{number}") for number in range(200)]
    plain = "n,s\n" + "".join(f"{number},{word}\n" for number, word in rows)
    other = "s,x,n\n" + "".join(f"{word},,{number}.0\n" for number, word in reversed(rows)) + "w,1,0.5\n"
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    one, two = ingest(tmp_path / "a", plain), ingest(tmp_path / "b", other)
    for split in one.splits:
        assert set(one.read(split)["s"]) == set(two.read(split)["s"]) - {"w"}


def test_splits_are_about_as_large_as_asked_and_cover_all_rows(taxi: Examples) -> None:
    assert taxi.splits == ["train", "eval"]
    assert taxi.rows("train") + taxi.rows("eval") == 15_002
    assert taxi.rows("train") == pytest.approx(10_001, rel=0.03)


def test_the_taxi_table_has_the_types_that_polars_finds(taxi: Examples, taxi_csv: Path) -> None:
    frame = pl.read_csv(taxi_csv, infer_schema_length=None)
    expected = {pl.Int64: "int64", pl.Float64: "double", pl.String: "string"}
    assert types(taxi) == {name: expected[type(dtype)] for name, dtype in frame.schema.items()}
    both = all_rows(taxi)
    columns = frame.columns
    assert both.sort(columns).equals(frame.sort(columns))


def test_shards_scan_and_manifest(taxi: Examples) -> None:
    shards = taxi.shards("train")
    assert [shard.name for shard in shards] == [
        f"examples-{index:05d}-of-{len(shards):05d}.parquet" for index in range(len(shards))
    ]
    assert taxi.scan("train").select(pl.len()).collect().item() == taxi.rows("train")
    manifest = (taxi.path / "manifest.json").read_text()
    assert str(taxi.path) not in manifest
    assert '"name": "taxi_simple.csv"' in manifest
    with pytest.raises(NotFoundError, match="'trian'"):
        taxi.shards("trian")


@given(
    st.lists(
        st.tuples(st.integers(-(2**63), 2**63 - 1) | st.none(), st.floats(allow_nan=False) | st.none(), st.text()),
        min_size=1,
        max_size=30,
    )
)
def test_what_goes_in_comes_out(tmp_path_factory: pytest.TempPathFactory, rows: list[Any]) -> None:
    folder = tmp_path_factory.mktemp("any")
    words = [None if word == "" else word.replace("\x00", "").replace("\r", "\n") or None for _, _, word in rows]
    frame = pl.DataFrame(
        {"n": [row[0] for row in rows], "f": [row[1] for row in rows], "s": words},
        schema={"n": pl.Int64, "f": pl.Float64, "s": pl.String},
    ).with_columns(pl.lit("row").alias("there"))
    frame.write_csv(folder / "in.csv")
    ingest_csv(folder / "in.csv", folder / "out", types={"n": "int64", "f": "double", "s": "string"})
    got = all_rows(Examples.open(folder / "out"))
    columns = ["n", "f", "s"]
    assert got.sort(columns).equals(frame.sort(columns))


def test_a_folder_of_files_in_order_of_their_names(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    write(folder / "b.csv", "a\n3\n")
    write(folder / "a.csv", "a\n1\n2\n")
    write(folder / "notes.txt", "no table")
    manifest = ingest_csv(folder, tmp_path / "out", splits={"all": 1})
    assert [source.name for source in manifest.sources] == ["a.csv", "b.csv"]
    assert Examples.open(tmp_path / "out").read("all")["a"].to_list() == [1, 2, 3]


BAD = {
    "empty": (b"", "the file is empty", "in.csv"),
    "blank lines": (b"\n\n", "the file is empty", "in.csv"),
    "header only": (b"a,b\n", "a header and no rows", "in.csv"),
    "short row": (b"a,b\n1,2\n3\n", "the row has 1 fields, the header has 2", "line 3"),
    "long row": (b'a,b\n1,"x\ny"\n3,4,5\n', "the row has 3 fields, the header has 2", "line 4"),
    "open quote": (b'a,b\n1,"x\n3,4\n', "cannot be read|fields", "line 2"),
    "latin-1": ("a,b\n1,x\n2,caf\u00e9\n".encode("latin-1"), "0xe9 at offset 13 is not UTF-8", "line 3"),
    "latin-1 header": ("caf\u00e9,b\n1,x\n".encode("latin-1"), "0xe9 at offset 3 is not UTF-8", "line 1"),
    "utf-16": ("a,b\n1,2\n".encode("utf-16"), "UTF-16", "in.csv"),
    "duplicate names": (b"a,b,a\n1,2,3\n", "columns 1 and 3 are both named 'a'", "line 1"),
    "empty name": (b"a,,c\n1,2,3\n", "column 2 of 3 has no name", "line 1"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_files_are_named_and_nothing_is_written(tmp_path: Path, case: str) -> None:
    content, message, where = BAD[case]
    write(tmp_path / "in.csv", content)
    with pytest.raises(DataError, match=message) as caught:
        ingest_csv(tmp_path / "in.csv", tmp_path / "out")
    assert where in (caught.value.where or "")
    assert [path.name for path in tmp_path.iterdir()] == ["in.csv"]


def test_a_fault_far_into_a_file_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_source_module, "_BLOCK_BYTES", 1 << 12)
    text = "a,b\n" + "1,2\n" * 4_000
    write(tmp_path / "in.csv", text + "1,2,3\n")
    with pytest.raises(DataError, match="3 fields") as caught:
        ingest_csv(tmp_path / "in.csv", tmp_path / "out")
    assert caught.value.where is not None
    assert caught.value.where.endswith("line 4002")
    write(tmp_path / "in.csv", text.encode() + b"1,\xff\n")
    with pytest.raises(DataError, match="0xff at offset 16006") as caught:
        ingest_csv(tmp_path / "in.csv", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_headers_that_differ(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", "a,b\n1,2\n")
    write(tmp_path / "b.csv", "a,c\n1,2\n")
    with pytest.raises(DataError, match=r"from that of a.csv: it lacks 'b' and has 'c' beyond it"):
        ingest_csv(tmp_path, tmp_path / "out")
    write(tmp_path / "b.csv", "b,a\n1,2\n")
    with pytest.raises(DataError, match="in another order"):
        ingest_csv(tmp_path, tmp_path / "out")


def test_missing_input(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file or folder"):
        ingest_csv(tmp_path / "nowhere.csv", tmp_path / "out")
    write(tmp_path / "a.tsv", "a\n1\n")
    with pytest.raises(DataError, match="matches") as caught:
        ingest_csv(tmp_path, tmp_path / "out")
    assert "a.tsv" in (caught.value.remedy or "")


@pytest.mark.parametrize(
    ("error", "message"),
    [(PermissionError(errno.EACCES, "denied"), "reading is not permitted"), (FileNotFoundError(), "the file is gone")],
)
@pytest.mark.parametrize("opened_before", [0, 2, 3])
def test_a_file_that_cannot_be_read_or_goes_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: OSError, message: str, opened_before: int
) -> None:
    """The header is read by the first two calls, the quotes by the third, the digest by the fourth."""
    source = write(tmp_path / "in.csv", "a\n1\n")
    open_file, calls = Path.open, []

    def refuse(self: Path, *args: Any, **options: Any) -> Any:
        if self == source:
            calls.append(self)
            if len(calls) > opened_before:
                raise error
        return open_file(self, *args, **options)

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(DataError, match=message):
        ingest_csv(source, tmp_path / "out")
    assert len(calls) == opened_before + 1
    assert [path.name for path in tmp_path.iterdir()] == ["in.csv"]


def test_type_overrides_that_do_not_fit(tmp_path: Path) -> None:
    source = write(tmp_path / "in.csv", "age,b\n1,2\nold,2\n")
    with pytest.raises(DataError, match="column 'age' is to be int64, and row 2 holds 'old'"):
        ingest_csv(source, tmp_path / "out", types={"age": "int64"})
    with pytest.raises(DataError, match=r"'agee'.*\n.*Did you mean 'age'") as caught:
        ingest_csv(source, tmp_path / "out", types={"agee": "int64"})
    assert caught.value.remedy
    with pytest.raises(DataError, match="'integer'"):
        ingest_csv(source, tmp_path / "out", types={"age": "integer"})
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("splits", [{"a/b": 1}, {"a": 0}, {"": 1}])
def test_splits_that_cannot_be(tmp_path: Path, splits: dict[str, int]) -> None:
    source = write(tmp_path / "in.csv", "a\n1\n")
    with pytest.raises(DataError, match="split"):
        ingest_csv(source, tmp_path / "out", splits=splits)


def test_a_split_without_rows_is_there_and_empty(tmp_path: Path) -> None:
    examples = ingest(tmp_path, "a\n1\n")
    counts = sorted(examples.rows(split) for split in examples.splits)
    assert counts == [0, 1]
    assert all(examples.read(split).schema == {"a": pl.Int64} for split in examples.splits)


def test_the_output_is_never_mixed_with_older_files(tmp_path: Path) -> None:
    source = write(tmp_path / "in.csv", "a\n1\n")
    (tmp_path / "out").mkdir()
    write(tmp_path / "out" / "kept", "x")
    with pytest.raises(StorageError, match="not empty"):
        ingest_csv(source, tmp_path / "out")
    assert (tmp_path / "out" / "kept").read_text() == "x"


def test_an_empty_output_folder_is_filled(tmp_path: Path) -> None:
    source = write(tmp_path / "in.csv", "a\n1\n")
    (tmp_path / "out").mkdir()
    ingest_csv(source, tmp_path / "out")
    assert Examples.open(tmp_path / "out").column_names == ["a"]


@pytest.mark.parametrize(
    ("number", "message"),
    [(errno.ENOSPC, "disk is full"), (errno.EROFS, "read-only"), (errno.EACCES, "not permitted")],
)
def test_a_target_that_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, message: str) -> None:
    source = write(tmp_path / "in.csv", "a\n1\n2\n")

    def refuse(self: ShardWriter) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(ShardWriter, "_flush", refuse)
    with pytest.raises(StorageError, match=message):
        ingest_csv(source, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["in.csv"]


def test_a_file_where_a_folder_should_be(tmp_path: Path) -> None:
    source = write(tmp_path / "in.csv", "a\n1\n2\n")
    with pytest.raises(StorageError, match="is a file"):
        ingest_csv(source, source / "out")


def test_examples_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no examples here"):
        Examples.open(tmp_path)
    (tmp_path / "manifest.json").write_text("[")
    with pytest.raises(DataError, match="cannot be read"):
        Examples.open(tmp_path)


def test_a_shard_that_vanished(tmp_path: Path) -> None:
    examples = ingest(tmp_path, "a\n1\n", splits={"all": 1})
    examples.shards("all")[0].unlink()
    with pytest.raises(DataError, match="a shard is missing"):
        examples.read("all")
