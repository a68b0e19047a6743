"""Writes rows into numbered Parquet shards of one split, `examples-00000-of-0000N.parquet`.

The number of shards is known only at the end, so shards get their final names when the split is closed. The
rows keep the order they came in, and equal rows in give equal bytes out.
"""

from __future__ import annotations

from pathlib import Path

import attrs
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from millrace.data.atomic_output import file_digest
from millrace.data.manifest import FLOAT, INT, POLARS_TYPES, STRING, Column, Shard

_ARROW_TYPES = {INT: pa.int64(), FLOAT: pa.float64(), STRING: pa.large_string()}
_ROW_GROUP = 1 << 16


def split_folder(split: str) -> str:
    return f"Split-{split}"


def arrow_schema(columns: tuple[Column, ...]) -> pa.Schema:
    return pa.schema([(column.name, _ARROW_TYPES[column.type]) for column in columns])


def write_shard(frame: pl.DataFrame, path: Path, columns: tuple[Column, ...]) -> None:
    """One Parquet file; the frame's columns must be `columns`, in this order."""
    table = frame.to_arrow().cast(arrow_schema(columns))
    strings = [column.name for column in columns if column.type == STRING]
    pq.write_table(
        table,
        path,
        compression="zstd",
        use_dictionary=strings,  # dictionaries of numbers cost time and save no space
        row_group_size=_ROW_GROUP,
        store_schema=False,
    )


@attrs.define
class ShardWriter:
    """Collects the rows of one split under `folder` and writes a shard whenever `shard_rows` are together."""

    folder: Path
    split: str
    columns: tuple[Column, ...]
    shard_rows: int
    _buffer: list[pl.DataFrame] = attrs.field(factory=list, init=False)
    _buffered: int = attrs.field(default=0, init=False)
    _written: list[tuple[Path, int]] = attrs.field(factory=list, init=False)

    def add(self, rows: pl.DataFrame) -> None:
        while rows.height:
            room = self.shard_rows - self._buffered
            self._buffer.append(rows.head(room))
            self._buffered += self._buffer[-1].height
            rows = rows.slice(room)
            if self._buffered == self.shard_rows:
                self._flush()

    def _flush(self) -> None:
        directory = self.folder / split_folder(self.split)
        directory.mkdir(exist_ok=True)
        path = directory / f"part-{len(self._written):05d}"
        empty = pl.DataFrame(schema=polars_schema(self.columns))
        write_shard(pl.concat([empty, *self._buffer]), path, self.columns)
        self._written.append((path, self._buffered))
        self._buffer, self._buffered = [], 0

    def close(self) -> tuple[Shard, ...]:
        """Write what is left, give the shards their names, and describe them. A split has one shard at least."""
        if self._buffered or not self._written:
            self._flush()
        shards = []
        for index, (path, rows) in enumerate(self._written):
            final = path.with_name(f"examples-{index:05d}-of-{len(self._written):05d}.parquet")
            path.replace(final)
            name = f"{split_folder(self.split)}/{final.name}"
            shards.append(Shard(name, rows, final.stat().st_size, file_digest(final)))
        return tuple(shards)


def polars_schema(columns: tuple[Column, ...]) -> dict[str, pl.DataType]:
    return {column.name: POLARS_TYPES[column.type] for column in columns}
