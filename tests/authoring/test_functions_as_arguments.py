"""Functions passed to components: by ``module:qualname``, and only if a worker can find them again."""

from __future__ import annotations

import functools
import math
from typing import Any

import pytest

from millrace import pipeline
from millrace.core.errors import GraphError
from millrace.core.graph import Binding, Constant, FunctionRef
from tests.authoring.functions_module import Apply, ApplyDouble, Methods, decorated, double

MODULE = "tests.authoring.functions_module"


def bindings_of(body: Any) -> dict[str, Binding]:
    return dict(pipeline(body).graph.tasks[0].bindings)


@pytest.mark.parametrize(
    ("function", "code"),
    [
        (double, f"{MODULE}:double"),
        (decorated, f"{MODULE}:decorated"),
        (Methods.static, f"{MODULE}:Methods.static"),
        (math.floor, "math:floor"),
    ],
)
def test_a_function_is_passed_by_its_name(function: Any, code: str) -> None:
    def body() -> None:
        Apply(function)

    assert bindings_of(body) == {"function": FunctionRef(code)}


def test_none_for_an_optional_function() -> None:
    def body() -> None:
        Apply(double, other=None)

    assert bindings_of(body)["other"] == Constant(None)


def test_a_default_function_is_bound_so_that_its_code_counts() -> None:
    def body() -> None:
        ApplyDouble()

    assert bindings_of(body) == {"function": FunctionRef(f"{MODULE}:double")}


def _local(x: int) -> int:
    return x


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x: x, "a lambda cannot be passed to a task"),
        (Methods().method, "method cannot be passed to a task"),
        (functools.partial(double, 1), "partial cannot be passed to a task"),
    ],
)
def test_what_a_worker_could_not_find(function: Any, message: str) -> None:
    def body() -> None:
        Apply(function)

    with pytest.raises(GraphError, match=message) as caught:
        bindings_of(body)
    assert caught.value.remedy == "Define it with `def` at the top of a file, outside of any function or class."


def test_a_function_in_a_function_is_told_where_it_is() -> None:
    def inner(x: int) -> int:
        return x

    def body() -> None:
        Apply(inner)

    with pytest.raises(GraphError, match="inner cannot be passed") as caught:
        bindings_of(body)
    assert caught.value.where == f"{__file__}:{inner.__code__.co_firstlineno}"


def test_a_value_for_a_function() -> None:
    def body() -> None:
        Apply("module:double")  # type: ignore[arg-type] # the mistake

    with pytest.raises(GraphError, match="takes a function for 'function', not \"module:double\""):
        bindings_of(body)
