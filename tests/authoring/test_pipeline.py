"""The typed form: ``@task`` functions with annotated parameters, called in an ``@pipeline`` function."""

from __future__ import annotations

import inspect
import pickle
from typing import Any, NamedTuple

import pytest

from millrace import Dataset, Metrics, Model, Output, component, pipeline, task
from millrace.core.errors import GraphError
from millrace.core.graph import Constant, Gathered, Graph, OutputRef, ParameterRef, ParameterSpec, TaskSpec
from millrace.core.types import ValueType


class Split(NamedTuple):
    train: Dataset
    test: Dataset
    rows: int


@task
def load(path: str) -> Dataset:
    """Read a table."""
    return Dataset(path)


@task
def split(data: Dataset, share: float = 0.2) -> Split:
    return Split(data, data, 1)


@task(retries=2)
def train(data: Dataset, model: Output[Model], metrics: Output[Metrics], lr: float = 0.1) -> None: ...


@task
def evaluate(model: Model, data: Dataset, rows: int = 0) -> float:
    return 1.0


@task
def compare(scores: list[float], tables: list[Dataset]) -> str:
    return "same"


@task
def add(a: int, b: int) -> int:
    """Sum."""
    return a + b


@component
def Reusable(x: int = 1) -> int:
    return x


@pipeline(name="whole", tags=["t"])
def whole(path: str, lr: float = 0.1) -> None:
    """The whole of it."""
    data = load(path)
    parts = split(data)
    trained = train(parts.train, lr=lr)
    first = evaluate(trained.model, parts.test, parts.rows)
    second = evaluate(model=trained.outputs["model"], data=data)
    compare([first, second, 0.5], [data, parts.train])


def tasks(graph: Graph) -> dict[str, TaskSpec]:
    return dict(graph.by_id)


def error_of(body: Any) -> GraphError:
    with pytest.raises(GraphError) as caught:
        pipeline(body).graph  # noqa: B018
    return caught.value


def test_handles_make_bindings_and_dependencies() -> None:
    found = tasks(whole.graph)
    assert list(found) == ["load", "split", "train", "evaluate", "evaluate__1", "compare"]
    assert found["load"].bindings == {"path": ParameterRef("path")}
    assert found["train"].bindings == {"data": OutputRef("split", "train"), "lr": ParameterRef("lr")}
    assert found["evaluate"].bindings == {
        "model": OutputRef("train", "model"),
        "data": OutputRef("split", "test"),
        "rows": OutputRef("split", "rows"),
    }
    assert found["evaluate"].upstream == ("split", "train")
    assert found["compare"].bindings == {
        "scores": Gathered(
            (OutputRef("evaluate", "return_value"), OutputRef("evaluate__1", "return_value"), Constant(0.5))
        ),
        "tables": Gathered((OutputRef("load", "return_value"), OutputRef("split", "train"))),
    }
    assert found["compare"].upstream == ("load", "split", "evaluate", "evaluate__1")


def test_what_the_graph_says_of_a_task() -> None:
    spec = tasks(whole.graph)["train"]
    assert (spec.component, spec.code) == ("train", f"{__name__}:train")
    assert [(i.name, i.kind, i.type, i.optional, i.default) for i in spec.inputs] == [
        ("data", "artifact", "Dataset", False, None),
        ("lr", "value", "float", True, 0.1),
    ]
    assert [(o.name, o.kind, o.lineage) for o in spec.outputs] == [
        ("model", "artifact", ("Model", "Artifact")),
        ("metrics", "artifact", ("Metrics", "Artifact")),
    ]
    assert tasks(whole.graph)["load"].doc == "Read a table."


def test_what_the_graph_says_of_the_pipeline() -> None:
    graph = whole.graph
    assert graph.parameters == (
        ParameterSpec("path", ValueType.STR),
        ParameterSpec("lr", ValueType.FLOAT, required=False, default=0.1),
    )
    assert (graph.name, graph.description, graph.tags) == ("whole", "The whole of it.", ("t",))
    assert graph.where("load") != graph.where("split")
    assert all(line.file == __file__ for line in graph.source_lines.values())
    assert Graph.from_json(graph.to_json()) == graph


def test_outside_of_a_pipeline_a_task_is_the_function() -> None:
    assert add(1, 2) == 3
    assert add(1, b=2) == 3
    assert str(inspect.signature(add)) == "(a: 'int', b: 'int') -> 'int'"
    assert (add.__name__, add.__doc__, add.__module__) == ("add", "Sum.", __name__)
    with pytest.raises(TypeError, match="missing 1 required positional argument"):
        add(1)  # type: ignore[call-arg] # the mistake


def test_a_task_is_pickled_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, __name__, inspect.getmodule(error_of))
    assert pickle.loads(pickle.dumps(add)) is add


def test_ids_are_numbered_as_airflow_does() -> None:
    @pipeline
    def p() -> None:
        for _ in range(3):
            add(1, 2)
        add.override(task_id="sum")(1, 2)
        add.override(task_id="sum")(1, 2)

    assert list(tasks(p.graph)) == ["add", "add__1", "add__2", "sum", "sum__1"]


