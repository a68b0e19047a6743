"""The graph of a pipeline: frozen, canonical, hashable.

``Graph`` is what the store keeps, the scheduler walks and the page draws. ``to_json``/``from_json`` lose nothing;
``digest`` is a hash of the canonical JSON without the source lines, so moving code in a file makes no new version.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import attrs

from millrace.core.canonical_json import digest_json
from millrace.core.types import Json, ValueType

DEFAULT_MAX_ACTIVE_RUNS = 16
"""As Airflow's."""


@attrs.frozen
class SourceLine:
    """Where in the user's file something was written."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@attrs.frozen
class Constant:
    """A value written in the pipeline file."""

    value: Json


@attrs.frozen
class ParameterRef:
    """A parameter of the pipeline run."""

    name: str


@attrs.frozen
class OutputRef:
    """An output of another task of the same run."""

    task: str
    output: str


@attrs.frozen
class Gathered:
    """Several bindings as one list, in order."""

    items: tuple[Binding, ...]


@attrs.frozen
class Latest:
    """The newest artifact that an *earlier* run of this pipeline wrote to output ``of``, or nothing.

    ``where``: only from runs in which that output's artifact has a true ``flag`` in its metadata; without it only
    from runs that succeeded. ``other_than``: only from runs in which this output had another digest than in the
    present run; so a run over the same data resolves to what it resolved to before, and is a cache hit.
    """

    of: OutputRef
    where: OutputRef | None = None
    flag: str = ""
    other_than: OutputRef | None = None


@attrs.frozen
class FunctionRef:
    """A function of the user's code, passed to a component: ``module:qualname``. Its code is part of the cache key."""

    code: str


Binding = Constant | ParameterRef | OutputRef | Gathered | Latest | FunctionRef
_BINDINGS: dict[str, type] = {c.__name__: c for c in (Constant, ParameterRef, OutputRef, Gathered, Latest, FunctionRef)}


def references(binding: Binding) -> tuple[OutputRef, ...]:
    """The outputs of the same run that a binding needs before it can be resolved."""
    if isinstance(binding, OutputRef):
        return (binding,)
    if isinstance(binding, Gathered):
        return tuple(r for item in binding.items for r in references(item))
    if isinstance(binding, Latest) and binding.other_than is not None:
        return (binding.other_than,)
    return ()


@attrs.frozen
class InputSpec:
    """One input of a task. ``kind``: value, artifact or function; ``type``: a ValueType or an artifact type name."""

    name: str
    kind: str
    type: str
    optional: bool = False
    default: Json = None
    many: bool = False


@attrs.frozen
class OutputSpec:
    """One output of a task. ``lineage`` of an artifact: its type's name and its bases'."""

    name: str
    kind: str
    type: str
    lineage: tuple[str, ...] = ()


@attrs.frozen
class ParameterSpec:
    """A parameter of the pipeline. Without ``required`` the default applies."""

    name: str
    type: ValueType
    required: bool = True
    default: Json = None


@attrs.frozen
class RetryPolicy:
    """How often and when a failed attempt is tried again. Delays in microseconds."""

    retries: int = 0
    delay: int = 300_000_000
    exponential: bool = False
    max_delay: int = 86_400_000_000


@attrs.frozen
class TaskSpec:
    """One node. ``upstream`` names every task it waits for, data dependencies included."""

    task_id: str
    component: str
    code: str
    inputs: tuple[InputSpec, ...] = ()
    outputs: tuple[OutputSpec, ...] = ()
    bindings: Mapping[str, Binding] = attrs.field(factory=dict)
    upstream: tuple[str, ...] = ()
    trigger_rule: str = "all_success"
    retry: RetryPolicy = RetryPolicy()
    execution_timeout: int | None = None
    """Microseconds."""
    cache: bool = False
    environment: tuple[str, ...] = ()
    """Names of distributions whose installed versions are part of the cache key."""
    doc: str = ""

    def output(self, name: str) -> OutputSpec | None:
        return next((o for o in self.outputs if o.name == name), None)


