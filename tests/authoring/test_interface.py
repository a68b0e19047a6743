"""From annotations to inputs and outputs: every kind that is understood, and a remedy for those that are not."""

from __future__ import annotations

import collections.abc
import operator
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, NewType, Optional, TypedDict, TypeVar, Union

import attrs
import pytest

from millrace import Artifact, Dataset, Input, Metrics, Model, Output, pipeline, task
from millrace.authoring.function_interface import Interface, read_interface
from millrace.core.errors import GraphError
from millrace.core.types import OUTPUT

T = TypeVar("T")
UserId = NewType("UserId", int)


class Table(Dataset):
    """A type of one's own."""


class Renamed(Artifact):
    type_name = "examples.Renamed"


class Config(TypedDict):
    a: int


class Two(NamedTuple):
    table: Table
    rows: int


def interface_with(annotation: Any, **default: Any) -> Interface:
    """Of ``def function(x: annotation = default)``."""

    value = default.get("default")

    def function(x: Any) -> None: ...

    def function_with_default(x: Any = value) -> None: ...

    chosen = function_with_default if default else function
    chosen.__annotations__ = {"x": annotation}
    return read_interface(chosen)


@pytest.mark.parametrize(
    ("annotation", "kind", "type_name", "many", "optional"),
    [
        (int, "value", "int", False, False),
        (float, "value", "float", False, False),
        (str, "value", "str", False, False),
        (bool, "value", "bool", False, False),
        (list, "value", "list", False, False),
        (list[int], "value", "list", False, False),
        (tuple[int, ...], "value", "list", False, False),
        (Sequence[str], "value", "list", False, False),
        (dict[str, list[int]], "value", "dict", False, False),
        (collections.abc.Mapping[str, int], "value", "dict", False, False),
        (Config, "value", "dict", False, False),
        (Any, "value", "json", False, False),
        (object, "value", "json", False, False),
        (None, "value", "json", False, False),
        (T, "value", "json", False, False),
        (int | str, "value", "json", False, False),
        (Union[int, str], "value", "json", False, False),  # noqa: UP007 - the older spelling is read too
        (UserId, "value", "int", False, False),
        (Literal["a", "b"], "value", "str", False, False),
        (Literal["a", 1], "value", "json", False, False),
        (Annotated[int, "a note"], "value", "int", False, False),
        (int | None, "value", "int", False, True),
        (Optional[str], "value", "str", False, True),  # noqa: UP045 - the older spelling is read too
        (Dataset, "artifact", "Dataset", False, False),
        (Table, "artifact", "Table", False, False),
        (Renamed, "artifact", "examples.Renamed", False, False),
        (Input[Dataset], "artifact", "Dataset", False, False),
        (Dataset | None, "artifact", "Dataset", False, True),
        (list[Dataset], "artifact", "Dataset", True, False),
        (Sequence[Input[Dataset]], "artifact", "Dataset", True, False),
        (list[Dataset] | None, "artifact", "Dataset", True, True),
        (Callable, "function", "function", False, False),
        (Callable[[int], int], "function", "function", False, False),
        (Callable[..., Any] | None, "function", "function", False, True),
    ],
)
def test_inputs(annotation: Any, kind: str, type_name: str, many: bool, optional: bool) -> None:
    (spec,) = interface_with(annotation).inputs
    assert (spec.name, spec.kind, spec.type, spec.many, spec.optional) == ("x", kind, type_name, many, optional)
    assert type(spec.type) is str


@pytest.mark.parametrize(
    ("annotation", "default", "type_name", "shown"),
    [
        (int, 3, "int", 3),
        (float, 1, "float", 1),
        (str | None, None, "str", None),
        (int | None, 3, "json", 3),
        (int, None, "int", None),
        (tuple[int, int], (1, 2), "list", [1, 2]),
        (Any, Path("x"), "json", None),
        (Dataset | None, None, "Dataset", None),
    ],
)
def test_defaults(annotation: Any, default: Any, type_name: str, shown: Any) -> None:
    (spec,) = interface_with(annotation, default=default).inputs
    assert (spec.type, spec.optional, spec.default) == (type_name, True, shown)


def test_a_parameter_without_annotation_is_any_json() -> None:
    def function(x, *, y=1):  # type: ignore[no-untyped-def]
        pass

    assert [(i.name, i.type, i.optional) for i in read_interface(function).inputs] == [
        ("x", "json", False),
        ("y", "json", True),
    ]


@pytest.mark.parametrize(
    ("annotation", "outputs", "returns"),
    [
        (None, [("return_value", "value", "json")], {"return_value": None}),
        (int, [("return_value", "value", "int")], {"return_value": None}),
        (int | None, [("return_value", "value", "json")], {"return_value": None}),
        (dict[str, Any], [("return_value", "value", "dict")], {"return_value": None}),
        (Table, [("return_value", "artifact", "Table")], {"return_value": Table}),
        (Output[Model], [("return_value", "artifact", "Model")], {"return_value": Model}),
        (Two, [("table", "artifact", "Table"), ("rows", "value", "int")], {"table": Table, "rows": None}),
    ],
)
def test_what_is_returned(annotation: Any, outputs: list[tuple[str, str, str]], returns: dict[str, Any]) -> None:
    def function() -> None: ...

    function.__annotations__ = {"return": annotation}
    interface = read_interface(function)
    assert [(o.name, o.kind, o.type) for o in interface.outputs] == outputs
    assert interface.returns == returns


