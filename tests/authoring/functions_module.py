"""Functions at the top of a module, to pass to tasks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millrace import component, task


def double(x: int) -> int:
    return 2 * x


@task
def decorated(x: int) -> int:
    return x + 1


class Methods:
    def method(self, x: int) -> int:
        return x

    @staticmethod
    def static(x: int) -> int:
        return x


@component
def Apply(function: Callable[[int], int], x: int = 1, other: Callable[..., Any] | None = None) -> int:
    return function(x)


@component
def ApplyDouble(function: Callable[[int], int] = double) -> int:
    return function(1)
