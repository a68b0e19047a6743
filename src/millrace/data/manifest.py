"""What a folder of examples holds: its splits, shards, columns and sources, as `manifest.json` beside them.

The manifest has no absolute path and no time in it, so equal input gives equal bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import attrs
import orjson
import polars as pl

from millrace.core.errors import DataError
from millrace.data.atomic_output import file_digest, json_bytes, write_file

MANIFEST_NAME = "manifest.json"
FORMAT_VERSION = 1

INT, FLOAT, STRING = "int64", "double", "string"
POLARS_TYPES: Mapping[str, pl.DataType] = {INT: pl.Int64(), FLOAT: pl.Float64(), STRING: pl.String()}


@attrs.frozen
class Column:
    """A column's name and Arrow type: `int64`, `double` or `string`."""

    name: str
    type: str


@attrs.frozen
class Shard:
    """One Parquet file of a split; `name` is relative to the examples' folder."""

    name: str
    rows: int
    size: int
    sha256: str


@attrs.frozen
class SourceFile:
    """A file that the examples were read from; `name` is relative to the input."""

    name: str
    size: int
    sha256: str

    @classmethod
    def of(cls, path: Path, name: str) -> SourceFile:
        return cls(name=name, size=path.stat().st_size, sha256=file_digest(path))


@attrs.frozen
class ExamplesManifest:
    """The content of `manifest.json`. `buckets` holds the hash buckets that made the splits, if they did."""

    columns: tuple[Column, ...]
    splits: Mapping[str, tuple[Shard, ...]]
    sources: tuple[SourceFile, ...] = ()
    buckets: Mapping[str, int] | None = None

    def rows(self, split: str) -> int:
        return sum(shard.rows for shard in self.splits[split])

    @property
    def total_rows(self) -> int:
        return sum(self.rows(split) for split in self.splits)

    def to_json(self) -> dict[str, Any]:
        return {
            "format": FORMAT_VERSION,
            "columns": [attrs.asdict(column) for column in self.columns],
            "splits": {
                name: {"rows": self.rows(name), "shards": [attrs.asdict(shard) for shard in shards]}
                for name, shards in self.splits.items()
            },
            "buckets": dict(self.buckets) if self.buckets else None,
            "sources": [attrs.asdict(source) for source in self.sources],
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> ExamplesManifest:
        return cls(
            columns=tuple(Column(**column) for column in document["columns"]),
            splits={
                name: tuple(Shard(**shard) for shard in split["shards"]) for name, split in document["splits"].items()
            },
            sources=tuple(SourceFile(**source) for source in document["sources"]),
            buckets=document["buckets"],
        )

    def save(self, folder: Path) -> None:
        write_file(folder / MANIFEST_NAME, json_bytes(self.to_json()))

    @classmethod
    def load(cls, folder: Path) -> ExamplesManifest:
        path = folder / MANIFEST_NAME
        try:
            document = orjson.loads(path.read_bytes())
            found = document.get("format")
            if found != FORMAT_VERSION:
                raise DataError(
                    f"the manifest has format {found!r}, this version reads {FORMAT_VERSION}",
                    where=str(path),
                    remedy="Read it with the version of Millrace that wrote it, or ingest the data again.",
                )
            return cls.from_json(document)
        except FileNotFoundError as error:
            raise DataError(
                f"no examples here: {MANIFEST_NAME} is missing",
                where=str(folder),
                remedy="Give the folder that an ingestion wrote.",
            ) from error
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataError(f"the manifest cannot be read: {error}", where=str(path)) from error


def columns_of(frame: pl.DataFrame) -> tuple[Column, ...]:
    """The columns of a frame whose types are among those that examples have."""
    names = {dtype: name for name, dtype in POLARS_TYPES.items()}
    return tuple(Column(name, names[dtype]) for name, dtype in frame.schema.items())


def column_names(columns: Iterable[Column]) -> list[str]:
    return [column.name for column in columns]