def test_without_annotation_any_json_is_returned() -> None:
    def function():  # type: ignore[no-untyped-def]
        pass

    assert [(o.name, o.type) for o in read_interface(function).outputs] == [("return_value", "json")]


def test_output_parameters() -> None:
    def nothing(model: Output[Model]) -> None: ...
    def value(model: Output[Model]) -> float: ...  # type: ignore[empty-body]
    def untold(model: Output[Table], metrics: Output[Metrics]): ...  # type: ignore[no-untyped-def]

    assert [o.name for o in read_interface(nothing).outputs] == ["model"]
    assert [o.name for o in read_interface(value).outputs] == ["model", "return_value"]
    interface = read_interface(untold)
    assert [(o.name, o.lineage) for o in interface.outputs] == [
        ("model", ("Table", "Dataset", "Artifact")),
        ("metrics", ("Metrics", "Artifact")),
    ]
    assert interface.output_parameters == {"model": Table, "metrics": Metrics}
    assert interface.inputs == ()


class Unknown:
    pass


@pytest.mark.parametrize(
    ("annotation", "message"),
    [
        (Unknown, "parameter 'x' of function is annotated with Unknown, which tasks cannot exchange"),
        (Path, "annotated with Path"),
        (set[int], "annotated with set"),
        (dict[str, Dataset], r"artifacts come one by one or in a plain list[\s\S]*list\[Dataset\]"),
        (list[list[Dataset]], r"artifacts come one by one or in a plain list"),
        (Dataset | Model, "a choice of types"),
        (Dataset | int, "a choice of types"),
        (Output[int], "Input or Output of something that is no artifact"),
        (Output[list[Dataset]], "is an Output, which is always one artifact"),
        (Annotated[Dataset | None, OUTPUT], "is an Output, which is always one artifact"),
    ],
)
def test_annotations_that_cannot_be_exchanged(annotation: Any, message: str) -> None:
    with pytest.raises(GraphError, match=message) as caught:
        interface_with(annotation)
    assert str(caught.value.where).startswith(f"{__file__}:")


@pytest.mark.parametrize("annotation", [list[Dataset], Callable[[], int], Unknown])
def test_what_cannot_be_returned(annotation: Any) -> None:
    def function() -> None: ...

    function.__annotations__ = {"return": annotation}
    with pytest.raises(GraphError, match="the return of function is annotated with"):
        read_interface(function)


@pytest.mark.parametrize(
    ("annotation", "default", "message"),
    [
        (int, "x", "parameter 'x' of function_with_default is an integer and its default is 'x'"),
        (float, float("nan"), "is nan, which JSON cannot say"),
        (Dataset, Dataset("x"), "takes an artifact and has a default"),
    ],
)
def test_defaults_that_cannot_be(annotation: Any, default: Any, message: str) -> None:
    with pytest.raises(GraphError, match=message):
        interface_with(annotation, default=default)


def test_names_that_are_not_there_are_told() -> None:
    def function(x: Nowhere) -> None: ...  # type: ignore[name-defined] # noqa: F821 - the mistake

    with pytest.raises(
        GraphError, match=r"an annotation of function cannot be read: name 'Nowhere'[\s\S]*TYPE_CHECKING"
    ):
        read_interface(function)


def test_annotations_may_name_what_stands_in_the_pipeline_function() -> None:
    @pipeline
    def p() -> None:
        class Parts(NamedTuple):
            first: int
            second: Dataset

        @task
        def parts() -> Parts: ...  # type: ignore[empty-body]

        @task
        def reads(x: int) -> None: ...

        reads(parts().first)

    assert [o.name for o in p.graph.tasks[0].outputs] == ["first", "second"]


def test_variable_arguments() -> None:
    def function(first, *rest, **named): ...  # type: ignore[no-untyped-def]

    @pipeline
    def p() -> None:
        task(function)(1, 2, 3, colour="red")

    (spec,) = p.graph.tasks
    assert {name: attrs.asdict(b)["value"] for name, b in spec.bindings.items()} == {
        "first": 1,
        "rest": [2, 3],
        "colour": "red",
    }
    assert [i.name for i in spec.inputs] == ["first", "rest", "colour"]


def test_builtins_have_what_they_tell() -> None:
    assert [i.name for i in read_interface(operator.add).inputs] == ["a", "b"]
    assert [i.name for i in read_interface(print).inputs][:2] == ["args", "sep"]
    assert read_interface(max).takes_any_keyword  # tells no signature


def test_a_function_that_was_not_written_as_a_task_is_read_leniently() -> None:
    def function(a: Unknown, b: Nowhere, c: int = "x", d: Path = Path("y"), e: list[Dataset] = []) -> set[int]: ...  # type: ignore # noqa: B006, F821, PGH003 - all of it is wrong

    interface = read_interface(function, lenient=True)
    assert [(i.name, i.type, i.optional) for i in interface.inputs] == [
        ("a", "json", False),
        ("b", "json", False),
        ("c", "json", True),
        ("d", "json", True),
        ("e", "json", True),
    ]
    assert [o.type for o in interface.outputs] == ["json"]
    assert read_interface(pytest.approx, lenient=True).positional[:2] == ("expected", "rel")
