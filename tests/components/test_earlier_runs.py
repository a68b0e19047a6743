"""Inputs that come from an earlier run, and paths whose content counts: how a pipeline sees them."""

from __future__ import annotations

from typing import Annotated, Any

import pytest

from millrace.authoring.pipelines import Pipeline, pipeline
from millrace.authoring.tasks import component
from millrace.components import CsvExampleGen, Examples, SchemaGen, Statistics, StatisticsGen
from millrace.core.errors import GraphError
from millrace.core.graph import Binding, Constant, Graph, Latest, OutputRef
from millrace.core.types import Artifact, FromEarlierRun, Output, SourcePath


@component
def compare(
    rows: Examples,
    report: Output[Artifact],
    before: Annotated[Examples | None, FromEarlierRun("rows", where="report", flag="good", other_than="rows")] = None,
) -> None:
    del rows, before
    report.path.touch()


def bindings(made: Pipeline, task: str) -> dict[str, Binding]:
    return dict(made.graph.by_id[task].bindings)


def test_an_input_stands_for_the_output_that_is_bound_to_it() -> None:
    @pipeline
    def judged(data: str) -> None:
        compare(CsvExampleGen(data))

    rows = OutputRef("CsvExampleGen", "examples")
    expected = Latest(rows, where=OutputRef("compare", "report"), flag="good", other_than=rows)
    assert bindings(judged, "compare")["before"] == expected
    assert Graph.from_json(judged.graph.to_json()) == judged.graph


def test_two_tasks_of_one_component_each_look_at_their_own() -> None:
    @pipeline
    def twice(data: str) -> None:
        for _ in range(2):
            SchemaGen(StatisticsGen(CsvExampleGen(data)))

    second = bindings(twice, "SchemaGen__1")["previous"]
    assert second == Latest(OutputRef("SchemaGen__1", "schema"), other_than=OutputRef("StatisticsGen__1", "statistics"))


def test_what_the_author_passes_wins() -> None:
    @pipeline
    def fresh(data: str) -> None:
        SchemaGen(StatisticsGen(CsvExampleGen(data)), previous=None)

    assert bindings(fresh, "SchemaGen")["previous"] == Constant(None)


def test_what_cannot_be_told_is_left_out() -> None:
    @component
    def lone(
        statistics: Statistics | None = None,
        before: Annotated[Statistics | None, FromEarlierRun("statistics")] = None,
    ) -> int:
        del statistics, before
        return 1

    @pipeline
    def unbound() -> None:
        lone()

    assert bindings(unbound, "lone") == {}


def test_a_component_is_the_plain_function_outside_a_pipeline(tmp_path: Any) -> None:
    made = Artifact(tmp_path / "report")
    compare(Examples(tmp_path), report=made)
    assert made.path.exists()


def test_text_is_a_path_and_a_number_is_none() -> None:
    @component
    def read(source: SourcePath, other: SourcePath | None = None, third: SourcePath = "rows.csv") -> str:
        return f"{source} {other} {third}"

    @pipeline
    def right(data: str, more: SourcePath) -> None:
        read(data, more)

    kinds = {spec.name: spec.type for spec in right.graph.by_id["read"].inputs}
    assert kinds == {"source": "path", "other": "path", "third": "path"}

    @pipeline
    def wrong(data: int) -> None:
        read(data)  # type: ignore[arg-type] # on purpose

    with pytest.raises(GraphError, match="takes the path of a file or folder for 'source'"):
        wrong.graph  # noqa: B018 - builds it
