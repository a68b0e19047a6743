"""The interface of a task: what its function takes and gives, for the graph and for the worker.

Rules for outputs: ``Output[...]`` parameters are outputs under their names. A return annotation of a NamedTuple gives
its fields; an artifact class or a value gives ``return_value``; without one, or with None, ``return_value`` is a JSON
value unless there are ``Output`` parameters, whose functions return nothing.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Mapping
from typing import Any

import attrs

from millrace.authoring.annotations import Meaning, hints_of, meaning_of, name_of, where_of
from millrace.authoring.constants import constant, is_constant
from millrace.core.errors import GraphError
from millrace.core.graph import InputSpec, OutputSpec
from millrace.core.types import Artifact, FromEarlierRun, Json, ValueType, type_lineage

RETURN_VALUE = "return_value"
_ANYTHING = Meaning("value", ValueType.JSON)
_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


@attrs.frozen
class Interface:
    """What a function takes and gives."""

    inputs: tuple[InputSpec, ...]
    outputs: tuple[OutputSpec, ...]
    input_artifacts: Mapping[str, type[Artifact]]
    output_parameters: Mapping[str, type[Artifact]]
    returns: Mapping[str, type[Artifact] | None]
    positional: tuple[str, ...]
    """Inputs that may be given by position, in order."""
    positional_only: tuple[str, ...]
    required: frozenset[str]
    """Inputs without a default in Python."""
    variadic: str = ""
    """The name of ``*args``."""
    takes_any_keyword: bool = False
    default_functions: Mapping[str, Callable[..., Any]] = attrs.field(factory=dict)
    """Parameters that take a function and have one as default."""
    earlier_runs: Mapping[str, FromEarlierRun] = attrs.field(factory=dict)
    """Inputs that come from an earlier run when nothing is passed for them."""

    @property
    def nullable(self) -> tuple[str, ...]:
        """Inputs that are None when nothing comes for them, though Python has no default for them."""
        return tuple(i.name for i in self.inputs if i.optional and i.name in self.required)

    def with_keyword(self, name: str) -> Interface:
        """With one more JSON input, that goes to ``**kwargs``."""
        extra = InputSpec(name, "value", ValueType.JSON.value)
        return attrs.evolve(self, inputs=(*self.inputs, extra), required=self.required | {name})


def read_interface(
    function: Callable[..., Any], local_names: Mapping[str, Any] | None = None, *, lenient: bool = False
) -> Interface:
    """The interface of ``function``; GraphError where an annotation or a default cannot be used.

    ``lenient``: for a function that was not written as a task; what cannot be used counts as any JSON value.
    """
    try:
        hints = hints_of(function, local_names or {})
    except GraphError:
        if not lenient:
            raise
        hints = {}
    reader = _Reader(function, hints, lenient=lenient)
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except ValueError:  # a builtin that does not tell: whatever is passed goes through
        parameters = [
            inspect.Parameter("args", inspect.Parameter.VAR_POSITIONAL),
            inspect.Parameter("kwargs", inspect.Parameter.VAR_KEYWORD),
        ]
    for parameter in parameters:
        reader.parameter(parameter)
    reader.returned(hints.get("return", inspect.Parameter.empty))
    return reader.interface()


class _Reader:
    def __init__(self, function: Callable[..., Any], hints: Mapping[str, Any], *, lenient: bool) -> None:
        self.function, self.hints, self.lenient = function, hints, lenient
        self.where = where_of(function)
        self.inputs: list[InputSpec] = []
        self.outputs: list[OutputSpec] = []
        self.input_artifacts: dict[str, type[Artifact]] = {}
        self.output_parameters: dict[str, type[Artifact]] = {}
        self.returns: dict[str, type[Artifact] | None] = {}
        self.positional: list[str] = []
        self.positional_only: list[str] = []
        self.required: set[str] = set()
        self.variadic = ""
        self.takes_any_keyword = False
        self.default_functions: dict[str, Callable[..., Any]] = {}
        self.earlier_runs: dict[str, FromEarlierRun] = {}

    def interface(self) -> Interface:
        return Interface(
            inputs=tuple(self.inputs),
            outputs=tuple(self.outputs),
            input_artifacts=self.input_artifacts,
            output_parameters=self.output_parameters,
            returns=self.returns,
            positional=tuple(self.positional),
            positional_only=tuple(self.positional_only),
            required=frozenset(self.required),
            variadic=self.variadic,
            takes_any_keyword=self.takes_any_keyword,
            default_functions=self.default_functions,
            earlier_runs=self.earlier_runs,
        )

    def parameter(self, parameter: inspect.Parameter) -> None:
        name = parameter.name
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            self.takes_any_keyword = True
            return
        if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
            self.variadic = name
            self.inputs.append(InputSpec(name, "value", ValueType.LIST.value, optional=True, default=[]))
            return
        what = f"parameter {name!r} of {name_of(self.function)}"
        meaning = self._meaning(self.hints.get(name, inspect.Parameter.empty), what)
        if meaning.is_output:
            assert meaning.artifact is not None
            self.output_parameters[name] = meaning.artifact
            self.outputs.append(_artifact_output(name, meaning.artifact))
            return
        if meaning.artifact is not None:
            self.input_artifacts[name] = meaning.artifact
        if meaning.earlier is not None:
            self.earlier_runs[name] = meaning.earlier
        if parameter.kind in _POSITIONAL:
            self.positional.append(name)
        if parameter.kind is inspect.Parameter.POSITIONAL_ONLY:
            self.positional_only.append(name)
        self.inputs.append(self._input(name, meaning, parameter.default, what))

    def _meaning(self, annotation: Any, what: str) -> Meaning:
        try:
            return meaning_of(annotation, what, self.where)
        except GraphError:
            if not self.lenient:
                raise
            return _ANYTHING

    def _input(self, name: str, meaning: Meaning, default: Any, what: str) -> InputSpec:
        spec = InputSpec(name, meaning.kind, meaning.type_name, many=meaning.many)
        if default is inspect.Parameter.empty:
            self.required.add(name)
            return attrs.evolve(spec, optional=meaning.nullable)
        if default is None:
            return attrs.evolve(spec, optional=True)
        if meaning.kind == "function":
            self.default_functions[name] = default
            return attrs.evolve(spec, optional=True)
        if meaning.kind == "artifact":
            raise GraphError(
                f"{what} takes an artifact and has a default", where=self.where, remedy="Its default can be None only."
            )
        if not is_constant(default) and (self.lenient or meaning.type_name == ValueType.JSON):
            return attrs.evolve(spec, optional=True)  # Python applies it; the graph cannot show it
        return self._with_default(spec, meaning, constant(default, f"the default of {what}", self.where), what)

    def _with_default(self, spec: InputSpec, meaning: Meaning, default: Json, what: str) -> InputSpec:
        if self.lenient and not ValueType(meaning.type_name).accepts(default):
            return attrs.evolve(spec, type=ValueType.JSON.value, optional=True, default=default)
        if not ValueType(meaning.type_name).accepts(default):
            raise GraphError(
                f"{what} is {ValueType(meaning.type_name).article} and its default is {default!r}",
                where=self.where,
                remedy="Change the annotation or the default.",
            )
        # A graph lets None through where the default is None; here both the default and None are meant.
        kind = ValueType.JSON.value if meaning.nullable else meaning.type_name
        return attrs.evolve(spec, type=kind, optional=True, default=default)

    def returned(self, annotation: Any) -> None:
        nothing = annotation is inspect.Parameter.empty or annotation in (None, type(None))
        if nothing and self.output_parameters:
            return
        if inspect.isclass(annotation) and issubclass(annotation, tuple) and hasattr(annotation, "_fields"):
            for field, hint in typing.get_type_hints(annotation, include_extras=True).items():
                self._return(field, hint, f"field {field!r} that {name_of(self.function)} returns")
            return
        self._return(RETURN_VALUE, annotation, f"the return of {name_of(self.function)}")

    def _return(self, name: str, annotation: Any, what: str) -> None:
        meaning = self._meaning(annotation, what)
        if self.lenient and (meaning.many or meaning.kind == "function"):
            meaning = _ANYTHING
        if meaning.many or meaning.kind == "function":
            raise GraphError(
                f"{what} is annotated with {annotation}, which a task cannot give",
                where=self.where,
                remedy="Return one artifact (a folder may hold many files), or a NamedTuple of several.",
            )
        self.returns[name] = meaning.artifact
        if meaning.artifact is not None:
            self.outputs.append(_artifact_output(name, meaning.artifact))
        else:
            kind = ValueType.JSON.value if meaning.nullable else meaning.type_name
            self.outputs.append(OutputSpec(name, "value", kind))


def _artifact_output(name: str, artifact: type[Artifact]) -> OutputSpec:
    return OutputSpec(name, "artifact", artifact.type_name, type_lineage(artifact))
