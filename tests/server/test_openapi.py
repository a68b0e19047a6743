"""The OpenAPI document is complete and closed, and the reference page lists every route."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from millrace.core.types import Json
from millrace.server.openapi import openapi_document
from millrace.server.routes import ENDPOINTS, PREFIX, TAGS
from tests.small_server import SmallServer

DOCUMENT = openapi_document("0.0.test")
OPERATIONS = {(path, method): o for path, methods in DOCUMENT["paths"].items() for method, o in methods.items()}
PAGE = Path(__file__).parents[2] / "docs" / "reference" / "api.md"


def _references(node: Json) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from _references(value)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value)


def test_every_endpoint_is_there_with_its_answer() -> None:
    for endpoint in ENDPOINTS:
        operation = OPERATIONS[PREFIX + endpoint.path, endpoint.method.lower()]
        content = operation["responses"][str(endpoint.status)]["content"]
        assert content["application/json"]["schema"]["$ref"].endswith(f"/{endpoint.answers}")
        assert operation["responses"]["default"]
        assert operation["summary"]
    assert len(OPERATIONS) == len(ENDPOINTS) + 2  # health and version


def test_every_reference_leads_somewhere_and_every_schema_is_used() -> None:
    references = set(_references(DOCUMENT))
    schemas = {f"#/components/schemas/{name}" for name in DOCUMENT["components"]["schemas"]}
    assert references == schemas


def test_operation_ids_are_unique_and_tags_known() -> None:
    names = [operation["operationId"] for operation in OPERATIONS.values()]
    assert len(names) == len(set(names))
    assert {tag for operation in OPERATIONS.values() for tag in operation["tags"]} <= set(TAGS)


def test_places_of_a_path_are_its_parameters() -> None:
    for (path, _method), operation in OPERATIONS.items():
        named = {p["name"] for p in operation.get("parameters", ()) if p["in"] == "path"}
        assert named == set(re.findall(r"\{(\w+)\}", path))


def test_the_server_answers_it(server: SmallServer) -> None:
    assert server.get("/openapi.json").json == json.loads(json.dumps(DOCUMENT))


def test_it_can_be_printed_for_generators() -> None:
    printed = subprocess.run(
        [sys.executable, "-m", "millrace.server.openapi"], capture_output=True, text=True, check=True
    )
    assert json.loads(printed.stdout)["paths"] == json.loads(json.dumps(DOCUMENT["paths"]))


def test_the_reference_has_a_heading_for_every_route_and_no_other() -> None:
    routes = [f"{method.upper()} {path}" for path, method in OPERATIONS]
    headings = re.findall(r"^### `(.+)`$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(headings) == sorted([*routes, "GET /openapi.json"])
