"""Typer's commands without the wait for pydantic.

Typer turns each argument into its annotated type with a pydantic adapter, also where the text of the command line is
the value already; importing pydantic for that takes longer than most verbs. Here text stays text and defaults stay
as they are; only a text that must become another type goes Typer's way.

It replaces one private attribute of Typer's parameters, and only where it is there: a Typer without it is as right and
slower. A test holds that no verb imports pydantic for its arguments.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from typer.core import TyperCommand, TyperGroup

_ATTRIBUTE = "_runtime_param"


class _Text:
    """Stands in for a parameter's coercion until it is needed."""

    def __init__(self, parameter: Any) -> None:
        self._parameter = parameter
        self._is_text = parameter.type_descriptor.annotation in (str, list[str])

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:
        many = param.multiple or param.nargs == -1
        if value is None:
            return () if many else None
        if many and self._is_text and not isinstance(value, str):
            return list(value)
        if self._is_text or not isinstance(value, str):
            return value
        setattr(self._parameter, _ATTRIBUTE, None)
        build = cast("Callable[[], Any]", self._parameter.get_runtime_param)
        return build().coerce(value, param=param, ctx=ctx)


def _lightened(parameters: list[Any]) -> list[Any]:
    for parameter in parameters:
        if getattr(parameter, _ATTRIBUTE, "absent") is None and hasattr(parameter, "type_descriptor"):
            setattr(parameter, _ATTRIBUTE, _Text(parameter))
    return parameters


class LeanCommand(TyperCommand):
    """A verb."""

    def get_params(self, ctx: Any) -> list[Any]:
        return _lightened(super().get_params(ctx))


class LeanGroup(TyperGroup):
    """A group of verbs."""

    def get_params(self, ctx: Any) -> list[Any]:
        return _lightened(super().get_params(ctx))
