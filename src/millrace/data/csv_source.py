"""Rows from CSV files: one file, or all files of a folder that match a pattern.

Every file has the same header. All cells are read as text first and converted by the types that all rows of
all files agree on, so that a type never depends on the first rows. An empty cell is missing. The files are read
in blocks; a small input is kept in memory between the two looks at it, a large one is read twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import attrs
import polars as pl
import pyarrow as pa
from pyarrow import csv

from millrace.core.errors import DataError, did_you_mean
from millrace.data import csv_faults
from millrace.data.column_types import TypeInference, parse
from millrace.data.manifest import POLARS_TYPES, Column, SourceFile

_BLOCK_BYTES = 8 << 20
_KEEP_BYTES = 128 << 20


@attrs.define
class CsvSource:
    """An `ExampleSource` over CSV files. `types` overrides the inferred type of the columns it names.

    Lines that are empty are no rows, so in a file of one column a missing cell is written as `""`.
    """

    base: Path
    pattern: str = "*.csv"
    types: Mapping[str, str] = attrs.field(factory=dict)
    _columns: tuple[Column, ...] | None = attrs.field(default=None, init=False)
    _kept: list[tuple[Path, pl.DataFrame]] | None = attrs.field(factory=list, init=False)

    def paths(self) -> list[Path]:
        return csv_faults.input_files(self.base, self.pattern)

    def files(self) -> tuple[SourceFile, ...]:
        root = self.base if self.base.is_dir() else self.base.parent
        described = []
        for path in self.paths():
            try:
                described.append(SourceFile.of(path, path.relative_to(root).as_posix()))
            except OSError as error:
                raise csv_faults.unreadable(path, error) from error
        return tuple(described)

    def columns(self) -> tuple[Column, ...]:
        if self._columns is None:
            self._columns = self._infer()
        return self._columns

    def _infer(self) -> tuple[Column, ...]:
        paths = self.paths()
        header = _common_header(paths)
        self._check_overrides(header, paths[0])
        inferences = {name: TypeInference() for name in header}
        kept_bytes = 0
        for path in paths:
            csv_faults.check_quotes(path)
            rows = 0
            for batch in _text_batches(path, header):
                rows += batch.height
                for name, inference in inferences.items():
                    if name not in self.types:
                        inference.see(batch[name])
                if self._kept is not None:
                    kept_bytes += int(batch.estimated_size())
                    self._kept.append((path, batch))
                    if kept_bytes > _KEEP_BYTES:
                        self._kept = None
            if not rows:
                raise DataError(
                    "the file has a header and no rows", where=str(path), remedy="Remove it, or put rows in it."
                )
        return tuple(Column(name, self.types.get(name, inferences[name].type)) for name in header)

    def _check_overrides(self, header: list[str], path: Path) -> None:
        for name, column_type in self.types.items():
            if name not in header:
                raise DataError(
                    f"a type is given for column {name!r}, which the file does not have",
                    where=str(path),
                    remedy=did_you_mean(name, header),
                )
            if column_type not in POLARS_TYPES:
                raise DataError(
                    f"column {name!r} is given the type {column_type!r}",
                    where=str(path),
                    remedy=f"The types are {', '.join(POLARS_TYPES)}.",
                )

    def batches(self) -> Iterator[pl.DataFrame]:
        columns = self.columns()
        rows_before: dict[Path, int] = {}
        for path, text in self._text():
            converted = []
            for column in columns:
                cells = text[column.name]
                values = parse(cells, column.type)
                if values.null_count() != cells.null_count():
                    raise csv_faults.unparsable(path, column.name, column.type, cells, values, rows_before.get(path, 0))
                converted.append(values)
            rows_before[path] = rows_before.get(path, 0) + text.height
            yield pl.DataFrame(converted)

    def _text(self) -> Iterator[tuple[Path, pl.DataFrame]]:
        if self._kept is not None:
            yield from self._kept
            return
        header = [column.name for column in self.columns()]
        for path in self.paths():
            for batch in _text_batches(path, header):
                yield path, batch


def _common_header(paths: list[Path]) -> list[str]:
    headers = [(path, csv_faults.read_header(path)) for path in paths]
    first_path, first = headers[0]
    for path, header in headers[1:]:
        if header != first:
            raise csv_faults.different_header(path, header, first_path, first)
    return first


def _text_batches(path: Path, header: list[str]) -> Iterator[pl.DataFrame]:
    """The file's rows as string columns, block by block."""
    block_bytes = _BLOCK_BYTES
    # The header was read and checked before; as the first row here it is left out.
    done = 1
    while True:
        try:
            for frame in _blocks(path, header, block_bytes, done):
                done += frame.height
                yield frame
        except (pa.ArrowInvalid, OSError) as error:
            if "straddling" not in str(error) or block_bytes > path.stat().st_size:
                raise csv_faults.explain(path, header, error) from error
            block_bytes *= 8  # a row longer than a block: go on behind what was read, in larger blocks
        else:
            return


def _blocks(path: Path, header: list[str], block_bytes: int, skip: int) -> Iterator[pl.DataFrame]:
    read = csv.ReadOptions(block_size=block_bytes, column_names=header)
    parsing = csv.ParseOptions(newlines_in_values=True)
    convert = csv.ConvertOptions(
        column_types=dict.fromkeys(header, pa.large_string()),
        null_values=[""],
        strings_can_be_null=True,
        quoted_strings_can_be_null=True,
    )
    with csv.open_csv(path, read_options=read, parse_options=parsing, convert_options=convert) as reader:
        for batch in reader:
            frame = pl.from_arrow(batch)
            assert isinstance(frame, pl.DataFrame)
            rows = frame.slice(skip)
            skip = max(0, skip - frame.height)
            if rows.height:
                yield rows
