"""From a function's signature to a task's interface.

Invariant: every parameter and every output has exactly one kind (value, artifact, function) that both the graph and
the worker know; an annotation that says none of these is refused here, with what to write instead.
"""

from __future__ import annotations

import collections.abc
import inspect
import types
import typing
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, NewType, TypeVar, Union

import attrs

from millrace.authoring.source_lines import definition
from millrace.core.errors import GraphError
from millrace.core.types import INPUT, OUTPUT, SOURCE_PATH, Artifact, FromEarlierRun, ValueType

_VALUES: dict[Any, ValueType] = {
    int: ValueType.INT,
    float: ValueType.FLOAT,
    str: ValueType.STR,
    bool: ValueType.BOOL,
    list: ValueType.LIST,
    tuple: ValueType.LIST,
    dict: ValueType.DICT,
    collections.abc.Sequence: ValueType.LIST,
    collections.abc.Iterable: ValueType.LIST,
    collections.abc.Collection: ValueType.LIST,
    collections.abc.Mapping: ValueType.DICT,
    collections.abc.MutableMapping: ValueType.DICT,
    Any: ValueType.JSON,
    object: ValueType.JSON,
    type(None): ValueType.JSON,
    inspect.Parameter.empty: ValueType.JSON,
}
_VALUE_WORDS = (
    "Values are int, float, str, bool, list, dict; for anything else read and write files: Dataset, Model, Artifact."
)


@attrs.frozen
class Meaning:
    """What an annotation says."""

    kind: str
    type_name: str = attrs.field(converter=str)
    """A ValueType, the name of an artifact type, or ``function``."""
    artifact: type[Artifact] | None = None
    nullable: bool = False
    many: bool = False
    is_output: bool = False
    earlier: FromEarlierRun | None = None


def hints_of(function: Callable[..., Any], local_names: Mapping[str, Any]) -> dict[str, Any]:
    """Annotations by parameter name. ``local_names``: where to look for names that the function's module lacks."""
    target = inspect.unwrap(function)
    try:
        return _evaluated(target, local_names)
    except NameError as error:
        raise GraphError(
            f"an annotation of {name_of(function)} cannot be read: {error}",
            where=where_of(function),
            remedy="Import or define that name at the top of the file, not below `if TYPE_CHECKING`.",
        ) from error
    except TypeError as error:
        if not hasattr(target, "__annotations__"):
            return {}  # a builtin
        raise GraphError(
            f"an annotation of {name_of(function)} cannot be read: {error}", where=where_of(function)
        ) from error


def _evaluated(target: Callable[..., Any], local_names: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return typing.get_type_hints(target, include_extras=True)
    except NameError:
        # Only now: the caller's variables must not hide the module's own names.
        return typing.get_type_hints(target, localns=dict(local_names), include_extras=True)


def meaning_of(annotation: Any, what: str, where: str | None) -> Meaning:
    """What ``annotation`` says; GraphError naming ``what`` carries it."""
    origin = typing.get_origin(annotation)
    if origin is Annotated:
        inner = meaning_of(annotation.__origin__, what, where)
        return _directed(inner, annotation.__metadata__, what, where)
    if origin in (Union, types.UnionType):
        return _union(annotation, what, where)
    if isinstance(annotation, NewType):
        return meaning_of(annotation.__supertype__, what, where)
    if isinstance(annotation, TypeVar):
        return Meaning("value", ValueType.JSON)
    if origin is Literal:
        kinds = {type(v) for v in typing.get_args(annotation)}
        return Meaning("value", _VALUES.get(kinds.pop(), ValueType.JSON) if len(kinds) == 1 else ValueType.JSON)
    plain = origin or annotation
    if plain is collections.abc.Callable:
        return Meaning("function", "function")
    if inspect.isclass(plain) and issubclass(plain, Artifact):
        return Meaning("artifact", plain.type_name, artifact=plain)
    if typing.is_typeddict(plain):
        return Meaning("value", ValueType.DICT)
    if plain in _VALUES:
        return _value_or_artifacts(annotation, _VALUES[plain], what, where)
    shown = getattr(annotation, "__name__", None) or str(annotation)
    raise GraphError(f"{what} is annotated with {shown}, which tasks cannot exchange", where=where, remedy=_VALUE_WORDS)


def _value_or_artifacts(annotation: Any, value: ValueType, what: str, where: str | None) -> Meaning:
    inner = [meaning_of(a, what, where) for a in typing.get_args(annotation) if a is not Ellipsis]
    artifact = next((m.artifact for m in inner if m.artifact is not None), None)
    if artifact is None:
        return Meaning("value", value)
    if value is not ValueType.LIST or len(inner) != 1 or inner[0].many or inner[0].nullable:
        raise GraphError(
            f"{what} is annotated with {annotation}; artifacts come one by one or in a plain list",
            where=where,
            remedy=f"Annotate it as list[{artifact.__name__}].",
        )
    return attrs.evolve(inner[0], many=True)


def _union(annotation: Any, what: str, where: str | None) -> Meaning:
    members = [a for a in typing.get_args(annotation) if a is not type(None)]
    nullable = len(members) < len(typing.get_args(annotation))
    meanings = [meaning_of(m, what, where) for m in members]
    if len(meanings) == 1:
        return attrs.evolve(meanings[0], nullable=nullable)
    if any(m.kind != "value" for m in meanings):
        raise GraphError(
            f"{what} is annotated with a choice of types, {annotation}",
            where=where,
            remedy="Annotate it with one artifact class (a common base such as Artifact takes them all).",
        )
    return Meaning("value", ValueType.JSON, nullable=nullable)


def _directed(inner: Meaning, metadata: tuple[Any, ...], what: str, where: str | None) -> Meaning:
    earlier = next((m for m in metadata if isinstance(m, FromEarlierRun)), None)
    if earlier is not None:
        return attrs.evolve(inner, earlier=earlier)
    if any(m is SOURCE_PATH for m in metadata):
        return attrs.evolve(inner, type_name=ValueType.PATH)
    if OUTPUT not in metadata and INPUT not in metadata:
        return inner
    if inner.kind != "artifact":
        raise GraphError(
            f"{what} is annotated as Input or Output of something that is no artifact",
            where=where,
            remedy="They take Dataset, Model, Metrics or another artifact class; return plain values.",
        )
    if OUTPUT not in metadata:
        return inner
    if inner.many or inner.nullable:
        raise GraphError(f"{what} is an Output, which is always one artifact", where=where)
    return attrs.evolve(inner, is_output=True)


def name_of(function: Callable[..., Any]) -> str:
    return str(getattr(function, "__name__", None) or type(function).__name__)


def where_of(function: Callable[..., Any]) -> str | None:
    line = definition(function)
    return None if line is None else str(line)
