"""What goes into TEXT columns: JSON, and text that users' code made.

Invariant: ``decode(encode(x)) == x`` for every JSON value (:mod:`millrace.core.exact_json`); what ``storable`` gives
both databases take.
"""

from __future__ import annotations

from millrace.core import exact_json
from millrace.core.exact_json import decode
from millrace.core.types import Json


def encode(value: Json) -> str:
    return exact_json.encode(value).decode()


def storable(text: str) -> str:
    """``text`` with NUL, which PostgreSQL refuses, and lone surrogates, which are no UTF-8, written as escapes."""
    if not text.isascii():
        text = text.encode("utf-8", "backslashreplace").decode()
    return text.replace("\0", "\\x00") if "\0" in text else text


__all__ = ["decode", "encode", "storable"]
