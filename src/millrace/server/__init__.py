"""The HTTP API on one port: routes over :class:`~millrace.interfaces.Operations`, and nothing of its own.

A route reads its arguments, calls one verb and answers its JSON document. What the documents look like is written
once, as pydantic models in :mod:`millrace.server.documents`; they are imported only when somebody asks for the OpenAPI
document, because importing them costs more than everything else here together.
"""

from millrace.server.app import create_app
from millrace.server.listening import HttpServer, serve

__all__ = ["HttpServer", "create_app", "serve"]
