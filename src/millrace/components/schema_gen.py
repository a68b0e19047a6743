"""SchemaGen and ImportSchemaGen: the schema that data is held against.

Invariant: a schema is established once. It is inferred from the first data, and from then on kept, so that new data
is judged by it and does not rewrite it.
"""

from __future__ import annotations

from typing import Annotated

import millrace.data as library
from millrace.authoring.tasks import component
from millrace.components.artifact_types import Schema, Statistics
from millrace.core.types import FromEarlierRun, Output, SourcePath


@component(environment=["millrace"])
def SchemaGen(
    statistics: Statistics,
    schema: Output[Schema],
    previous: Annotated[Schema | None, FromEarlierRun("schema", other_than="statistics")] = None,
    update: bool = False,
    max_string_domain_size: int = 100,
) -> None:
    """Infer a schema from the statistics of all splits, or keep the one that an earlier run established.

    `previous` comes by itself: the schema of the newest successful run over other data. With `update=True` it is
    widened just so far that this data fits it; with `previous=None` in the pipeline it is inferred each time.
    """
    found = library.merge_statistics(library.load_statistics(statistics.path).values())
    if previous is None:
        origin, made = "inferred", library.infer_schema(found, max_string_domain_size=max_string_domain_size)
    elif update:
        kept = library.load_schema(previous.path)
        origin, made = "updated", library.update_schema(kept, found, max_string_domain_size=max_string_domain_size)
    else:
        origin, made = "kept", library.load_schema(previous.path)
    _write(made, schema, origin)


@component(environment=["millrace"])
def ImportSchemaGen(schema_file: SourcePath, schema: Output[Schema]) -> None:
    """Take the schema from a file that people review and keep beside the code; a changed file is read again."""
    _write(library.load_schema(schema_file), schema, "imported")


def _write(made: library.Schema, schema: Schema, origin: str) -> None:
    schema.path.mkdir(parents=True, exist_ok=True)
    library.save_schema(made, schema.path)
    schema.metadata.update(columns=len(made.features), origin=origin)
    print(f"{origin} a schema of {len(made.features)} columns")
