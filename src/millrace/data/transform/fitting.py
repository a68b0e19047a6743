"""Fitting a transform: the analyses of a graph, in the fewest full passes over the analysed split.

Each pass reads every shard once, only the columns it needs, and merges what the analyzers say of each.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import polars as pl

from millrace.core.errors import DataError, NotFoundError
from millrace.data.atomic_output import new_folder
from millrace.data.examples import Examples, read_shard
from millrace.data.manifest import ExamplesManifest, columns_of
from millrace.data.shard_writer import ShardWriter
from millrace.data.transform.analyzers import ANALYZERS
from millrace.data.transform.graph import TransformGraph
from millrace.data.transform.nodes import BOOL, GROUP, Node, Output, passes, reachable
from millrace.data.transform.program import Program
from millrace.data.transform.tracing import Preprocess, Traced, trace
from millrace.data.transform.vectors import vector_of_series

if TYPE_CHECKING:
    from millrace.interfaces import ShardRunner


def fit_transform_graph(
    examples: Examples, preprocess: Preprocess, *, analyze_split: str = "train", runner: ShardRunner | None = None
) -> TransformGraph:
    """Trace `preprocess(x, t)`, fit what it needs to know on `analyze_split`, and give the graph to apply.

    Raises `DataError` if the function raises, uses a column that is not there, or returns nothing.
    """
    if analyze_split not in examples.splits:
        raise NotFoundError("split", analyze_split, examples.splits, where=str(examples.path))
    traced = trace(preprocess, examples.columns)
    if not examples.rows(analyze_split):
        raise DataError(
            f"split {analyze_split!r} has no rows to analyse",
            where=str(examples.path),
            remedy="Ingest more data, or analyse another split.",
        )
    used = reachable(traced.nodes, (column.number for column in traced.outputs.values()))
    new_number = {old: new for new, old in enumerate(used)}
    nodes = [
        attrs.evolve(traced.nodes[old], inputs=tuple(new_number[one] for one in traced.nodes[old].inputs))
        for old in used
    ]
    fitted: dict[int, Mapping[str, Any]] = {}
    for analyses in passes(nodes):
        work = AnalysisPass(tuple(nodes), dict(fitted), tuple(analyses))
        shards = examples.shards(analyze_split)
        fitted.update(work.finalize(runner.map(work, shards) if runner else map(work, shards)))
    outputs = list(_outputs(traced, nodes, new_number, fitted))
    inputs = {node.params["name"] for node in nodes if node.op == "column"}
    return TransformGraph(
        inputs=tuple(column for column in examples.columns if column.name in inputs),
        nodes=tuple(nodes),
        fitted=fitted,
        outputs=tuple(outputs),
    )


@attrs.frozen
class AnalysisPass:
    """One full pass: the function that a `ShardRunner` maps over shards, and what becomes of its results."""

    nodes: tuple[Node, ...]
    fitted: Mapping[int, Mapping[str, Any]]
    analyses: tuple[int, ...]

    def __call__(self, shard: Path) -> list[Any]:
        sources = [self.nodes[number].inputs[0] for number in self.analyses]
        program = Program.of(self.nodes, self.fitted, sources)
        frame = read_shard(shard, columns=list(program.columns))
        types = {column.name: column for column in columns_of(frame)}
        try:
            raw = {name: vector_of_series(frame[name], types[name]) for name in program.columns}
        except DataError as error:
            error.where = error.where or str(shard)
            raise
        values = program.run(raw)
        return [
            ANALYZERS[self.nodes[number].op].partial(values[source].stretched(frame.height))
            for number, source in zip(self.analyses, sources, strict=True)
        ]

    def finalize(self, partials: Iterable[list[Any]]) -> dict[int, Mapping[str, Any]]:
        merged: list[Any] | None = None
        for partial in partials:
            if merged is None:
                merged = partial
            else:
                merged = [
                    ANALYZERS[self.nodes[number].op].merge(left, right)
                    for number, left, right in zip(self.analyses, merged, partial, strict=True)
                ]
        assert merged is not None
        results: dict[int, Mapping[str, Any]] = {}
        for number, partial in zip(self.analyses, merged, strict=True):
            node = self.nodes[number]
            try:
                results[number] = ANALYZERS[node.op].finalize(partial, node.params)
            except DataError as error:
                below = [self.nodes[one] for one in reachable(self.nodes, node.inputs)]
                names = ", ".join(repr(one.params["name"]) for one in below if one.op == "column")
                error.message = f"column {names} {error.message}"
                raise
        return results


def _outputs(
    traced: Traced, nodes: list[Node], new_number: Mapping[int, int], fitted: Mapping[int, Mapping[str, Any]]
) -> Iterable[Output]:
    """The outputs in order; a group becomes one output for each of its values. May add nodes."""
    taken: dict[str, str] = {}
    for name, column in traced.outputs.items():
        number = new_number[column.number]
        node = nodes[number]
        if node.kind != GROUP:
            expanded = [Output(name, number, column.is_label)]
        else:
            expanded = []
            for index, value in enumerate(fitted[node.inputs[1]]["values"]):
                nodes.append(Node("indicator", node.inputs, {"index": index}, BOOL))
                expanded.append(Output(f"{name}_{value}", len(nodes) - 1))
        for output in expanded:
            if output.name in taken:
                raise DataError(
                    f"outputs {taken[output.name]!r} and {name!r} both give a column {output.name!r}",
                    where=traced.where,
                    remedy="Rename one of them.",
                )
            taken[output.name] = name
            yield output


def transform_examples(examples: Examples, graph: TransformGraph, out: Path) -> ExamplesManifest:
    """Apply `graph` to every shard of every split; the shards keep their numbers and rows their order."""
    with new_folder(Path(out)) as staging:
        shards = {}
        for split in examples.splits:
            writer = ShardWriter(staging, split, graph.output_columns, shard_rows=_largest(examples, split))
            for shard in examples.shards(split):
                writer.add(_applied(graph, shard))
            shards[split] = writer.close()
        manifest = ExamplesManifest(graph.output_columns, shards, buckets=examples.manifest.buckets)
        manifest.save(staging)
    return manifest


def _largest(examples: Examples, split: str) -> int:
    return max(1, *(shard.rows for shard in examples.manifest.splits[split]))


def _applied(graph: TransformGraph, shard: Path) -> pl.DataFrame:
    try:
        return graph.apply(read_shard(shard))
    except DataError as error:
        error.where = error.where or str(shard)
        raise
