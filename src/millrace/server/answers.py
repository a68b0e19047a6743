"""Answers of the API: JSON documents, and errors in one shape.

An error's body is ``{"error": {"type", "message", "where", "remedy"}}``; ``type`` is the class's name in
:mod:`millrace.core.errors`, so that a client raises the same class. An answer never holds a traceback.
"""

from __future__ import annotations

import json
import logging
import math
import uuid
from typing import Any

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from millrace.core.errors import MillraceError
from millrace.core.types import Json

logger = logging.getLogger("millrace.server")


class JsonResponse(Response):
    """A JSON document. Numbers that JSON lacks (NaN, infinities) become null."""

    media_type = "application/json"

    def __init__(self, content: Json, status_code: int = 200, headers: dict[str, str] | None = None) -> None:
        super().__init__(content, status_code, {"cache-control": "no-store", **(headers or {})})

    def render(self, content: Any) -> bytes:
        return encode(content)


def encode(document: Json) -> bytes:
    """UTF-8 JSON, by orjson; by the standard library where orjson refuses (integers over 64 bits, lone surrogates)."""
    try:
        return orjson.dumps(document)
    except orjson.JSONEncodeError:
        return json.dumps(_finite(document), allow_nan=False).encode()


def _finite(value: Json) -> Json:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {k: _finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(v) for v in value]
    return value


def error_answer(
    status: int, type: str, message: str, *, where: str | None = None, remedy: str | None = None
) -> JsonResponse:
    return JsonResponse({"error": {"type": type, "message": message, "where": where, "remedy": remedy}}, status)


async def answer_millrace_error(_request: Request, error: Exception) -> Response:
    """An error raised on purpose, with its own status."""
    assert isinstance(error, MillraceError)
    return error_answer(error.http_status, type(error).__name__, error.message, where=error.where, remedy=error.remedy)


async def answer_http_exception(request: Request, error: Exception) -> Response:
    """What the router itself refuses: no such path, no such method."""
    assert isinstance(error, HTTPException)
    path = f"{request.method} {request.url.path}"
    if error.status_code == 404:
        return error_answer(404, "NotFoundError", f"there is no {path}", remedy="The API is described at /openapi.json")
    if error.status_code == 405:
        allowed = (error.headers or {}).get("Allow", "")
        answer = error_answer(405, "UsageError", f"{path} is not a method of this path", remedy=f"Allowed: {allowed}")
        answer.headers["allow"] = allowed
        return answer
    return error_answer(error.status_code, "UsageError", str(error.detail))


def answer_unexpected(error: Exception, method: str, path: str) -> JsonResponse:
    """A bug: logged with its traceback under an id, answered with the id alone."""
    incident = uuid.uuid4().hex[:12]
    logger.error("unexpected error %s in %s %s", incident, method, path, exc_info=error)
    return error_answer(
        500,
        "InternalError",
        f"the server failed unexpectedly; this is a bug (id {incident})",
        remedy=f"The server's log has the traceback under {incident}",
    )