@attrs.frozen(slots=False)
class Graph:
    """A whole pipeline. ``schedule`` is a timetable's JSON; dates are ISO strings with an offset, or None."""

    name: str
    tasks: tuple[TaskSpec, ...]
    parameters: tuple[ParameterSpec, ...] = ()
    description: str = ""
    schedule: Json = None
    start_date: str | None = None
    end_date: str | None = None
    timezone: str = "UTC"
    catchup: bool = False
    max_active_runs: int = DEFAULT_MAX_ACTIVE_RUNS
    run_timeout: int | None = None
    """Microseconds."""
    tags: tuple[str, ...] = ()
    source_lines: Mapping[str, SourceLine] = attrs.field(factory=dict, eq=False)
    """Task id, or ``""`` for the pipeline itself -> where it is written."""

    @cached_property
    def digest(self) -> str:
        """sha256 of the canonical JSON without source lines: the graph's part of the pipeline's version."""
        document = self.to_json()
        del document["source_lines"]
        return digest_json(document)

    @cached_property
    def by_id(self) -> Mapping[str, TaskSpec]:
        return {t.task_id: t for t in self.tasks}

    @cached_property
    def positions(self) -> Mapping[str, int]:
        """Task id -> its place in ``tasks``, which is how the state machine names a task."""
        return {t.task_id: i for i, t in enumerate(self.tasks)}

    @cached_property
    def topology(self) -> Topology:
        places = self.positions
        upstream = tuple(tuple(places[u] for u in t.upstream) for t in self.tasks)
        downstream: list[list[int]] = [[] for _ in self.tasks]
        for i, ups in enumerate(upstream):
            for u in ups:
                downstream[u].append(i)
        return Topology(upstream, tuple(tuple(d) for d in downstream))

    def where(self, task_id: str = "") -> str | None:
        line = self.source_lines.get(task_id) or self.source_lines.get("")
        return None if line is None else str(line)

    def to_json(self) -> dict[str, Json]:
        """Plain JSON. ``from_json`` gives back an equal graph."""
        return {
            "name": self.name,
            "tasks": [_task_to_json(t) for t in self.tasks],
            "parameters": [attrs.asdict(p) for p in self.parameters],
            **{name: getattr(self, name) for name in _PLAIN},
            "tags": list(self.tags),
            "source_lines": {k: [v.file, v.line] for k, v in self.source_lines.items()},
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Json]) -> Graph:
        return cls(
            name=document["name"],
            tasks=tuple(_task_from_json(t) for t in document["tasks"]),
            parameters=tuple(ParameterSpec(**{**p, "type": ValueType(p["type"])}) for p in document["parameters"]),
            **{name: document[name] for name in _PLAIN},
            tags=tuple(document["tags"]),
            source_lines={k: SourceLine(*v) for k, v in document["source_lines"].items()},
        )


@attrs.frozen
class Topology:
    """Who waits for whom, by place."""

    upstream: tuple[tuple[int, ...], ...]
    downstream: tuple[tuple[int, ...], ...]


_PLAIN = (
    "description",
    "schedule",
    "start_date",
    "end_date",
    "timezone",
    "catchup",
    "max_active_runs",
    "run_timeout",
)


def _task_to_json(task: TaskSpec) -> dict[str, Json]:
    document = attrs.asdict(task, recurse=False)
    document["inputs"] = [attrs.asdict(i) for i in task.inputs]
    document["outputs"] = [{**attrs.asdict(o), "lineage": list(o.lineage)} for o in task.outputs]
    document["bindings"] = {name: binding_to_json(b) for name, b in task.bindings.items()}
    document["retry"] = attrs.asdict(task.retry)
    document["upstream"] = list(task.upstream)
    document["environment"] = list(task.environment)
    return document


def _task_from_json(document: Mapping[str, Json]) -> TaskSpec:
    fields: dict[str, Any] = dict(document)
    fields["inputs"] = tuple(InputSpec(**i) for i in document["inputs"])
    fields["outputs"] = tuple(OutputSpec(**{**o, "lineage": tuple(o["lineage"])}) for o in document["outputs"])
    fields["bindings"] = {name: binding_from_json(b) for name, b in document["bindings"].items()}
    fields["retry"] = RetryPolicy(**document["retry"])
    fields["upstream"] = tuple(document["upstream"])
    fields["environment"] = tuple(document["environment"])
    return TaskSpec(**fields)


def binding_to_json(binding: Binding) -> dict[str, Json]:
    """``{"kind": ..., fields}``, so that a constant may itself be any JSON."""
    document: dict[str, Json] = {"kind": type(binding).__name__}
    if isinstance(binding, Gathered):
        document["items"] = [binding_to_json(b) for b in binding.items]
        return document
    return {**document, **attrs.asdict(binding)}


def binding_from_json(document: Mapping[str, Json]) -> Binding:
    fields: dict[str, Any] = {k: v for k, v in document.items() if k != "kind"}
    kind = _BINDINGS[document["kind"]]
    if kind is Gathered:
        return Gathered(tuple(binding_from_json(b) for b in fields["items"]))
    for name in ("of", "where", "other_than"):
        if isinstance(fields.get(name), dict):
            fields[name] = OutputRef(**fields[name])
    make: Callable[..., Binding] = kind
    return make(**fields)
