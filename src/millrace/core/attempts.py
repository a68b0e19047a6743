"""What travels between scheduler, executor and worker: a launch out, reports back.

The same messages go over a function call (in process), a pipe (local worker) and HTTP (remote worker), so both
have a JSON form. A report carries the fencing token of its launch; the machine ignores one with an older token.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any

import attrs

from millrace.core.states import AttemptState
from millrace.core.types import Json


class FailureKind(enum.StrEnum):
    """Why an attempt failed. Rules decide by it; people read ``reason``."""

    RAISED = "raised"
    """User code raised."""
    NO_RETRY = "no_retry"
    """User code said that a retry would not help."""
    EXITED = "exited"
    """User code ended the process (``sys.exit``, ``os._exit``)."""
    SIGNALLED = "signalled"
    """The process was killed by a signal that the platform did not send."""
    OUT_OF_MEMORY = "out_of_memory"
    TIMED_OUT = "timed_out"
    CANCELLED = "cancelled"
    """The platform stopped it because a person or a rule asked."""
    LOST = "lost"
    """The platform lost it: the scheduler, executor or host went away. Not the user's fault."""
    NOT_STARTED = "not_started"
    """User code never ran: the worker could not be started or the code could not be loaded by no fault of its own."""

    @property
    def attempt_state(self) -> AttemptState:
        return _ATTEMPT_STATES.get(self, AttemptState.FAILED)


_ATTEMPT_STATES = {
    FailureKind.SIGNALLED: AttemptState.KILLED,
    FailureKind.OUT_OF_MEMORY: AttemptState.KILLED,
    FailureKind.TIMED_OUT: AttemptState.TIMED_OUT,
    FailureKind.CANCELLED: AttemptState.KILLED,
    FailureKind.LOST: AttemptState.LOST,
    FailureKind.NOT_STARTED: AttemptState.LOST,
}


@attrs.frozen
class ResolvedArtifact:
    """An artifact as a task reads it."""

    artifact_id: str
    type: str
    uri: str
    digest: str
    metadata: Mapping[str, Json] = attrs.field(factory=dict)

    def to_json(self) -> dict[str, Json]:
        return {
            "artifact_id": self.artifact_id,
            "type": self.type,
            "uri": self.uri,
            "digest": self.digest,
            "metadata": dict(self.metadata),
        }


@attrs.frozen
class ResolvedInput:
    """What a binding came to: a JSON ``value``, or artifacts (one unless the input takes many), or a function."""

    kind: str
    value: Json = None
    artifacts: tuple[ResolvedArtifact, ...] = ()
    many: bool = False

    def to_json(self) -> dict[str, Json]:
        return {
            "kind": self.kind,
            "value": self.value,
            "artifacts": [a.to_json() for a in self.artifacts],
            "many": self.many,
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Json]) -> ResolvedInput:
        artifacts = tuple(ResolvedArtifact(**a) for a in document["artifacts"])
        return cls(document["kind"], document["value"], artifacts, document["many"])


@attrs.frozen
class CodeLocation:
    """Where a worker finds the code: a project root, the pipeline's file in it, and the snapshot to read it from.

    ``snapshot`` is the URI of a JSON document ``{"modules": {module name: {"path": relative path, "text": source}}}``;
    the worker compiles from it under the original file names, so a file edited since does not matter.
    ``None``: import from the files themselves.
    """

    root: str
    file: str
    pipeline: str
    version: str
    snapshot: str | None = None


@attrs.frozen
class Launch:
    """Everything a worker needs to run one attempt, and nothing else. Times are epoch microseconds."""

    attempt_id: str
    token: int
    task_run_id: str
    run_id: str
    pipeline: str
    task_id: str
    number: int
    """Which try this is, from 1."""
    code: CodeLocation
    inputs: Mapping[str, ResolvedInput]
    output_uri: str
    """The folder of this attempt in the artifact store; outputs are published below it."""
    params: Mapping[str, Json] = attrs.field(factory=dict)
    execution_timeout: int | None = None
    """Microseconds."""
    logical_date: int | None = None
    data_interval_start: int | None = None
    data_interval_end: int | None = None
    max_tries: int = 1

    def to_json(self) -> dict[str, Json]:
        document: dict[str, Json] = {name: getattr(self, name) for name in _LAUNCH_PLAIN}
        document["code"] = attrs.asdict(self.code)
        document["inputs"] = {name: i.to_json() for name, i in self.inputs.items()}
        document["params"] = dict(self.params)
        return document

    @classmethod
    def from_json(cls, document: Mapping[str, Json]) -> Launch:
        fields: dict[str, Any] = dict(document)
        fields["code"] = CodeLocation(**document["code"])
        fields["inputs"] = {name: ResolvedInput.from_json(i) for name, i in document["inputs"].items()}
        return cls(**fields)


_LAUNCH_PLAIN = (
    "attempt_id",
    "token",
    "task_run_id",
    "run_id",
    "pipeline",
    "task_id",
    "number",
    "output_uri",
    "execution_timeout",
    "logical_date",
    "data_interval_start",
    "data_interval_end",
    "max_tries",
)


@attrs.frozen
class WrittenOutput:
    """An output of a finished attempt: a JSON ``value``, or a published artifact."""

    name: str
    kind: str
    """``value`` or ``artifact``."""
    type: str
    value: Json = None
    uri: str = ""
    digest: str = ""
    size: int = 0
    """Bytes."""
    metadata: Mapping[str, Json] = attrs.field(factory=dict)

    def to_json(self) -> dict[str, Json]:
        return attrs.asdict(self, recurse=False)


@attrs.frozen
class Usage:
    """What the attempt cost: CPU seconds (user and system), peak resident bytes."""

    cpu_seconds: float = 0.0
    peak_bytes: int = 0


@attrs.frozen
class AttemptReport:
    """Executor to scheduler. ``event``: started, succeeded, failed or skipped. ``at``: epoch microseconds."""

    attempt_id: str
    token: int
    run_id: str
    task_id: str
    event: str
    at: int
    kind: FailureKind | None = None
    reason: str = ""
    """One or two plain sentences."""
    detail: str = ""
    """The traceback of user code, if there is one."""
    exit_code: int | None = None
    worker: str = ""
    outputs: tuple[WrittenOutput, ...] = ()
    usage: Usage | None = None
    started_at: int | None = None
    """On an end report: when user code started, for executors that send no separate started report."""

    def to_json(self) -> dict[str, Json]:
        document = attrs.asdict(self, recurse=False)
        document["outputs"] = [o.to_json() for o in self.outputs]
        document["usage"] = None if self.usage is None else attrs.asdict(self.usage)
        return document

    @classmethod
    def from_json(cls, document: Mapping[str, Json]) -> AttemptReport:
        fields: dict[str, Any] = dict(document)
        fields["kind"] = None if document["kind"] is None else FailureKind(document["kind"])
        fields["outputs"] = tuple(WrittenOutput(**o) for o in document["outputs"])
        fields["usage"] = None if document["usage"] is None else Usage(**document["usage"])
        return cls(**fields)
