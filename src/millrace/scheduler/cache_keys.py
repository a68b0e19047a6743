"""The cache key of a task, from what is known when it is ready: interface, code, values, digests, environment."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import attrs

from millrace.core.attempts import ResolvedInput
from millrace.core.fingerprint import CacheKey, digest_json
from millrace.core.graph import TaskSpec
from millrace.core.records import PipelineVersion
from millrace.core.types import Json, ValueType

SourceDigest = Callable[[str], str]
"""The digest of a file's or folder's content, for inputs that are paths."""


def cache_key(
    task: TaskSpec, version: PipelineVersion, inputs: Mapping[str, ResolvedInput], source_digest: SourceDigest
) -> CacheKey:
    """The key under which this task's outputs are found again.

    Artifacts enter by digest, so equal bytes from any run are the same input; a source path enters by the content it
    leads to; functions enter by the fingerprints of all project code they use.
    """
    paths = {spec.name for spec in task.inputs if spec.type == ValueType.PATH}
    parameters: dict[str, Json] = {}
    digests: dict[str, str] = {}
    for name, given in inputs.items():
        if given.artifacts:
            digests[name] = ",".join(a.digest for a in given.artifacts)
        elif name in paths and isinstance(given.value, str):
            digests[name] = source_digest(given.value)
        elif given.kind != "function":
            parameters[name] = given.value
    return CacheKey(
        interface=interface_digest(task),
        code=dict(version.code_fingerprints.get(task.task_id, {})),
        parameters=parameters,
        inputs=digests,
        environment={name: version.environment.get(name, "") for name in task.environment},
    )


def interface_digest(task: TaskSpec) -> str:
    """Digest of what the task is called and takes and gives; its id and place in the graph do not matter."""
    return digest_json(
        {
            "component": task.component,
            "inputs": [attrs.asdict(i) for i in task.inputs],
            "outputs": [{"name": o.name, "kind": o.kind, "type": o.type} for o in task.outputs],
        }
    )
