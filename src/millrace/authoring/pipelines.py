"""Pipelines: ``@pipeline`` functions and ``with DAG(...)`` blocks, and the graph that each comes to.

Invariant: ``.graph`` is checked, or it raises; nothing is run and nothing is stored by writing a pipeline.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from contextvars import Token
from datetime import date, datetime, timedelta, tzinfo
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self, Unpack, overload

import attrs

from millrace.authoring import registry, running
from millrace.authoring.annotations import hints_of, meaning_of
from millrace.authoring.bodies import PipelineBody, current_body
from millrace.authoring.constants import constant
from millrace.authoring.handles import ParameterHandle
from millrace.authoring.pipeline_settings import DagArguments, PipelineArguments, PipelineSettings
from millrace.authoring.source_lines import caller, caller_locals, caller_module
from millrace.core.errors import GraphError, did_you_mean
from millrace.core.graph import Graph, ParameterSpec, SourceLine
from millrace.core.graph_check import check, check_name
from millrace.core.types import Json, ValueType

if TYPE_CHECKING:
    from millrace.authoring.project_modules import ProjectModules

_BY_VALUE = (ValueType.BOOL, ValueType.INT, ValueType.FLOAT, ValueType.STR, ValueType.LIST, ValueType.DICT)


class Pipeline:
    """A pipeline: ``.graph`` is what it does, ``.run(lr=0.1)`` does it in this process."""

    def __init__(self, settings: PipelineSettings, line: SourceLine) -> None:
        check_name("pipeline", settings.name, settings.where)
        self.settings, self.line = settings, line
        self.project: ProjectModules | None = None
        """The project that it was loaded from; None when Python itself imported it."""
        self.module = caller_module()
        """The name of the module that made it."""
        registry.record(self)

    @property
    def name(self) -> str:
        return self.settings.name

    @property
    def body(self) -> PipelineBody:
        """Its tasks."""
        raise NotImplementedError

    @property
    def graph(self) -> Graph:
        """The checked graph; GraphError with the line of the file that is wrong."""
        raise NotImplementedError

    def run(
        self,
        params: Mapping[str, Json] | None = None,
        /,
        *,
        home: str | Path | None = None,
        show: bool = False,
        **more: Json,
    ) -> Any:
        """Run it here, with no server and no worker processes, and wait for its end.

        Parameters go by name: ``run(lr=0.1)``; one that is called ``home`` or ``show`` goes in ``params``.
        ``home`` is the folder with the store, ``show`` prints the progress. Gives a ``RunResult``.
        """
        token = current_body.set(None)  # `dag.run()` inside its `with` block: what tasks call are plain functions again
        try:
            place = None if home is None else Path(home)
            return running.run_in_process(self, {**(params or {}), **more}, home=place, show=show)
        finally:
            current_body.reset(token)

    def test(self, params: Mapping[str, Json] | None = None, /, *, home: str | Path | None = None, **more: Json) -> Any:
        """:meth:`run`, showing what it does."""
        return self.run(params, home=home, show=True, **more)

    def _complete(self, body: PipelineBody, parameters: tuple[ParameterSpec, ...]) -> Graph:
        graph = Graph(
            tasks=body.tasks(),
            parameters=parameters,
            source_lines={"": self.line, **body.lines()},
            **self.settings.graph_fields(),
        )
        check(graph)
        return graph

    def __repr__(self) -> str:
        return f"<pipeline {self.name}>"


class FunctionPipeline(Pipeline):
    """What ``@pipeline`` makes. Its function is called once, with handles, when the graph is first asked for."""

    def __init__(
        self, function: Callable[..., Any], settings: PipelineSettings, line: SourceLine, names: Mapping[str, Any]
    ) -> None:
        super().__init__(settings, line)
        self.function = function
        self.__doc__ = function.__doc__
        self.__name__, self.__qualname__, self.__module__ = (
            function.__name__,
            function.__qualname__,
            function.__module__,
        )
        self._local_names = names
        self._built: tuple[PipelineBody, Graph] | None = None

    @property
    def body(self) -> PipelineBody:
        return self._build()[0]

    @property
    def graph(self) -> Graph:
        return self._build()[1]

    def __call__(self, *args: Any, **kwargs: Any) -> Self:
        """Itself: Airflow's files call their pipeline at the end. With arguments: the remedy."""
        if current_body.get() is not None:
            raise GraphError(
                f"pipeline {self.name!r} is called inside of another pipeline",
                where=str(caller()),
                remedy="Write a plain function that calls the tasks, and call it from both.",
            )
        if args or kwargs:
            shown = ", ".join([*map(repr, args), *(f"{k}={v!r}" for k, v in kwargs.items())])
            raise GraphError(
                f"pipeline {self.name!r} takes its parameters when it runs",
                where=str(caller()),
                remedy=f"{self.__name__}.run({shown})",
            )
        return self

    def _build(self) -> tuple[PipelineBody, Graph]:
        if self._built is None:
            body = PipelineBody(self.settings.task_defaults, cache=self.settings.cache)
            parameters = _parameters(self.function, self._local_names, str(self.line))
            token = current_body.set(body)
            try:
                self.function(**{p.name: ParameterHandle(p.name, body) for p in parameters})
            finally:
                current_body.reset(token)
            self._built = body, self._complete(body, parameters)
        return self._built


