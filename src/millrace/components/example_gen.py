"""CsvExampleGen: from CSV files to examples."""

from __future__ import annotations

import millrace.data as library
from millrace.authoring.tasks import component
from millrace.components.artifact_types import Examples
from millrace.core.types import Output, SourcePath


@component(environment=["millrace", "polars", "pyarrow"])
def CsvExampleGen(
    input_base: SourcePath,
    examples: Output[Examples],
    splits: dict[str, int] | None = None,
    pattern: str = "*.csv",
    types: dict[str, str] | None = None,
) -> None:
    """Read one CSV file, or a folder's files that match `pattern`, into Parquet examples.

    Rows go to `splits` by hash buckets over their content, `{"train": 2, "eval": 1}` unless told otherwise. Column
    types are inferred over all rows; `types` overrides them: `{"zip": "string"}`. What the files hold is part of the
    cache key, so a changed file is read again.
    """
    manifest = library.ingest_csv(input_base, examples.path, splits=splits, pattern=pattern, types=types)
    rows = {split: manifest.rows(split) for split in manifest.splits}
    examples.metadata.update(rows=rows, columns=len(manifest.columns), files=len(manifest.sources))
    shown = ", ".join(f"{count} rows to {split}" for split, count in rows.items())
    print(f"read {len(manifest.columns)} columns from {len(manifest.sources)} file(s): {shown}")