def test_override_changes_one_call() -> None:
    @pipeline
    def p() -> None:
        train.override(retry_delay=1, execution_timeout=60)(load("a"))
        train(load("a"))

    first, second = (t for t in p.graph.tasks if t.component == "train")
    assert (first.retry.retries, first.retry.delay, first.execution_timeout) == (2, 1_000_000, 60_000_000)
    assert (second.retry.delay, second.execution_timeout) == (300_000_000, None)
    with pytest.raises(GraphError, match="override has no argument 'retry'"):
        add.override(retry=1)  # type: ignore[call-arg] # the mistake


@pytest.mark.parametrize(
    ("of_pipeline", "of_defaults", "of_call", "component_cached", "task_cached"),
    [
        (None, None, None, True, False),
        (True, None, None, True, True),
        (False, None, None, False, False),
        (True, False, None, False, False),
        (False, False, True, True, True),
    ],
)
def test_the_nearest_word_on_caching_counts(
    of_pipeline: bool | None, of_defaults: bool | None, of_call: bool | None, component_cached: bool, task_cached: bool
) -> None:
    defaults = {} if of_defaults is None else {"cache": of_defaults}

    @pipeline(cache=of_pipeline, default_args=defaults)
    def p() -> None:
        if of_call is None:
            Reusable()
            add(1, 2)
        else:
            Reusable.override(cache=of_call)()
            add.override(cache=of_call)(1, 2)

    found = tasks(p.graph)
    assert (found["Reusable"].cache, found["add"].cache) == (component_cached, task_cached)


def test_a_named_tuple_is_unpacked() -> None:
    @pipeline
    def p() -> None:
        train_part, test_part, _ = split(load("a"))
        evaluate(train(train_part).outputs["model"], test_part)

    assert tasks(p.graph)["evaluate"].bindings["data"] == OutputRef("split", "test")


def test_an_empty_list_of_artifacts() -> None:
    @pipeline
    def p() -> None:
        compare([], [])

    assert tasks(p.graph)["compare"].bindings == {"scores": Constant([]), "tables": Gathered(())}


def test_the_build_happens_once_and_only_when_asked() -> None:
    calls = []

    @pipeline
    def p() -> None:
        calls.append(1)

    assert calls == []
    assert p.graph is p.graph
    assert calls == [1]


def test_calling_a_pipeline() -> None:
    assert whole() is whole
    with pytest.raises(GraphError, match=r"takes its parameters when it runs[\s\S]*whole.run\(lr=0.2\)"):
        whole(lr=0.2)

    def outer() -> None:
        whole()

    assert "'whole' is called inside of another pipeline" in error_of(outer).message


def test_pipeline_parameters_without_annotation_have_the_type_of_their_default() -> None:
    @pipeline
    def p(a, b=1, c=0.5, d=None, e: int | None = None, f: int | None = 3, *, g: list[int] = [1]):  # type: ignore[no-untyped-def] # noqa: B006
        pass

    assert {s.name: (str(s.type), s.required, s.default) for s in p.graph.parameters} == {
        "a": ("json", True, None),
        "b": ("int", False, 1),
        "c": ("float", False, 0.5),
        "d": ("json", False, None),
        "e": ("int", False, None),
        "f": ("json", False, 3),
        "g": ("list", False, [1]),
    }


def _artifact_parameter(data: Dataset) -> None: ...
def _many_parameters(*values: int) -> None: ...
def _wrong_default(lr: int = "x") -> None: ...  # type: ignore[assignment] # the mistake
def _unread_annotation(lr: Nowhere) -> None: ...  # type: ignore[name-defined] # noqa: F821 - the mistake


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (_artifact_parameter, "parameter 'data' of the pipeline is annotated with Dataset"),
        (_many_parameters, "the pipeline's parameter 'values' must be an ordinary one"),
        (_wrong_default, "parameter 'lr' is an integer and its default is 'x'"),
        (_unread_annotation, "name 'Nowhere' is not defined"),
    ],
)
def test_parameters_that_cannot_be(body: Any, message: str) -> None:
    assert message in error_of(body).message


def _unknown_input() -> None:
    train(dta=load("x"))


def _missing_input() -> None:
    train(lr=0.1)


def _surplus_position() -> None:
    add(1, 2, 3)  # type: ignore[call-arg] # the mistake


def _twice() -> None:
    add(1, a=2)  # type: ignore[misc, call-arg] # the mistake


def _output_given() -> None:
    train(load("x"), model=load("x"))


def _wrong_constant() -> None:
    add(1, "2")  # type: ignore[arg-type] # the mistake


def _wrong_artifact() -> None:
    evaluate(load("x"), load("x"))  # type: ignore[arg-type] # the mistake


def _several_outputs() -> None:
    evaluate(train(load("x")), load("x"))


