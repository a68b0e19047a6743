"""Random graphs that are right, and random graphs of dependencies."""

from __future__ import annotations

from hypothesis import strategies as st

from millrace.core.graph import (
    Binding,
    Constant,
    FunctionRef,
    Gathered,
    Graph,
    InputSpec,
    Latest,
    OutputRef,
    OutputSpec,
    ParameterRef,
    ParameterSpec,
    RetryPolicy,
    SourceLine,
    TaskSpec,
    references,
)
from millrace.core.rules.trigger_rule import TRIGGER_RULES
from millrace.core.types import Json, ValueType

json_values: st.SearchStrategy[Json] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
names = st.text("abcdefgh_", min_size=1, max_size=8)
_LINEAGE = ("Dataset", "Artifact")


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """A graph that passes every check, with each kind of binding."""
    ids = draw(st.lists(names, min_size=1, max_size=7, unique=True))
    schedule = draw(st.none() | st.dictionaries(st.text(), json_values, max_size=2))
    required = st.booleans() if schedule is None else st.just(False)
    parameters = tuple(
        ParameterSpec(name, ValueType.JSON, required=draw(required), default=draw(json_values))
        for name in draw(st.lists(names, max_size=3, unique=True))
    )
    tasks: list[TaskSpec] = []
    for task_id in ids:
        tasks.append(draw(_tasks(task_id, [t.task_id for t in tasks], [p.name for p in parameters])))
    return Graph(
        name=draw(names),
        tasks=tuple(tasks),
        parameters=parameters,
        description=draw(st.text(max_size=20)),
        schedule=schedule,
        start_date=draw(st.none() | st.just("2026-01-01T00:00:00+00:00")),
        catchup=draw(st.booleans()),
        max_active_runs=draw(st.integers(1, 32)),
        run_timeout=draw(st.none() | st.integers(1, 10**9)),
        tags=tuple(draw(st.lists(st.text(max_size=5), max_size=3))),
        source_lines={name: SourceLine("pipeline.py", draw(st.integers(1, 500))) for name in ["", *ids]},
    )


@st.composite
def _tasks(draw: st.DrawFn, task_id: str, earlier: list[str], parameters: list[str]) -> TaskSpec:
    inputs: list[InputSpec] = []
    bindings: dict[str, Binding] = {}
    for name in draw(st.lists(names, max_size=4, unique=True)):
        spec, binding = draw(_inputs(name, task_id, earlier, parameters))
        inputs.append(spec)
        if binding is not None:
            bindings[name] = binding
    needed = {r.task for b in bindings.values() for r in references(b)}
    ordered_only = set(draw(st.lists(st.sampled_from(earlier), max_size=2))) if earlier else set()
    return TaskSpec(
        task_id=task_id,
        component=draw(names),
        code=f"module:{task_id}",
        inputs=tuple(inputs),
        outputs=(OutputSpec("data", "artifact", "Dataset", _LINEAGE), OutputSpec("return_value", "value", "json")),
        bindings=bindings,
        upstream=tuple(name for name in earlier if name in needed | ordered_only),
        trigger_rule=draw(st.sampled_from(sorted(TRIGGER_RULES))),
        retry=RetryPolicy(
            draw(st.integers(0, 5)), draw(st.integers(0, 10**9)), draw(st.booleans()), draw(st.integers(0, 10**12))
        ),
        execution_timeout=draw(st.none() | st.integers(1, 10**9)),
        cache=draw(st.booleans()),
        environment=tuple(draw(st.lists(names, max_size=2))),
        doc=draw(st.text(max_size=20)),
    )


@st.composite
def _inputs(
    draw: st.DrawFn, name: str, task_id: str, earlier: list[str], parameters: list[str]
) -> tuple[InputSpec, Binding | None]:
    value = InputSpec(name, "value", "json", optional=True, default=draw(json_values))
    kinds: list[tuple[InputSpec, Binding | None]] = [
        (value, None),
        (value, Constant(draw(json_values))),
        (InputSpec(name, "function", "function"), FunctionRef("module:function")),
        (InputSpec(name, "artifact", "Dataset", optional=True), Latest(OutputRef(task_id, "data"))),
    ]
    if parameters:
        kinds.append((value, ParameterRef(draw(st.sampled_from(parameters)))))
    if earlier:
        data = OutputRef(draw(st.sampled_from(earlier)), "data")
        kinds += [
            (value, OutputRef(data.task, "return_value")),
            (value, Gathered((Constant(draw(json_values)), OutputRef(data.task, "return_value")))),
            (InputSpec(name, "artifact", "Artifact"), data),
            (InputSpec(name, "artifact", "Dataset", many=True), Gathered((data, data))),
            (
                InputSpec(name, "artifact", "Dataset", optional=True),
                Latest(OutputRef(task_id, "data"), where=data, flag="blessed", other_than=data),
            ),
        ]
    return draw(st.sampled_from(kinds))


@st.composite
def dependencies(draw: st.DrawFn) -> dict[str, tuple[str, ...]]:
    """Task -> the tasks it waits for, cycles and unknown names and repetitions among them."""
    ids = draw(st.lists(names, min_size=1, max_size=8, unique=True))
    known = st.sampled_from([*ids, "UNKNOWN"])
    return {name: tuple(draw(st.lists(known, max_size=3))) for name in ids}
