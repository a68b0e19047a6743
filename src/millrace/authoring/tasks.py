"""``@task`` and ``@component``: functions that become tasks where a pipeline calls them.

Invariant: outside of a pipeline a decorated function is that function, so it is unit-tested as one.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, Generic, ParamSpec, Protocol, TypeVar, Unpack, overload

from millrace.authoring.bodies import PipelineBody, TaskDefinition, current_body
from millrace.authoring.function_interface import read_interface
from millrace.authoring.handles import TaskHandle
from millrace.authoring.options import TaskArguments, TaskOptions
from millrace.authoring.source_lines import caller, caller_locals
from millrace.core.errors import GraphError

P = ParamSpec("P")
R = TypeVar("R")


class HasBody(Protocol):
    """A pipeline that tasks may be added to: what ``dag=`` takes."""

    @property
    def body(self) -> PipelineBody: ...


class Task(Generic[P, R]):
    """A decorated function.

    To mypy a call gives what the function gives, so the handle that a pipeline gets is checked where it is passed on.
    A function that returns nothing gives a handle to its outputs, which mypy takes for Any, and its arguments are
    left to the graph's checks: nobody passes its ``Output`` parameters.
    """

    __name__: str
    __qualname__: str

    def __init__(
        self,
        function: Callable[P, R],
        options: TaskOptions,
        *,
        cached_by_default: bool = False,
        dag: HasBody | None = None,
    ) -> None:
        functools.update_wrapper(self, function)
        self.function = function
        self._options, self._cached_by_default, self._dag = options, cached_by_default, dag
        self._definition: TaskDefinition | None = None

    @overload
    def __call__(self: Task[P, None], *args: Any, **kwargs: Any) -> Any: ...
    @overload
    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R: ...
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        body = current_body.get() if self._dag is None else self._dag.body
        if body is None:
            return self.function(*args, **kwargs)
        if self._definition is None:
            self._definition = TaskDefinition(
                component=self.function.__name__,
                function=self.function,
                interface=read_interface(self.function, caller_locals()),
                options=self._options.over(TaskOptions(doc=inspect.getdoc(self.function))),
                cached_by_default=self._cached_by_default,
            )
        return TaskHandle(body.add(self._definition, args, kwargs, numbered=True))

    @property
    def __wrapped_task__(self) -> Callable[..., Any]:
        """The function, for whoever takes functions as arguments."""
        return self.function

    def override(self, **arguments: Unpack[TaskArguments]) -> Task[P, R]:
        """The same task with other arguments, for one call: ``train.override(retries=3)(data)``."""
        options = TaskOptions.of(arguments, what="override", where=str(caller()))
        return Task(
            self.function, options.over(self._options), cached_by_default=self._cached_by_default, dag=self._dag
        )

    def __reduce__(self) -> str:
        # Pickled by its name, as the function itself would be: that name stands for this object.
        return self.function.__qualname__

    def __repr__(self) -> str:
        return f"<task function {self.function.__qualname__}>"


class TaskDecorator(Protocol):
    """``@task(...)`` with arguments."""

    def __call__(self, function: Callable[P, R], /) -> Task[P, R]: ...


@overload
def task(function: Callable[P, R], /) -> Task[P, R]: ...
@overload
def task(*, dag: HasBody | None = None, **arguments: Unpack[TaskArguments]) -> TaskDecorator: ...
def task(function: Any = None, /, *, dag: HasBody | None = None, **arguments: Any) -> Any:
    """Make a function a task: ``@task`` or ``@task(retries=2, ...)`` (see :class:`TaskArguments`).

    Called in a pipeline it adds a task and returns a handle to its outputs; anywhere else it is the function.
    """
    return _decorate("@task", function, arguments, dag=dag, cached_by_default=False)


@overload
def component(function: Callable[P, R], /) -> Task[P, R]: ...
@overload
def component(*, dag: HasBody | None = None, **arguments: Unpack[TaskArguments]) -> TaskDecorator: ...
def component(function: Any = None, /, *, dag: HasBody | None = None, **arguments: Any) -> Any:
    """A task meant for reuse: as :func:`task`, and taken from the cache unless ``cache=False`` is said."""
    return _decorate("@component", function, arguments, dag=dag, cached_by_default=True)


def _decorate(
    what: str, function: Any, arguments: dict[str, Any], *, dag: HasBody | None, cached_by_default: bool
) -> Any:
    where = str(caller())
    options = TaskOptions.of(arguments, what=what, where=where)

    def decorate(function: Callable[P, R]) -> Task[P, R]:
        if not inspect.isroutine(function):
            raise GraphError(
                f"{what} decorates functions, not {function!r}",
                where=where,
                remedy=f"Write {what}(task_id=...) to give it a name." if isinstance(function, str) else None,
            )
        return Task(function, options, cached_by_default=cached_by_default, dag=dag)

    return decorate if function is None else decorate(function)
