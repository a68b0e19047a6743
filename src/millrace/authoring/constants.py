"""From Python values written in a pipeline file to the JSON that a graph may hold.

Invariant: what comes out equals itself after a trip through JSON, so a constant means the same in the file, in the
graph and in the task.
"""

from __future__ import annotations

import math
from datetime import timedelta
from pathlib import PurePath
from typing import Any

from millrace.core.errors import GraphError
from millrace.core.types import Json


def constant(value: Any, what: str, where: str | None = None) -> Json:
    """``value`` as plain JSON (a tuple becomes a list); GraphError naming ``what`` it was meant for."""
    if value is None or isinstance(value, bool):
        return value
    for plain in (int, str):
        if isinstance(value, plain):
            return plain(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise GraphError(f"{what} is {value}, which JSON cannot say", where=where, remedy="Use None.")
        return float(value)
    if isinstance(value, list | tuple):
        return [constant(item, what, where) for item in value]
    if isinstance(value, dict):
        if not all(isinstance(key, str) for key in value):
            raise GraphError(f"{what} is a dict whose keys are not all strings", where=where)
        return {str(key): constant(item, what, where) for key, item in value.items()}
    raise GraphError(f"{what} is a {type(value).__name__}, which is no JSON value", where=where, remedy=_remedy(value))


def is_constant(value: Any) -> bool:
    try:
        constant(value, "")
    except GraphError:
        return False
    return True


def microseconds(value: timedelta | float, what: str, where: str | None = None) -> int:
    """A duration, given as a timedelta or in seconds, in microseconds."""
    if isinstance(value, timedelta):
        return value // timedelta(microseconds=1)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise GraphError(f"{what} must be a timedelta or a number of seconds, not {value!r}", where=where)
    return round(value * 1_000_000)


def _remedy(value: Any) -> str:
    if isinstance(value, PurePath):
        return "Pass str(path)."
    if hasattr(value, "isoformat"):
        return "Pass value.isoformat()."
    if hasattr(value, "tolist"):
        return "Pass value.tolist()."
    return "Values are int, float, str, bool, list, dict; make anything else in a task, as an artifact."
