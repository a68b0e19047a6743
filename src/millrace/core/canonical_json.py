"""One spelling for each JSON value, and its digest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from millrace.core.errors import UsageError


def canonical_json(value: object) -> bytes:
    """JSON with one spelling for each value: sorted keys, no blanks, ASCII.

    A tuple is a list; 1, 1.0 and true differ; -0.0 is 0.0; NaN and the infinities are written ``NaN``,
    ``Infinity`` and ``-Infinity``, as Python's own reader takes them. Anything else (bytes, sets, keys that are
    not text, objects) is a UsageError that says where it stands.
    """
    try:
        plain = _plain(value, "")
        return json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode("ascii")
    except RecursionError:
        raise UsageError("the value is nested too deeply", remedy="Pass it as an artifact.") from None


def digest_json(value: object) -> str:
    """sha256, as 64 hex digits, of the canonical JSON."""
    return hashlib.sha256(canonical_json(value)).hexdigest()


def _plain(value: object, place: str) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value) + 0.0  # -0.0 + 0.0 is 0.0
    if isinstance(value, list | tuple):
        return [_plain(item, f"{place}[{number}]") for number, item in enumerate(value)]
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise _no_json(key, f"a key of {place or 'the value'}")
        return {str(key): _plain(item, f"{place}.{key}" if place else str(key)) for key, item in value.items()}
    raise _no_json(value, place or "the value")


def _no_json(value: object, place: str) -> UsageError:
    return UsageError(
        f"{place} is of type {type(value).__name__}, which has no JSON form",
        remedy="Use None, booleans, numbers, text, lists, and dicts with text keys; other values are artifacts.",
    )
