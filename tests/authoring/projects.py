"""Projects on disk for tests, and launches of their tasks."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from millrace.authoring.pipelines import Pipeline
from millrace.authoring.versions import describe, pipeline_version, project_location
from millrace.core.attempts import CodeLocation, Launch


def write(root: Path, files: Mapping[str, str]) -> Path:
    """Make ``files`` (relative path -> text) below ``root``."""
    for name, text in files.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text))
    return root


class Snapshots:
    """Snapshot documents by URI."""

    def __init__(self) -> None:
        self.documents: dict[str, bytes] = {}
        self.reads: list[str] = []

    def read(self, uri: str) -> bytes:
        self.reads.append(uri)
        return self.documents[uri]

    def location(self, pipeline: Pipeline) -> CodeLocation:
        """Describe ``pipeline`` and keep its snapshot."""
        described, place = describe(pipeline), project_location(pipeline)
        version = pipeline_version(described.graph, described.code_fingerprints)
        self.documents[version] = json.dumps(described.snapshot).encode()
        return CodeLocation(place.root, place.file, pipeline.name, version, snapshot=version)


def launch(code: CodeLocation, task_id: str, **more: Any) -> Launch:
    return Launch("attempt", 1, "task-run", "run", code.pipeline, task_id, 1, code, {}, "out", **more)
