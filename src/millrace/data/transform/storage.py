"""A saved transform: `transform.json`, and each vocabulary as a file of its own, one JSON string a line.

Nothing in it is code. Equal transforms give equal bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import orjson

from millrace.core.errors import DataError
from millrace.data.atomic_output import json_bytes, write_file
from millrace.data.manifest import Column
from millrace.data.transform.nodes import Node, Output

TRANSFORM_NAME = "transform.json"
FORMAT_VERSION = 1


Fitted = Mapping[int, Mapping[str, Any]]


def write_transform(
    directory: Path, inputs: tuple[Column, ...], nodes: tuple[Node, ...], fitted: Fitted, outputs: tuple[Output, ...]
) -> None:
    analyses = []
    for number, value in sorted(fitted.items()):
        document: dict[str, Any] = {"node": number}
        for field, content in value.items():
            if nodes[number].op == "vocabulary" and field == "values":
                document["vocabulary"] = name = f"vocabulary-{number:03d}.jsonl"
                write_file(directory / name, b"".join(orjson.dumps(one) + b"\n" for one in content))
            else:
                document[field] = content
        analyses.append(document)
    document = {
        "format": FORMAT_VERSION,
        "inputs": [attrs.asdict(column) for column in inputs],
        "nodes": [node.to_json() for node in nodes],
        "fitted": analyses,
        "outputs": [attrs.asdict(output) for output in outputs],
    }
    write_file(directory / TRANSFORM_NAME, json_bytes(document))


def read_transform(directory: Path) -> tuple[tuple[Column, ...], tuple[Node, ...], Fitted, tuple[Output, ...]]:
    """Inputs, nodes, fitted values and outputs, as they were written."""
    path = directory / TRANSFORM_NAME
    try:
        document = orjson.loads(path.read_bytes())
        if document["format"] != FORMAT_VERSION:
            raise DataError(
                f"the transform has format {document['format']!r}, this version reads {FORMAT_VERSION}",
                where=str(path),
                remedy="Fit it again, or use the version of Millrace that wrote it.",
            )
        fitted = {}
        for value in document["fitted"]:
            number = value.pop("node")
            vocabulary = value.pop("vocabulary", None)
            if vocabulary is not None:
                lines = (directory / vocabulary).read_bytes().split(b"\n")
                value["values"] = [orjson.loads(line) for line in lines if line]
            fitted[number] = value
        return (
            tuple(Column(**column) for column in document["inputs"]),
            tuple(Node.from_json(node) for node in document["nodes"]),
            fitted,
            tuple(Output(**output) for output in document["outputs"]),
        )
    except FileNotFoundError as error:
        raise DataError(
            f"no transform here: {Path(error.filename).name} is missing",
            where=str(directory),
            remedy="Give the folder that a fitted transform was saved to.",
        ) from error
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise DataError(f"the transform cannot be read: {error}", where=str(path)) from error
