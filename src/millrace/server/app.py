"""The ASGI application over :class:`~millrace.interfaces.Operations`.

Verbs are synchronous; each runs in a thread of the pool, so a slow one holds up no other request.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from millrace.core.errors import MillraceError
from millrace.interfaces import Operations
from millrace.server.answers import JsonResponse, answer_http_exception, answer_millrace_error
from millrace.server.endpoints import Endpoint
from millrace.server.guard import BODY_LIMIT, Guard, is_loopback
from millrace.server.routes import ENDPOINTS, PREFIX

Handler = Callable[[Request], Awaitable[Response]]


def create_app(
    operations: Operations, *, version: str, host: str = "127.0.0.1", body_limit: int = BODY_LIMIT
) -> Starlette:
    """The API, ``/health``, ``/version`` and ``/openapi.json``.

    ``host`` is the address the server listens on: on a loopback address, requests under any other name are refused.
    """
    return Starlette(
        routes=[
            *(Route(PREFIX + e.path, _handler(e, operations), methods=[e.method]) for e in ENDPOINTS),
            Route("/health", _health(operations)),
            Route("/version", _constant({"version": version, "api": "v1"})),
            Route("/openapi.json", _openapi(version)),
        ],
        middleware=[Middleware(Guard, loopback_only=is_loopback(host), body_limit=body_limit)],
        exception_handlers={MillraceError: answer_millrace_error, HTTPException: answer_http_exception},
    )


def _handler(endpoint: Endpoint, operations: Operations) -> Handler:
    async def handle(request: Request) -> Response:
        arguments = await endpoint.arguments(request)
        if endpoint.poll is not None:

            async def gone() -> bool:
                return getattr(request.app.state, "closing", False) or await request.is_disconnected()

            document = await endpoint.poll(operations, arguments, gone)
        else:
            assert endpoint.call is not None
            document = await run_in_threadpool(endpoint.call, operations, arguments)
        headers = {"location": endpoint.location(document)} if endpoint.location else None
        return JsonResponse(document, endpoint.status, headers)

    return handle


def _health(operations: Operations) -> Handler:
    async def health(_request: Request) -> Response:
        document = await run_in_threadpool(operations.health)
        return JsonResponse(document, 200 if document["status"] == "ok" else 503)

    return health


def _constant(document: dict[str, str]) -> Handler:
    async def answer(_request: Request) -> Response:
        return JsonResponse(document)

    return answer


def _openapi(version: str) -> Handler:
    async def openapi(_request: Request) -> Response:
        from millrace.server.openapi import openapi_document  # lazy: pydantic and 40 models, for this route only

        return JsonResponse(await run_in_threadpool(openapi_document, version))

    return openapi
