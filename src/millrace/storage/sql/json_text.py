"""What goes into TEXT columns: JSON, and text that users' code made.

Invariant: ``decode(encode(x)) == x`` for every JSON value, NaN, infinities, integers of any size and lone surrogates
included; what ``storable`` gives both databases take.
"""

from __future__ import annotations

import json

import orjson

from millrace.core.types import Json


def encode(value: Json) -> str:
    """orjson, many times as fast as the standard library, which has the rest: big integers, lone surrogates."""
    try:
        text = orjson.dumps(value)
    except TypeError:
        return json.dumps(value, separators=(",", ":"))
    if b"null" in text:  # orjson writes NaN and infinities as null
        exact = json.dumps(value, separators=(",", ":"))
        if "NaN" in exact or "Infinity" in exact:
            return exact
    return text.decode()


def decode(text: str) -> Json:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return json.loads(text)


def storable(text: str) -> str:
    """``text`` with NUL, which PostgreSQL refuses, and lone surrogates, which are no UTF-8, written as escapes."""
    if not text.isascii():
        text = text.encode("utf-8", "backslashreplace").decode()
    return text.replace("\0", "\\x00") if "\0" in text else text
