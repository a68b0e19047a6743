"""The components called as plain functions, one after another, each output in a folder of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs

from millrace.components import (
    Anomalies,
    CsvExampleGen,
    Evaluation,
    Evaluator,
    Examples,
    ExampleValidator,
    ModelBlessing,
    Schema,
    SchemaGen,
    Statistics,
    StatisticsGen,
    Trainer,
    Transform,
    TransformGraph,
)
from millrace.core.types import Model


@attrs.define
class Chain:
    """Artifacts below one folder, made on demand by the steps."""

    folder: Path

    def __attrs_post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)

    def examples(self, source: Path) -> Examples:
        made = Examples(self.folder / "examples")
        CsvExampleGen(str(source), examples=made)
        return made

    def statistics(self, source: Path) -> Statistics:
        made = Statistics(self.folder / "statistics")
        StatisticsGen(self.examples(source), statistics=made)
        return made

    def statistics_again(self) -> Statistics:
        return Statistics(self.folder / "statistics")

    def schema(self, statistics: Statistics, previous: Schema | None = None, **more: Any) -> Schema:
        made = Schema(self.folder / "schema")
        SchemaGen(statistics, schema=made, previous=previous, **more)
        return made

    def validate(self, statistics: Statistics, schema: Schema, **more: Any) -> Anomalies:
        made = Anomalies(self.folder / "anomalies")
        ExampleValidator(statistics, schema, anomalies=made, **more)
        return made

    def transform(self, schema: Schema, preprocess: Any) -> tuple[TransformGraph, Examples]:
        graph, rows = TransformGraph(self.folder / "graph"), Examples(self.folder / "transformed")
        Transform(
            Examples(self.folder / "examples"), schema, preprocess, transform_graph=graph, transformed_examples=rows
        )
        return graph, rows

    def train(self, schema: Schema, preprocess: Any, fit: Any, **more: Any) -> Model:
        graph, rows = self.transform(schema, preprocess)
        made = Model(self.folder / "model")
        Trainer(rows, fit, model=made, transform_graph=graph, schema=schema, **more)
        return made

    def evaluate(self, model: Model, **more: Any) -> tuple[Evaluation, ModelBlessing]:
        evaluation, blessing = Evaluation(self.folder / "evaluation"), ModelBlessing(self.folder / "blessing")
        Evaluator(Examples(self.folder / "examples"), model, evaluation=evaluation, blessing=blessing, **more)
        return evaluation, blessing