class DAG(Pipeline):
    """A pipeline in Airflow's form: ``with DAG("name", schedule="@daily") as dag: ...``, or ``dag=`` for each task."""

    def __init__(
        self,
        dag_id: str,
        description: str = "",
        *,
        schedule: Any = None,
        start_date: datetime | date | str | None = None,
        end_date: datetime | date | str | None = None,
        catchup: bool = False,
        timezone: str | tzinfo | None = None,
        max_active_runs: int = 16,
        dagrun_timeout: timedelta | float | None = None,
        tags: Sequence[str] = (),
        default_args: Mapping[str, Any] | None = None,
        params: Mapping[str, Json] | None = None,
        cache: bool | None = None,
    ) -> None:
        line = caller()
        settings = PipelineSettings(
            name=dag_id,
            where=str(line),
            schedule=schedule,
            start_date=start_date,
            end_date=end_date,
            catchup=catchup,
            timezone=timezone,
            max_active_runs=max_active_runs,
            run_timeout=dagrun_timeout,
            tags=tags,
            description=description,
            default_args=default_args,
            cache=cache,
        )
        super().__init__(settings, line)
        self._body = PipelineBody(settings.task_defaults, cache=cache)
        self._parameters = tuple(_with_default(name, value, str(line)) for name, value in (params or {}).items())
        self.params = {p.name: ParameterHandle(p.name, self._body) for p in self._parameters}
        """Handles to pass to tasks: ``dag.params["lr"]``."""
        self._tokens: list[Token[PipelineBody | None]] = []
        self._built: tuple[tuple[int, int], Graph] | None = None

    @property
    def dag_id(self) -> str:
        return self.name

    @property
    def body(self) -> PipelineBody:
        return self._body

    @property
    def graph(self) -> Graph:
        state = self._body.revision
        if self._built is None or self._built[0] != state:
            self._built = state, self._complete(self._body, self._parameters)
        return self._built[1]

    def __enter__(self) -> Self:
        self._tokens.append(current_body.set(self._body))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        current_body.reset(self._tokens.pop())


class PipelineDecorator(Protocol):
    """``@pipeline(...)`` with arguments."""

    def __call__(self, function: Callable[..., Any], /) -> FunctionPipeline: ...


