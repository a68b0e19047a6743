"""The frames between an executor and its worker process, without any I/O: bytes in, documents out.

A frame is the length of its body (4 bytes, big endian) and the body, one JSON document. A stream cut anywhere
gives the same documents in the same order. Errors travel as documents and come back as the same class.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from millrace.core import exact_json
from millrace.core.errors import MillraceError
from millrace.core.types import Json

_LENGTH = struct.Struct(">I")


def encode(document: Json) -> bytes:
    """One frame."""
    body = exact_json.encode(document)
    return _LENGTH.pack(len(body)) + body


class FrameDecoder:
    """Collects bytes as they arrive and gives out whole documents."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Json]:
        """The documents that ``data`` completes."""
        buffer = self._buffer
        buffer += data
        start = 0
        try:
            while len(buffer) - start >= _LENGTH.size:
                (length,) = _LENGTH.unpack_from(buffer, start)
                end = start + _LENGTH.size + length
                if len(buffer) < end:
                    break
                body = bytes(memoryview(buffer)[start + _LENGTH.size : end])
                start = end
                yield exact_json.decode(body)
        finally:
            del buffer[:start]


def error_to_json(error: BaseException) -> dict[str, Json]:
    """``{"class", "message", "where", "remedy"}``. An error that is none of ours keeps its name in the message."""
    if isinstance(error, MillraceError):
        return {
            "class": type(error).__name__,
            "message": error.message,
            "where": error.where,
            "remedy": error.remedy,
        }
    return {"class": "MillraceError", "message": f"{type(error).__name__}: {error}", "where": None, "remedy": None}


def error_from_json(document: Json) -> MillraceError:
    """The error again, as its own class; as :class:`MillraceError` where this process does not know the class."""
    kind = next((c for c in _classes(MillraceError) if c.__name__ == document["class"]), MillraceError)
    error = kind.__new__(kind)
    # NotFoundError builds its message from other arguments; the finished message is set as it is.
    MillraceError.__init__(error, document["message"], where=document["where"], remedy=document["remedy"])
    return error


def _classes(kind: type[MillraceError]) -> Iterator[type[MillraceError]]:
    yield kind
    for subclass in kind.__subclasses__():
        yield from _classes(subclass)
