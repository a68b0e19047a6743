"""``latest(...)``: inputs from earlier runs, named by handle or by ``"task.output"``."""

from __future__ import annotations

from typing import Annotated, Any

import pytest

from millrace import Artifact, Dataset, Model, Output, latest, pipeline, task
from millrace.core.errors import CycleError, GraphError
from millrace.core.graph import Graph, Latest, OutputRef
from millrace.core.types import FromEarlierRun


@task
def load() -> Dataset:
    return Dataset("x")


@task
def train(data: Dataset, model: Output[Model], base: Model | None = None) -> None: ...


@task
def judge(
    model: Model, blessing: Output[Artifact], baseline: Model | None = None, data: Dataset | None = None
) -> None: ...


MODEL, BLESSING, DATA = OutputRef("train", "model"), OutputRef("judge", "blessing"), OutputRef("load", "return_value")


def binding_of(graph: Graph, task_id: str, name: str) -> Any:
    return graph.by_id[task_id].bindings[name]


def test_a_task_may_name_its_own_output_and_those_below() -> None:
    @pipeline
    def p() -> None:
        model = train(load(), base=latest("train.model", where="judge.blessing", flag="blessed"))
        judge(model, baseline=latest(model))

    graph = p.graph
    assert binding_of(graph, "train", "base") == Latest(MODEL, where=BLESSING, flag="blessed")
    assert binding_of(graph, "judge", "baseline") == Latest(MODEL)
    assert graph.by_id["train"].upstream == ("load",)


def test_a_task_with_one_output_may_be_named_alone_and_ids_may_hold_dots() -> None:
    @pipeline
    def p() -> None:
        data = load.override(task_id="a.b")()
        judge(train(data), data=latest("a.b"), baseline=latest("train"))

    assert binding_of(p.graph, "judge", "data") == Latest(OutputRef("a.b", "return_value"))
    assert binding_of(p.graph, "judge", "baseline") == Latest(MODEL)


def test_other_than_is_a_dependency() -> None:
    @pipeline
    def p() -> None:
        data = load()
        train(data)
        judge.override(task_id="other")(train(data), baseline=latest("train.model", other_than=data))

    graph = p.graph
    assert binding_of(graph, "other", "baseline") == Latest(MODEL, other_than=DATA)
    assert graph.by_id["other"].upstream == ("load", "train__1")


def _unknown_task() -> None:
    train(load(), base=latest("trian.model"))


def _unknown_output() -> None:
    train(load(), base=latest("train.modle"))


def _wrong_type() -> None:
    train(load(), base=latest("load"))


def _not_optional() -> None:
    judge(latest("train.model"))
    train(load())


def _other_than_by_name() -> None:
    train(load(), base=latest("train.model", other_than="load"))


def _no_output() -> None:
    train(load(), base=latest(3))


def _in_a_list() -> None:
    @task
    def many(models: list[Model]) -> None: ...

    many([latest("train.model")])


@pytest.mark.parametrize(
    ("body", "message", "remedy"),
    [
        (_unknown_task, "names a task that is not in the pipeline", "Did you mean 'train'?"),
        (_unknown_output, "names output 'modle', which task train lacks", "Did you mean 'model'?"),
        (_wrong_type, "takes a Model artifact for 'base'", "Dataset is also Artifact"),
        (_not_optional, "the first run has none", "model: Model | None = None"),
        (_other_than_by_name, "other_than='load' of latest(...) must be an output of this run", "Pass the handle"),
        (_no_output, "of of latest(...) is a int", "Name an output of a task"),
        (_in_a_list, "is a list with latest(...) in it", "an input of its own"),
    ],
)
def test_mistakes(body: Any, message: str, remedy: str) -> None:
    with pytest.raises(GraphError) as caught:
        pipeline(body).graph  # noqa: B018
    assert message in caught.value.message
    assert remedy in (caught.value.remedy or "")
    assert str(caught.value.where).startswith(f"{__file__}:")


def test_other_than_of_a_later_task_is_a_cycle() -> None:
    @pipeline
    def p() -> None:
        first = load()
        model = train(first)
        first >> model
        judged = judge(model, baseline=latest("train.model", other_than=model))
        judged >> model

    with pytest.raises(CycleError):
        p.graph  # noqa: B018


def test_a_component_may_say_itself_where_an_input_comes_from() -> None:
    @task
    def schema(
        data: Dataset,
        schema: Output[Artifact],
        previous: Annotated[Artifact | None, FromEarlierRun("schema", other_than="data")] = None,
    ) -> None: ...

    @pipeline
    def p() -> None:
        data = load()
        schema(data)
        schema(data, previous=None)

    assert binding_of(p.graph, "schema", "previous") == Latest(OutputRef("schema", "schema"), other_than=DATA)
    assert p.graph.by_id["schema__1"].bindings["previous"] != Latest(OutputRef("schema__1", "schema"), other_than=DATA)
