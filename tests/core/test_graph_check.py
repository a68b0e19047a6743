"""Every way in which a graph can be wrong has one message: the line, the names, what was meant."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from hypothesis import given

from millrace.core.errors import CycleError, GraphError
from millrace.core.graph import (
    Binding,
    Constant,
    FunctionRef,
    Gathered,
    Graph,
    InputSpec,
    Latest,
    OutputRef,
    OutputSpec,
    ParameterRef,
    ParameterSpec,
    RetryPolicy,
    SourceLine,
    TaskSpec,
)
from millrace.core.graph_check import check, find_cycle, fits
from millrace.core.types import ValueType
from tests.core.graph_strategies import dependencies

SOURCE = TaskSpec(
    "load",
    "load",
    "m:load",
    outputs=(
        OutputSpec("data", "artifact", "Examples", ("Examples", "Dataset", "Artifact")),
        OutputSpec("rows", "value", "int"),
        OutputSpec("anything", "value", "json"),
    ),
)


def graph_of(spec: InputSpec | None = None, binding: Binding | None = None, **changes: Any) -> Graph:
    """``load``, and ``train`` at line 7 that takes one input."""
    inputs = () if spec is None else (spec,)
    bindings = {} if binding is None else {"x": binding}
    train = TaskSpec("train", "train", "m:train", inputs=inputs, bindings=bindings, upstream=("load",))
    lines = {"": SourceLine("p.py", 1), "load": SourceLine("p.py", 5), "train": SourceLine("p.py", 7)}
    parameters = (ParameterSpec("lr", ValueType.FLOAT), ParameterSpec("path", ValueType.STR))
    return attrs.evolve(Graph("p", (SOURCE, train), parameters, source_lines=lines), **changes)


def error_of(graph: Graph) -> GraphError:
    with pytest.raises(GraphError) as caught:
        check(graph)
    return caught.value


def value(kind: str, *, optional: bool = False, default: Any = None) -> InputSpec:
    return InputSpec("x", "value", kind, optional=optional, default=default)


DATASET = InputSpec("x", "artifact", "Dataset")
OPTIONAL = attrs.evolve(DATASET, optional=True)
MANY = attrs.evolve(DATASET, many=True)
FUNCTION = InputSpec("x", "function", "function")
DATA, ROWS, ANYTHING = OutputRef("load", "data"), OutputRef("load", "rows"), OutputRef("load", "anything")

RIGHT: list[tuple[InputSpec, Binding | None]] = [
    (value("int"), Constant(1)),
    (value("float"), Constant(1)),
    (value("float"), ROWS),
    (value("int"), ROWS),
    (value("json"), ROWS),
    (value("str"), ANYTHING),
    (value("list"), Gathered((ROWS, Constant("x"), Gathered((Constant(1),))))),
    (value("json"), Gathered(())),
    (value("int", optional=True), None),
    (value("int", optional=True), Constant(None)),
    (value("float"), ParameterRef("lr")),
    (value("path"), ParameterRef("path")),
    (DATASET, DATA),
    (attrs.evolve(DATASET, type="Examples"), DATA),
    (attrs.evolve(DATASET, type="Artifact"), DATA),
    (MANY, Gathered((DATA, DATA))),
    (OPTIONAL, Constant(None)),
    (OPTIONAL, Latest(DATA)),
    (OPTIONAL, Latest(DATA, where=DATA, flag="blessed", other_than=DATA)),
    (FUNCTION, FunctionRef("m:f")),
]

WRONG: list[tuple[InputSpec | None, Binding | None, str, str]] = [
    (None, Constant(1), "train has no input 'x'", "It takes no inputs."),
    (attrs.evolve(value("int"), name="xy"), Constant(1), "train has no input 'x'", "Did you mean 'xy'?"),
    (value("int"), None, "train lacks its input 'x'", "Pass x=..., an integer."),
    (DATASET, None, "train lacks its input 'x'", "Pass x=..., a Dataset artifact."),
    (value("int"), Constant("1"), "takes an integer for 'x', not \"1\"", "Change the value"),
    (value("int"), Constant(True), "takes an integer for 'x', not true", "Change the value"),
    (value("int", optional=True, default=3), Constant(None), "takes an integer for 'x', not null", "Change the value"),
    (value("str"), Constant(["x" * 100]), "xxx...", "Change the value"),
    (DATASET, Constant("x.csv"), 'takes a Dataset artifact for \'x\', not "x.csv"', "Pass the output of a task."),
    (FUNCTION, Constant("m:f"), "takes a function for 'x'", "Pass a function"),
    (value("str"), ROWS, "takes a string for 'x', not the value (an integer) of load.rows", "annotations"),
    (value("int"), ParameterRef("lr"), "not the parameter 'lr', which is a number", "annotations"),
    (value("int"), ParameterRef("pth"), "reads the parameter 'pth', which pipeline 'p' lacks", "Did you mean 'path'?"),
    (DATASET, ParameterRef("lr"), "takes a Dataset artifact for 'x', not the parameter 'lr'", "plain value"),
    (value("json"), DATA, "not the Examples artifact of load.data", "annotate 'x' with its class"),
    (DATASET, ROWS, "takes a Dataset artifact for 'x', not the value (an integer)", "annotate the output"),
    (attrs.evolve(DATASET, type="Model"), DATA, "takes a Model artifact", "Examples is also Dataset, Artifact"),
    (MANY, DATA, "takes a list of Dataset artifacts for 'x', not the single output load.data", "[...]"),
    (DATASET, Gathered((DATA,)), "not a list", "list[Dataset]"),
    (MANY, Gathered((DATA, ROWS)), "not the value (an integer) of load.rows", "annotate the output"),
    (MANY, Gathered((Constant("x"),)), 'not "x"', "Pass the output of a task."),
    (value("int"), Gathered((ROWS,)), "takes an integer for 'x', not a list", "Annotate 'x' as a list."),
    (value("list"), Gathered((DATA,)), "not the Examples artifact", "annotate 'x'"),
    (DATASET, OutputRef("lod", "data"), "names task 'lod'", "Did you mean 'load'?"),
    (DATASET, OutputRef("load", "dta"), "names output 'dta', which task load lacks", "Did you mean 'data'?"),
    (DATASET, Latest(DATA), "the first run has none", "x: Dataset | None = None"),
    (OPTIONAL, Latest(DATA, flag="blessed"), "needs both `where` and `flag`", ""),
    (OPTIONAL, Latest(DATA, where=DATA), "needs both `where` and `flag`", ""),
    (OPTIONAL, Latest(ROWS), "names load.rows, which is a plain value", "Name an artifact output."),
    (OPTIONAL, Latest(OutputRef("load", "dat")), "names output 'dat'", "Did you mean 'data'?"),
    (attrs.evolve(OPTIONAL, type="Model"), Latest(DATA), "takes a Model artifact", "Examples is also"),
    (value("json"), FunctionRef("m:f"), "not the function m:f", "Callable"),
]  # fmt: skip


@pytest.mark.parametrize(("spec", "binding"), RIGHT)
def test_what_fits(spec: InputSpec, binding: Binding | None) -> None:
    check(graph_of(spec, binding))


@pytest.mark.parametrize(("spec", "binding", "message", "remedy"), WRONG)
def test_what_does_not_fit(spec: InputSpec | None, binding: Binding | None, message: str, remedy: str) -> None:
    error = error_of(graph_of(spec, binding))
    assert message in error.message
    assert remedy in (error.remedy or "")
    assert error.where == "p.py:7"


def test_an_unknown_upstream_task_names_the_near_one() -> None:
    graph = graph_of()
    error = error_of(attrs.evolve(graph, tasks=(SOURCE, attrs.evolve(graph.tasks[1], upstream=("laod",)))))
    assert (error.where, error.remedy) == ("p.py:7", "Did you mean 'load'?")


def test_a_data_dependency_must_be_among_the_upstream_tasks() -> None:
    graph = graph_of(value("int"), ROWS)
    error = error_of(attrs.evolve(graph, tasks=(SOURCE, attrs.evolve(graph.tasks[1], upstream=()))))
    assert "reads load.rows for 'x' and does not wait for that task" in error.message


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"trigger_rule": "all_sucess"}, "trigger rule 'all_sucess'"),
        ({"task_id": "a b"}, "'a b' is not a valid task name"),
        ({"task_id": ""}, "'' is not a valid task name"),
        ({"task_id": "x" * 251}, "is not a valid task name"),
        ({"retry": RetryPolicy(retries=-1)}, "retries of task load is negative"),
        ({"retry": RetryPolicy(delay=-1)}, "retry_delay of task load is negative"),
        ({"retry": RetryPolicy(max_delay=-1)}, "max_retry_delay of task load is negative"),
        ({"execution_timeout": 0}, "execution_timeout of task load must be more than zero"),
        ({"inputs": (value("int", optional=True),) * 2}, "two inputs called 'x'"),
        ({"outputs": SOURCE.outputs[:1] * 2}, "two outputs called 'data'"),
    ],
)
def test_what_is_wrong_with_one_task(changes: dict[str, Any], message: str) -> None:
    task = attrs.evolve(SOURCE, **changes)
    error = error_of(Graph("p", (task,), source_lines={task.task_id: SourceLine("p.py", 5)}))
    assert message in error.message
    assert error.where == "p.py:5"


def test_a_bad_trigger_rule_names_the_near_ones() -> None:
    error = error_of(Graph("p", (attrs.evolve(SOURCE, trigger_rule="all_sucess"),)))
    assert "'all_success'" in (error.remedy or "")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "my pipeline"}, "'my pipeline' is not a valid pipeline name"),
        ({"max_active_runs": 0}, "max_active_runs"),
        ({"run_timeout": 0}, "run_timeout"),
        ({"tasks": (SOURCE, SOURCE)}, "two tasks called 'load'"),
        ({"parameters": (ParameterSpec("lr", ValueType.INT),) * 2}, "two parameters called 'lr'"),
        (
            {"parameters": (ParameterSpec("lr", ValueType.INT, required=False, default="x"),)},
            "parameter 'lr' is an integer and its default is 'x'",
        ),
    ],
)
def test_what_is_wrong_with_the_pipeline(changes: dict[str, Any], message: str) -> None:
    assert message in error_of(graph_of(**changes)).message


def test_a_parameter_may_be_none_by_default() -> None:
    check(graph_of(parameters=(ParameterSpec("lr", ValueType.INT, required=False, default=None),)))


def test_a_cycle_names_its_path() -> None:
    def task(name: str, *upstream: str) -> TaskSpec:
        return TaskSpec(name, name, f"m:{name}", upstream=upstream)

    tasks = (task("start"), task("a", "start", "c"), task("b", "a"), task("c", "b"), task("end", "c"))
    with pytest.raises(CycleError) as caught:
        check(Graph("p", tasks, source_lines={n: SourceLine("p.py", i) for i, n in enumerate("sabce")}))
    path = caught.value.message.rpartition(": ")[2].split(" -> ")
    assert path[0] == path[-1]
    assert sorted(path[1:]) == ["a", "b", "c"]
    assert caught.value.where in {"p.py:1", "p.py:2", "p.py:3"}


def _reaches_itself(start: str, upstream: dict[str, tuple[str, ...]]) -> bool:
    seen: set[str] = set()
    waiting = list(upstream[start])
    while waiting:
        name = waiting.pop()
        if name == start:
            return True
        if name not in seen and name in upstream:
            seen.add(name)
            waiting.extend(upstream[name])
    return False


@given(dependencies())
def test_cycles_are_found_exactly_when_there_are_some(upstream: dict[str, tuple[str, ...]]) -> None:
    cycle = find_cycle(upstream)
    assert bool(cycle) == any(_reaches_itself(name, upstream) for name in upstream)
    assert len(set(cycle)) == len(cycle)
    for before, after in zip(cycle, cycle[1:] + cycle[:1], strict=True):
        assert before in upstream[after]


def test_a_long_chain_needs_no_recursion() -> None:
    upstream = {str(i): (str(i - 1),) if i else () for i in range(20_000)}
    assert find_cycle(upstream) == []
    assert len(find_cycle({**upstream, "0": ("19999",)})) == 20_000


@pytest.mark.parametrize("given_type", ValueType)
@pytest.mark.parametrize("taken", ValueType)
def test_what_fits_is_what_is_accepted(given_type: ValueType, taken: ValueType) -> None:
    samples = {"int": 1, "float": 1.5, "str": "x", "bool": True, "list": [], "dict": {}, "path": "x"}
    if ValueType.JSON in (given_type, taken):
        assert fits(given_type, taken)
    else:
        assert fits(given_type, taken) == taken.accepts(samples[given_type])
