"""Transform: a preprocess function fitted on the training data, and the examples that come out of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import millrace.data as library
from millrace.authoring.tasks import component
from millrace.components.artifact_types import Examples, Schema, TransformGraph
from millrace.core.errors import DataError
from millrace.core.types import Output

GRAPH = "graph"
INPUT_EXAMPLE = "input_example.parquet"
_EXAMPLE_ROWS = 5


@component(environment=["millrace", "polars"])
def Transform(
    examples: Examples,
    schema: Schema,
    preprocess: Callable[..., Any],
    transform_graph: Output[TransformGraph],
    transformed_examples: Output[Examples],
    analyze_split: str = "train",
) -> None:
    """Fit `preprocess(x, t)` on `analyze_split` and apply it to every split.

    `x` holds the raw columns by name, `t` the operations: means, vocabularies and so on are learnt here once, saved,
    and applied by the same code when the model serves. `preprocess` may only use columns that the schema has.
    """
    raw = library.Examples.open(examples.path)
    graph = library.fit_transform_graph(raw, preprocess, analyze_split=analyze_split)
    _check_columns(graph, library.load_schema(schema.path))
    transform_graph.path.mkdir(parents=True, exist_ok=True)
    graph.save(transform_graph.path / GRAPH)
    rows = raw.scan(analyze_split).select(feature_inputs(graph)).head(_EXAMPLE_ROWS).collect()
    rows.write_parquet(transform_graph.path / INPUT_EXAMPLE, statistics=False)
    transform_graph.metadata.update(inputs=len(graph.inputs), features=len(graph.feature_names))
    manifest = library.transform_examples(raw, graph, transformed_examples.path)
    transformed_examples.metadata.update(
        rows={split: manifest.rows(split) for split in manifest.splits}, columns=len(manifest.columns)
    )
    print(f"from {len(graph.inputs)} raw columns to {len(graph.feature_names)} features")


def feature_inputs(graph: library.TransformGraph) -> list[str]:
    """The raw columns that the features rest on: what a served row has."""
    needed = {column for output in graph.feature_names for column in graph.inputs_of(output)}
    return [column for column in graph.input_columns if column in needed]


def _check_columns(graph: library.TransformGraph, schema: library.Schema) -> None:
    for column in graph.input_columns:
        feature = schema.get(column)
        if feature is None or not feature.validated:
            said = "does not know" if feature is None else f"marks as {feature.lifecycle_stage}"
            raise DataError(
                f"preprocess uses column {column!r}, which the schema {said}",
                remedy="Leave it out of preprocess, or review the schema.",
            )
