"""Examples: typed rows in Parquet shards, one folder a split, with a manifest.

    manifest = ingest_csv("taxi.csv", Path("examples"))
    examples = Examples.open("examples")
    examples.read("train")                      # a Polars frame
    [path for path in examples.shards("eval")]  # the files, for work shard by shard

A source of rows is an `ExampleSource`; `CsvSource` is the first. Ingestion reads a source batch by batch, so
memory is bounded by the batch and the shard, not by the data set, and an ingestion that fails writes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Protocol

import attrs
import polars as pl

from millrace.core.errors import DataError, NotFoundError
from millrace.data.atomic_output import new_folder
from millrace.data.csv_source import CsvSource
from millrace.data.manifest import Column, ExamplesManifest, SourceFile
from millrace.data.shard_writer import ShardWriter
from millrace.data.splits import DEFAULT_SPLITS, check_splits, split_rows


class ExampleSource(Protocol):
    """Where rows come from: CSV now; another format is another small class.

    `columns` gives the names and types, decided over all rows; `batches` yields all rows, in a fixed order, as
    frames of exactly these columns; `files` describes what was read. All raise `DataError` for bad input.
    """

    def columns(self) -> tuple[Column, ...]: ...

    def batches(self) -> Iterator[pl.DataFrame]: ...

    def files(self) -> tuple[SourceFile, ...]: ...


@attrs.frozen
class Examples:
    """A folder of examples, opened for reading."""

    path: Path
    manifest: ExamplesManifest

    @classmethod
    def open(cls, path: str | Path) -> Examples:
        """Raises `DataError` where `path` holds no examples."""
        folder = Path(path)
        return cls(folder, ExamplesManifest.load(folder))

    @property
    def splits(self) -> list[str]:
        return list(self.manifest.splits)

    @property
    def columns(self) -> list[Column]:
        return list(self.manifest.columns)

    @property
    def column_names(self) -> list[str]:
        return [column.name for column in self.manifest.columns]

    def shards(self, split: str) -> list[Path]:
        """The split's Parquet files, in order."""
        self._check(split)
        return [self.path / shard.name for shard in self.manifest.splits[split]]

    def rows(self, split: str) -> int:
        self._check(split)
        return self.manifest.rows(split)

    def read(self, split: str) -> pl.DataFrame:
        return pl.concat([read_shard(shard) for shard in self.shards(split)])

    def scan(self, split: str) -> pl.LazyFrame:
        return pl.scan_parquet(self.shards(split))

    def _check(self, split: str) -> None:
        if split not in self.manifest.splits:
            raise NotFoundError("split", split, self.manifest.splits, where=str(self.path))


def read_shard(path: Path, columns: list[str] | None = None) -> pl.DataFrame:
    """One shard's rows, of all or some columns; raises `DataError` if the file vanished or is no Parquet."""
    try:
        return pl.read_parquet(path, columns=columns, glob=False)
    except FileNotFoundError as error:
        raise DataError(
            "a shard is missing", where=str(path), remedy="Something removed it; ingest the data again."
        ) from error
    except (OSError, pl.exceptions.PolarsError) as error:
        raise DataError(f"a shard cannot be read: {error}", where=str(path), remedy="Ingest the data again.") from error


def ingest(
    source: ExampleSource, out: Path, *, splits: Mapping[str, int] | None = None, shard_rows: int = 250_000
) -> ExamplesManifest:
    """Read all rows of `source`, split them and write them to the new folder `out`.

    Raises `DataError` for bad input and `StorageError` where `out` cannot be written; then `out` is as before.
    """
    buckets = dict(splits or DEFAULT_SPLITS)
    check_splits(buckets)
    if shard_rows < 1:
        raise DataError(f"shard_rows is {shard_rows}", remedy="Give at least 1.")
    columns = source.columns()
    with new_folder(out) as staging:
        writers = {name: ShardWriter(staging, name, columns, shard_rows) for name in buckets}
        for batch in source.batches():
            for name, rows in split_rows(batch, buckets):
                writers[name].add(rows)
        shards = {name: writer.close() for name, writer in writers.items()}
        manifest = ExamplesManifest(columns, shards, source.files(), buckets)
        manifest.save(staging)
    return manifest


def ingest_csv(
    input_base: str | Path,
    out: Path,
    *,
    splits: Mapping[str, int] | None = None,
    pattern: str = "*.csv",
    shard_rows: int = 250_000,
    types: Mapping[str, str] | None = None,
) -> ExamplesManifest:
    """Read one CSV file, or a folder's files that match `pattern`, into examples at `out`.

    Types are inferred over all rows (`int64`, else `double`, else `string`; an empty cell is missing); `types`
    overrides them by column. Rows go to `splits` by hash buckets, 2:1 to train and eval unless told otherwise.
    """
    source = CsvSource(Path(input_base), pattern=pattern, types=dict(types or {}))
    return ingest(source, Path(out), splits=splits, shard_rows=shard_rows)