def _unknown_output() -> None:
    evaluate(train(load("x")).outputs["modle"], load("x"))


def _unknown_attribute() -> None:
    evaluate(train(load("x")).modle, load("x"))


def _handle_in_dict() -> None:
    @task
    def takes(config: dict[str, Any]) -> None: ...

    takes({"a": [add(1, 2)]})


def _artifact_made_here() -> None:
    split(Dataset("x.csv"))


def _not_json() -> None:
    add(object(), 1)  # type: ignore[arg-type] # the mistake


def _other_pipelines_handle() -> None:
    taken: list[Any] = []

    @pipeline
    def other() -> None:
        taken.append(load("x"))

    assert other.graph
    split(taken[0])


def _function_for_a_value() -> None:
    add(test_calling_a_pipeline, 1)  # type: ignore[arg-type] # the mistake


@pytest.mark.parametrize(
    ("body", "message", "remedy"),
    [
        (_unknown_input, "task train has no input 'dta'", "Did you mean 'data'?"),
        (_missing_input, "task train lacks its input 'data'", "Pass data=..., a Dataset artifact."),
        (_surplus_position, "task add takes 2 arguments by position, and 3 were given", "It takes: a, b."),
        (_twice, "task add is given 'a' twice", ""),
        (_output_given, "'model' is an output of task train", "Leave it out"),
        (_wrong_constant, "task add takes an integer for 'b', not \"2\"", "Change the value"),
        (_wrong_artifact, "task evaluate takes a Model artifact for 'model'", "Dataset is also Artifact"),
        (_several_outputs, "its outputs are: model, metrics", ".outputs['model']"),
        (_unknown_output, "task train has no output 'modle'", "Did you mean 'model'?"),
        (_unknown_attribute, "task train has no output 'modle'", "Did you mean 'model'?"),
        (_handle_in_dict, "'config' of task takes is a dict with an output of a task in it", "argument of its own"),
        (_artifact_made_here, "'data' of task split is a Dataset made in the pipeline", "Artifacts come from tasks"),
        (_not_json, "'a' of task add is a object, which is no JSON value", "Values are"),
        (_other_pipelines_handle, "comes from another pipeline: <output load.return_value>", "Read what another"),
        (_function_for_a_value, "'a' of task add is a function, and the task takes int", "To pass its result"),
    ],
)
def test_mistakes_in_a_call(body: Any, message: str, remedy: str) -> None:
    error = error_of(body)
    assert message in error.message
    assert remedy in (error.remedy or "")
    first = inspect.unwrap(body).__code__.co_firstlineno
    file, _, line = str(error.where).rpartition(":")
    assert file == __file__
    assert first < int(line) <= first + 9


@pytest.mark.parametrize(
    "use",
    [
        lambda x: x > 1,
        lambda x: x == 1,
        lambda x: x != 1,
        bool,
        lambda x: x + 1,
        lambda x: 2 * x,
        lambda x: -x,
        lambda x: f"{x}",
        str,
        int,
        list,
        len,
        range,
        lambda x: 1 in x,
        "{}".format,
    ],
)
def test_a_handle_has_no_value_while_the_pipeline_is_built(use: Any) -> None:
    def with_parameter(lr: float) -> None:
        use(lr)

    def with_result() -> None:
        use(add(1, 2))

    def with_output() -> None:
        use(train(load("x")).outputs["model"])

    for body, what in (
        (with_parameter, "the parameter 'lr'"),
        (with_result, "the result of task add"),
        (with_output, "output 'model' of task train"),
    ):
        error = error_of(body)
        assert error.message == f"{what} has no value while the pipeline is being built"
        assert error.remedy == "Pass it to a task and decide, compute or format there."
        assert str(error.where).startswith(f"{__file__}:")


def test_handles_can_be_looked_at() -> None:
    seen: list[Any] = []

    @pipeline
    def p(lr: float) -> None:
        handle: Any = add(1, 2)
        seen.extend(
            [repr(lr), repr(handle), repr(handle.output), handle.task_id, hasattr(handle, "x"), handle == handle]
        )
        seen.append(handle in [handle, lr])
        seen.append(handle["return_value"].binding)

    assert p.graph
    assert seen == [
        "<parameter lr>",
        "<task add>",
        "<output add.return_value>",
        "add",
        False,
        True,
        True,
        OutputRef("add", "return_value"),
    ]


def test_decorators_say_what_they_take() -> None:
    with pytest.raises(GraphError, match=r"@task decorates functions, not 'name'[\s\S]*@task\(task_id="):
        task("name")  # type: ignore[call-overload] # the mistake
    with pytest.raises(GraphError, match="@task has no argument 'retrys'"):
        task(retrys=1)  # type: ignore[call-overload] # the mistake
    with pytest.raises(GraphError, match="@pipeline has no argument 'shedule'"):
        pipeline(shedule="@daily")  # type: ignore[call-overload] # the mistake
    with pytest.raises(GraphError, match="@pipeline decorates functions"):
        pipeline(Dataset)
