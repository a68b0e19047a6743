"""What is wrong with a CSV input, said exactly: the file, the line, the column and the remedy.

The fast reader only knows that something failed. These functions look again, slowly and in order, and are used
for a file's header and after a failure only.
"""

from __future__ import annotations

import codecs
import csv
import sys
from collections import Counter
from pathlib import Path

import polars as pl

from millrace.core.errors import DataError

_READ_BYTES = 1 << 20
_OTHER_ENCODINGS = {
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
}
_SAVE_AS_UTF8 = "Save it as UTF-8, for instance with: iconv -f LATIN1 -t UTF-8 in.csv > out.csv"


def input_files(base: Path, pattern: str) -> list[Path]:
    """The input's files in the order of their names; raises `DataError` where there is none."""
    try:
        if base.is_file():
            return [base]
        if not base.exists():
            raise DataError("no such file or folder", where=str(base), remedy="Check the path of the input.")
        found = sorted(path for path in base.glob(pattern) if path.is_file())
        if found:
            return found
        others = sorted(path.name for path in base.iterdir())[:5]
    except OSError as error:
        raise unreadable(base, error) from error
    seen = f"It holds: {', '.join(others)}." if others else "It is empty."
    raise DataError(f"no file in the folder matches {pattern!r}", where=str(base), remedy=seen)


def unreadable(path: Path, error: OSError) -> DataError:
    if isinstance(error, PermissionError):
        return DataError(
            "reading is not permitted", where=str(path), remedy="Change the permissions of the file or folder."
        )
    if isinstance(error, FileNotFoundError):
        return DataError("the file is gone", where=str(path), remedy="Something removed it while it was read.")
    return DataError(f"cannot be read: {error.strerror or error}", where=str(path))


def read_header(path: Path) -> list[str]:
    """The column names; raises `DataError` for an empty file or names that are empty or double."""
    try:
        with path.open("rb") as stream:
            start = stream.read(4)
        _check_encoding_mark(path, start)
        with path.open(encoding="utf-8-sig", newline="") as stream:
            header = next((row for row in csv.reader(stream, strict=True) if row), None)
    except UnicodeDecodeError as error:
        raise wrong_encoding(path) or unknown_fault(path, error) from error
    except csv.Error as error:
        raise DataError(f"the header cannot be read: {error}", where=f"{path}, line 1") from error
    except OSError as error:
        raise unreadable(path, error) from error
    if header is None:
        raise DataError("the file is empty", where=str(path), remedy="Put a header line and rows in it.")
    empty = [index + 1 for index, name in enumerate(header) if not name.strip()]
    if empty:
        raise DataError(
            f"column {empty[0]} of {len(header)} has no name",
            where=f"{path}, line 1",
            remedy="Give every column a name in the header line.",
        )
    double = [name for name, count in Counter(header).items() if count > 1]
    if double:
        places = [str(index + 1) for index, name in enumerate(header) if name == double[0]]
        raise DataError(
            f"columns {' and '.join(places)} are both named {double[0]!r}",
            where=f"{path}, line 1",
            remedy="Give every column a name of its own.",
        )
    return header


def _check_encoding_mark(path: Path, start: bytes) -> None:
    for mark, name in _OTHER_ENCODINGS.items():
        if start.startswith(mark):
            raise DataError(f"the file is {name}, not UTF-8", where=str(path), remedy="Save it as UTF-8.")


def different_header(path: Path, header: list[str], first_path: Path, first: list[str]) -> DataError:
    missing = [name for name in first if name not in header]
    further = [name for name in header if name not in first]
    parts = []
    if missing:
        parts.append(f"lacks {', '.join(map(repr, missing))}")
    if further:
        parts.append(f"has {', '.join(map(repr, further))} beyond it")
    if not parts:
        parts.append("has the same columns in another order")
    return DataError(
        f"the header differs from that of {first_path.name}: it {' and '.join(parts)}",
        where=f"{path}, line 1",
        remedy="All files of one input need the same header line.",
    )


def explain(path: Path, header: list[str], error: Exception) -> DataError:
    """The exact fault of a file that the fast reader gave up on."""
    if isinstance(error, OSError) and not isinstance(error, UnicodeError) and error.errno:
        return unreadable(path, error)
    return wrong_encoding(path) or _ragged(path, header) or unknown_fault(path, error)


def wrong_encoding(path: Path) -> DataError | None:
    """The first byte that is not UTF-8, if there is one."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    offset, line = 0, 1
    with path.open("rb") as stream:
        while True:
            block = stream.read(_READ_BYTES)
            pending = len(decoder.getstate()[0])
            try:
                decoder.decode(block, final=not block)
            except UnicodeDecodeError as error:
                place = offset - pending + error.start
                line += block.count(b"\n", 0, max(error.start - pending, 0))
                byte = error.object[error.start]
                return DataError(
                    f"the byte 0x{byte:02x} at offset {place} is not UTF-8",
                    where=f"{path}, line {line}",
                    remedy=_SAVE_AS_UTF8,
                )
            if not block:
                return None
            offset += len(block)
            line += block.count(b"\n")


def check_quotes(path: Path) -> None:
    """A double quote that is never closed: the fast reader would take the rest of the file for one cell."""
    quotes = 0
    try:
        with path.open("rb", buffering=0) as stream:
            while block := stream.read(_READ_BYTES):
                quotes += block.count(b'"')
    except OSError as error:
        raise unreadable(path, error) from error
    if quotes % 2:  # a quote in the middle of a plain cell may be single; then nothing is wrong
        fault = _ragged(path, read_header(path))
        if fault is not None:
            raise fault


def _ragged(path: Path, header: list[str]) -> DataError | None:
    limit = csv.field_size_limit(sys.maxsize)
    try:
        return _first_bad_row(path, header)
    finally:
        csv.field_size_limit(limit)


def _first_bad_row(path: Path, header: list[str]) -> DataError | None:
    with path.open(encoding="utf-8-sig", newline="") as stream:
        reader = csv.reader(stream, strict=True)
        line = 1
        try:
            for row in reader:
                if row and len(row) != len(header):
                    return DataError(
                        f"the row has {len(row)} fields, the header has {len(header)}",
                        where=f"{path}, line {line}",
                        remedy="Mend the row; a field that holds a comma or a line break needs double quotes.",
                    )
                line = reader.line_num + 1
        except csv.Error as error:
            return DataError(
                f"the row cannot be read: {error}",
                where=f"{path}, line {line}",
                remedy="A double quote is not closed, or stands inside a quoted field without being doubled.",
            )
    return None


def unknown_fault(path: Path, error: Exception) -> DataError:
    return DataError(f"cannot be read as CSV: {error}", where=str(path))


def unparsable(
    path: Path, column: str, column_type: str, cells: pl.Series, values: pl.Series, rows_before: int
) -> DataError:
    """A cell that does not fit the type its column was given."""
    row = int((values.is_null() & cells.is_not_null()).arg_max() or 0)
    return DataError(
        f"column {column!r} is to be {column_type}, and row {rows_before + row + 1} holds {cells[row]!r}",
        where=str(path),
        remedy="Mend the cell, or give the column another type.",
    )
