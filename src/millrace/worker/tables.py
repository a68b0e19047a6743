"""Writes a returned table as Parquet, whichever library made it, without loading a library that is not loaded.

A value can only be a Polars frame if Polars is loaded already, so looking into ``sys.modules`` is enough.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from millrace.core.types import Json


def write_table(value: object, path: Path) -> dict[str, Json] | None:
    """Write a frame of Polars, pandas or PyArrow to ``path``: the metadata to keep with it. None: it is no frame."""
    polars: Any = sys.modules.get("polars")
    if polars is not None and isinstance(value, polars.LazyFrame):
        value = value.collect()
    if polars is not None and isinstance(value, polars.DataFrame):
        value.write_parquet(path)
        return _described(value.height, value.width)
    pandas: Any = sys.modules.get("pandas")
    if pandas is not None and isinstance(value, pandas.DataFrame):
        value.to_parquet(path)
        return _described(*value.shape)
    pyarrow: Any = sys.modules.get("pyarrow")
    if pyarrow is not None and isinstance(value, pyarrow.Table):
        import pyarrow.parquet as parquet  # noqa: PLR0402 -- it shares no name with the module looked up above  # lazy: only for Arrow tables

        parquet.write_table(value, path)
        return _described(value.num_rows, value.num_columns)
    return None


def _described(rows: int, columns: int) -> dict[str, Json]:
    return {"format": "parquet", "rows": rows, "columns": columns}
