"""MLflow's scoring server over a loaded model: ``/ping``, ``/health``, ``/version`` and ``/invocations``.

Invariant: every answer is whole JSON (or a newline), none shows a traceback, and the event loop never waits
for a model: predictions run on a thread.
"""

from __future__ import annotations

import logging
from importlib import metadata

from fastapi import FastAPI, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from millrace.core.errors import MillraceError, ModelError
from millrace.models import LoadedModel
from millrace.serving.replies import error_body, error_message, predictions_body
from millrace.serving.requests import read_invocation

logger = logging.getLogger(__name__)

JSON = "application/json"


def create_app(model: LoadedModel) -> FastAPI:
    """The scoring server of one model."""
    app = FastAPI(title="Millrace model server", version=metadata.version("millrace"))

    @app.get("/ping")
    @app.get("/health")
    async def ping() -> Response:
        return Response(b"\n", media_type=JSON)

    @app.get("/version")
    async def version() -> Response:
        return Response(app.version, media_type=JSON)

    @app.post("/invocations")
    async def invocations(request: Request) -> Response:
        body, content_type = await request.body(), request.headers.get("content-type")
        answer = await run_in_threadpool(_answer, model, body, content_type)
        return Response(answer, media_type=JSON)

    @app.exception_handler(MillraceError)
    async def refused(_request: Request, error: MillraceError) -> Response:
        return Response(error_body(error_message(error), error.http_status), error.http_status, media_type=JSON)

    @app.exception_handler(HTTPException)
    async def no_such_route(request: Request, error: HTTPException) -> Response:
        message = f"{error.detail}: {request.method} {request.url.path}"
        headers = dict(error.headers or {})
        return Response(error_body(message, error.status_code), error.status_code, headers=headers, media_type=JSON)

    return app


def _answer(model: LoadedModel, body: bytes, content_type: str | None) -> bytes:
    invocation = read_invocation(body, content_type, model.signature)
    try:
        return predictions_body(model.predict(invocation.model_input, invocation.params))
    except MillraceError:
        raise
    except Exception as error:
        logger.warning("the model failed on a request", exc_info=error)
        reason = str(error).strip().partition("\n")[0]
        raise ModelError(
            f"the model failed on this input ({type(error).__name__}: {reason})",
            remedy="Check its columns and types against what the model was trained on; the server's log has more.",
        ) from error