@overload
def pipeline(function: Callable[..., Any], /) -> FunctionPipeline: ...
@overload
def pipeline(name: str | None = None, /, **arguments: Unpack[PipelineArguments]) -> PipelineDecorator: ...
@overload
def pipeline(*, name: str, **arguments: Unpack[PipelineArguments]) -> PipelineDecorator: ...
def pipeline(function: Any = None, /, *, name: str | None = None, **arguments: Any) -> Any:
    """Make a function a pipeline: ``@pipeline`` or ``@pipeline(name="...", schedule="@daily", ...)``.

    The function calls tasks; its parameters, annotated with plain types, are the parameters of a run.
    """
    return _decorate("@pipeline", function, name, arguments)


@overload
def dag(function: Callable[..., Any], /) -> FunctionPipeline: ...
@overload
def dag(dag_id: str | None = None, /, **arguments: Unpack[DagArguments]) -> PipelineDecorator: ...
@overload
def dag(*, dag_id: str, **arguments: Unpack[DagArguments]) -> PipelineDecorator: ...
def dag(function: Any = None, /, *, dag_id: str | None = None, **arguments: Any) -> Any:
    """:func:`pipeline` under Airflow's name: ``@dag(dag_id="...", schedule="@daily", ...)``."""
    if "dagrun_timeout" in arguments:
        arguments["run_timeout"] = arguments.pop("dagrun_timeout")
    return _decorate("@dag", function, dag_id, arguments)


def _decorate(what: str, first: Any, name: str | None, arguments: dict[str, Any]) -> Any:
    line, names = caller(), caller_locals()
    where = str(line)
    known = [f.name for f in attrs.fields(PipelineSettings) if f.name not in ("name", "where")]
    for given in arguments:
        if given not in known:
            raise GraphError(f"{what} has no argument {given!r}", where=where, remedy=did_you_mean(given, known))

    def decorate(function: Callable[..., Any]) -> FunctionPipeline:
        if not inspect.isroutine(function):
            raise GraphError(f"{what} decorates functions, not {function!r}", where=where)
        settings = PipelineSettings(name=name or function.__name__, where=where, **arguments)
        if not settings.description:
            settings = attrs.evolve(settings, description=inspect.getdoc(function) or "")
        return FunctionPipeline(function, settings, line, names)

    if isinstance(first, str):
        name = name or first
        return decorate
    return decorate if first is None else decorate(first)


def _parameters(function: Callable[..., Any], local_names: Mapping[str, Any], where: str) -> tuple[ParameterSpec, ...]:
    hints = hints_of(function, local_names)
    return tuple(
        _parameter(p, hints.get(p.name, p.empty), where) for p in inspect.signature(function).parameters.values()
    )


def _parameter(parameter: inspect.Parameter, annotation: Any, where: str) -> ParameterSpec:
    name, empty = parameter.name, parameter.empty
    if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
        raise GraphError(f"the pipeline's parameter {name!r} must be an ordinary one", where=where)
    if annotation is empty and parameter.default is not empty:
        return _with_default(name, parameter.default, where)
    meaning = meaning_of(annotation, f"parameter {name!r} of the pipeline", where)
    if meaning.kind != "value":
        raise GraphError(
            f"parameter {name!r} of the pipeline is annotated with {meaning.type_name}",
            where=where,
            remedy="Parameters of a run are plain values: pass a path or a URI as str and read it in a task.",
        )
    kind = ValueType(meaning.type_name)
    if parameter.default is empty:
        return ParameterSpec(name, ValueType.JSON if meaning.nullable else kind)
    if meaning.nullable and parameter.default is not None:
        kind = ValueType.JSON  # a graph lets None through only where it is the default
    default = constant(parameter.default, f"the default of {name!r}", where)
    return ParameterSpec(name, kind, required=False, default=default)


def _with_default(name: str, value: Any, where: str) -> ParameterSpec:
    """A parameter without annotation has the type of its default."""
    default = constant(value, f"the default of {name!r}", where)
    kind = next((t for t in _BY_VALUE if t.accepts(default)), ValueType.JSON)
    return ParameterSpec(name, kind, required=False, default=default)
