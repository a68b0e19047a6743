"""A pipeline of this process as the document that is registered; the same over the pipe of a parse process."""

from __future__ import annotations

from millrace.authoring.pipelines import Pipeline
from millrace.authoring.versions import describe, pipeline_version, project_location
from millrace.core.types import Json


def description_of(pipeline: Pipeline) -> dict[str, Json]:
    """What :class:`~millrace.operations.registration.Registrar` takes."""
    described = describe(pipeline)
    location = project_location(pipeline)
    return {
        "graph": described.graph.to_json(),
        "version": pipeline_version(described.graph, described.code_fingerprints),
        "code_fingerprints": {task: dict(codes) for task, codes in described.code_fingerprints.items()},
        "environment": dict(described.environment),
        "snapshot": described.snapshot,
        "root": location.root,
        "file": location.file,
    }


def source_of(description: dict[str, Json]) -> str:
    """The file, as people see it; a notebook or a prompt has none."""
    if not description["file"]:
        return "interactive"
    return f"{description['root']}/{description['file']}"
