"""The OpenAPI 3.1 document, built from the table of endpoints and the models of their documents.

``python -m millrace.server.openapi`` prints it, for whoever generates a client or the page's types.
"""

from __future__ import annotations

import json
import re
import sys
from importlib import metadata
from typing import Any

from pydantic.json_schema import models_json_schema

from millrace.core.types import Json
from millrace.server.documents import MODELS
from millrace.server.endpoints import Endpoint, Query
from millrace.server.routes import ENDPOINTS, PREFIX, TAGS

_TYPES = {str: "string", int: "integer", float: "number"}
_PLACE = re.compile(r"\{(\w+)\}")
_SERVICE: tuple[tuple[str, str, str, dict[str, str]], ...] = (
    ("/health", "Health", "Say whether every part is up", {"503": "Health"}),
    ("/version", "Version", "Say the version", {}),
)


def openapi_document(version: str) -> dict[str, Json]:
    """The whole document. Every endpoint is in it, and every document that it names."""
    _, schemas = models_json_schema(
        [(model, "serialization") for model in MODELS.values()], ref_template="#/components/schemas/{model}"
    )
    paths: dict[str, dict[str, Json]] = {}
    for endpoint in ENDPOINTS:
        paths.setdefault(PREFIX + endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint)
    for path, document, summary, others in _SERVICE:
        responses = {"200": _response("The answer", document)}
        responses.update({status: _response("Not all is up", name) for status, name in others.items()})
        paths[path] = {
            "get": {"tags": ["service"], "summary": summary, "operationId": path[1:], "responses": responses}
        }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Millrace",
            "version": version,
            "description": "Pipelines, runs, artifacts, experiments and models. Times are UTC to the microsecond; "
            "listings go on with the `next_cursor` of the page before.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "tags": [{"name": name, "description": description} for name, description in TAGS.items()],
        "paths": paths,
        "components": {"schemas": schemas["$defs"]},
    }


def _operation(endpoint: Endpoint) -> dict[str, Json]:
    operation: dict[str, Any] = {
        "tags": [endpoint.tag],
        "summary": endpoint.summary,
        "operationId": _operation_id(endpoint),
        "parameters": [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
            for name in _PLACE.findall(endpoint.path)
        ]
        + [_parameter(q) for q in endpoint.query],
        "responses": {
            str(endpoint.status): _response("The answer", endpoint.answers),
            "400": _response("The request is wrong", "Error"),
            "404": _response("There is no such thing", "Error"),
            "default": _response("Refused, or failed", "Error"),
        },
    }
    if endpoint.description:
        operation["description"] = endpoint.description
    if endpoint.body is not None:
        required = any(f.required for f in endpoint.fields)
        operation["requestBody"] = {"required": required, "content": _content(endpoint.body)}
    if endpoint.method == "POST":
        operation["responses"]["409"] = _response("Its state refuses it", "Error")
    return operation


def _operation_id(endpoint: Endpoint) -> str:
    """Unique and readable: ``get_runs_tasks_log``; the places of a path are told apart by a final ``_one``."""
    words = [part for part in endpoint.path.strip("/").split("/") if not part.startswith("{")]
    one = "_one" if endpoint.path.endswith("}") else ""
    return "_".join([endpoint.method.lower(), *words]).replace("-", "_") + one


def _parameter(query: Query) -> dict[str, Json]:
    schema: dict[str, Json] = {"type": _TYPES[query.type]}
    if query.choices:
        schema["enum"] = list(query.choices)
    bounds = (("default", query.default), ("minimum", query.minimum), ("maximum", query.maximum))
    schema.update({key: value for key, value in bounds if value is not None})
    return {"name": query.name, "in": "query", "required": False, "description": query.description, "schema": schema}


def _response(description: str, document: str) -> dict[str, Json]:
    return {"description": description, "content": _content(document)}


def _content(document: str) -> dict[str, Json]:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{document}"}}}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(openapi_document(metadata.version("millrace")), indent=2, sort_keys=True) + "\n")
