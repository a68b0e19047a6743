"""Checks that what a task hands on is JSON, and says where it is not.

Invariant: what :func:`plain` returns survives a round through JSON unchanged. A tuple becomes a list and a NumPy scalar
the Python number it stands for; NaN and infinities, which JSON does not have, are refused rather than nulled.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Mapping

from millrace.core.errors import TaskFailure
from millrace.core.types import Json

_INT_LIMIT = 2**63
_REMEDY = "Return JSON (None, bool, int, float, str, lists and dicts of these), or write an artifact: Output[Dataset]."


def plain(value: object, place: str) -> Json:
    """``value`` as plain JSON. ``place`` says what it is, for the error: ``output 'rows' of task 'read'``."""
    if value is None or value is True or value is False:
        return value
    if isinstance(value, enum.Enum):
        return plain(value.value, place)
    if isinstance(value, str):
        return _text(str(value), place)
    if isinstance(value, int):
        if not -_INT_LIMIT <= value < 2 * _INT_LIMIT:
            raise TaskFailure(f"{place} is an integer of more than 64 bits", remedy="Return it as a string.")
        return int(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise TaskFailure(f"{place} is {value}, which JSON cannot hold", remedy="Return None in its place.")
        return float(value)
    if isinstance(value, Mapping):
        return {_key(k, place): plain(v, f"{place}[{k!r}]") for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v, f"{place}[{i}]") for i, v in enumerate(value)]
    return _scalar(value, place)


def _text(text: str, place: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise TaskFailure(f"{place} is a string with half a surrogate pair, which is no valid text") from None
    return text


def _key(key: object, place: str) -> str:
    if isinstance(key, str):
        return _text(str(key), place)
    raise TaskFailure(f"{place} has the key {key!r}; JSON keys are strings", remedy=_REMEDY)


def _scalar(value: object, place: str) -> Json:
    item = getattr(value, "item", None)  # a NumPy scalar; an array of any dimension is refused
    if callable(item) and type(value).__module__ == "numpy" and getattr(value, "ndim", None) == 0:
        bare = item()
        if isinstance(bare, bool | int | float | str):
            return plain(bare, place)
    raise TaskFailure(f"{place} is of type {_named(value)}, which is not JSON", remedy=_REMEDY)


def _named(value: object) -> str:
    kind = type(value)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
