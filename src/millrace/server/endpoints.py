"""What one route is, and how a request becomes its arguments.

An :class:`Endpoint` is declared once and used three times: for the router, for reading the arguments and for the
OpenAPI document. An argument that it does not declare is refused with the near names, never ignored: a filter with a
typing error must not answer everything.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

import attrs
import orjson
from starlette.requests import Request

from millrace.core.errors import UsageError, did_you_mean
from millrace.core.types import Json
from millrace.interfaces import Operations

Arguments: TypeAlias = Mapping[str, Any]
Call: TypeAlias = Callable[[Operations, Arguments], Json]
Gone: TypeAlias = Callable[[], Awaitable[bool]]
"""Whether the caller has gone, or the server is closing: then a long poll answers at once."""
Poll: TypeAlias = Callable[[Operations, Arguments, Gone], Awaitable[Json]]


@attrs.frozen
class Query:
    """One query parameter. ``type``: str, int or float; numbers have bounds, strings may have choices."""

    name: str
    type: type[str | int | float]
    description: str
    default: Json = None
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()

    def parse(self, text: str) -> Json:
        """UsageError when ``text`` is not one."""
        try:
            value = self.type(text)
        except ValueError:
            raise self._wrong(text, f"takes {'an integer' if self.type is int else 'a number'}") from None
        if self.choices and value not in self.choices:
            raise UsageError(
                f"query parameter {self.name!r} is none of its values: {text!r}",
                remedy=did_you_mean(text, self.choices),
            )
        if isinstance(value, int | float):
            if value != value or (self.minimum is not None and value < self.minimum):  # noqa: PLR0124 - NaN
                raise self._wrong(text, f"is at least {self.minimum}")
            if self.maximum is not None and value > self.maximum:
                raise self._wrong(text, f"is at most {self.maximum}")
        return value

    def _wrong(self, text: str, rule: str) -> UsageError:
        return UsageError(f"query parameter {self.name!r} {rule}, not {text!r}")


@attrs.frozen
class BodyField:
    """One field of a JSON body."""

    name: str
    type: type
    words: str
    """The type in words, for the error: "a boolean"."""
    required: bool = True
    default: Json = None


@attrs.frozen
class Endpoint:
    """One method of one path. Exactly one of ``call`` (runs in a thread) and ``poll`` (waits without one)."""

    method: str
    path: str
    """Below ``/api/v1``, with Starlette's ``{name}`` places."""
    tag: str
    summary: str
    answers: str
    """The name of its document in :mod:`millrace.server.documents`."""
    call: Call | None = None
    poll: Poll | None = None
    query: tuple[Query, ...] = ()
    body: str | None = None
    """The name of the body's document."""
    fields: tuple[BodyField, ...] = ()
    status: int = 200
    description: str = ""
    location: Callable[[Json], str] | None = None
    """The ``Location`` header of what was made."""

    async def arguments(self, request: Request) -> dict[str, Any]:
        """Path, query and body as one mapping. UsageError for what is unknown, missing or wrong."""
        found: dict[str, Any] = dict(request.path_params)
        known = {q.name: q for q in self.query}
        found.update({q.name: q.default for q in self.query})
        for name, text in request.query_params.multi_items():
            if name not in known:
                raise UsageError(f"there is no query parameter {name!r}", remedy=did_you_mean(name, known))
            found[name] = known[name].parse(text)
        if self.fields:
            found.update(self._read_body(await request.body(), request.headers.get("content-type", "")))
        return found

    def _read_body(self, raw: bytes, content_type: str) -> dict[str, Json]:
        if raw and content_type.partition(";")[0].strip().lower() != "application/json":
            raise UsageError(
                f"the body is {content_type or 'of no named type'}, not JSON",
                remedy="Send it with the header Content-Type: application/json",
            )
        try:
            document = orjson.loads(raw or b"{}")
        except orjson.JSONDecodeError as error:
            raise UsageError(f"the body is not JSON: {error}") from None
        if not isinstance(document, dict):
            raise UsageError("the body is not a JSON object")
        names = [f.name for f in self.fields]
        for name in document:
            if name not in names:
                raise UsageError(f"the body has an unknown field {name!r}", remedy=did_you_mean(name, names))
        return {f.name: self._field(f, document) for f in self.fields}

    def _field(self, field: BodyField, document: dict[str, Json]) -> Json:
        if field.name not in document:
            if field.required:
                raise UsageError(f"the body lacks the field {field.name!r}", remedy=f"It takes {field.words}")
            return field.default
        value = document[field.name]
        if not isinstance(value, field.type):
            raise UsageError(f"field {field.name!r} of the body takes {field.words}")
        return value
