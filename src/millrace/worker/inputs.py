"""Turns the resolved inputs of a launch into the arguments of the task's function.

Invariant: user code sees local paths and plain values only; where an artifact lives is the store's matter.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import orjson

from millrace.core.attempts import Launch, ResolvedArtifact, ResolvedInput
from millrace.core.errors import StorageError
from millrace.core.types import Artifact, Json, Value
from millrace.interfaces import ArtifactStore, CodeLoader


def arguments(
    launch: Launch, classes: Mapping[str, type], loader: CodeLoader, artifacts: ArtifactStore
) -> dict[str, object]:
    """Inputs by name. ``classes``: the annotated artifact class of those that are artifacts."""
    found: dict[str, object] = {}
    for name, given in launch.inputs.items():
        if given.kind == "function":
            found[name] = loader.function(given.value)
        elif given.kind == "artifact" or given.artifacts:  # a value with an artifact is one that was spilled
            found[name] = _artifacts(name, given, classes.get(name), artifacts)
        else:
            found[name] = given.value
    return found


def _artifacts(name: str, given: ResolvedInput, kind: type | None, artifacts: ArtifactStore) -> object:
    read = [_one(name, a, kind, artifacts) for a in given.artifacts]
    if given.many:
        return read
    return read[0] if read else None


def _one(name: str, given: ResolvedArtifact, kind: type | None, artifacts: ArtifactStore) -> object:
    try:
        path = artifacts.fetch(given.uri)
    except StorageError as error:
        raise StorageError(
            f"input {name!r} cannot be read: {error.message}", where=error.where, remedy=error.remedy
        ) from error
    if kind is None and given.type == Value.type_name:  # a value that was too large for the database
        return cast("Json", orjson.loads(path.read_bytes()))
    make: type[Artifact] = kind or Artifact
    return make(
        path, uri=given.uri, name=name, metadata=given.metadata, digest=given.digest, artifact_id=given.artifact_id
    )
