"""The type of a column of text cells: `int64` if all parse as such, else `double`, else `string`.

The same functions infer the type and convert the cells, so a value can never fail to convert to the type that
was inferred from it. Missing cells fit every type; a column that is all missing is a `string`.
"""

from __future__ import annotations

import attrs
import polars as pl

from millrace.data.manifest import FLOAT, INT, STRING

_WIDTH = {INT: 0, FLOAT: 1, STRING: 2}


def parse(cells: pl.Series, column_type: str) -> pl.Series:
    """The cells as `column_type`; those that do not parse become null. Blanks around a number are ignored."""
    if column_type == STRING:
        return cells
    if column_type == INT:
        return cells.str.strip_chars().cast(pl.Int64, strict=False)
    return cells.str.strip_chars().cast(pl.Float64, strict=False)


def fits(cells: pl.Series, column_type: str) -> bool:
    """Whether every cell that is there parses as `column_type`."""
    return parse(cells, column_type).null_count() == cells.null_count()


@attrs.define
class TypeInference:
    """Sees a column's cells batch by batch and keeps the narrowest type that fits them all."""

    narrowest: str | None = None

    def see(self, cells: pl.Series) -> None:
        if self.narrowest == STRING or cells.null_count() == cells.len():
            return
        least = _WIDTH[self.narrowest or INT]
        for candidate, width in _WIDTH.items():
            if width >= least and fits(cells, candidate):
                self.narrowest = candidate
                return

    @property
    def type(self) -> str:
        return self.narrowest or STRING
