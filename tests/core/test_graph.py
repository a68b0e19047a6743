"""A graph goes to JSON and back without loss; its digest tells what it says and nothing else."""

from __future__ import annotations

import json
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace.core.canonical_json import canonical_json
from millrace.core.graph import Constant, Graph, SourceLine, TaskSpec
from millrace.core.graph_check import check
from tests.core.graph_strategies import graphs


@given(graphs())
def test_round_trip_through_json_loses_nothing(graph: Graph) -> None:
    again = Graph.from_json(json.loads(json.dumps(graph.to_json())))
    assert again == graph
    assert again.source_lines == graph.source_lines
    assert again.digest == graph.digest
    assert canonical_json(again.to_json()) == canonical_json(graph.to_json())


@given(graphs())
def test_random_graphs_are_right(graph: Graph) -> None:
    check(graph)


def _reversed(value: Any) -> Any:
    """The same JSON with the keys of every dict in the opposite order."""
    if isinstance(value, dict):
        return {k: _reversed(value[k]) for k in reversed(value)}
    return [_reversed(item) for item in value] if isinstance(value, list) else value


@given(graphs(), st.integers(1, 1000))
def test_digest_knows_neither_the_order_of_dicts_nor_source_lines(graph: Graph, line: int) -> None:
    shuffled = Graph.from_json(_reversed(graph.to_json()))
    moved = attrs.evolve(shuffled, source_lines={"": SourceLine("elsewhere.py", line)})
    assert moved.digest == graph.digest
    assert moved == graph


@given(graphs())
def test_digest_knows_everything_else(graph: Graph) -> None:
    changed = [
        attrs.evolve(graph, name=f"{graph.name}x"),
        attrs.evolve(graph, max_active_runs=graph.max_active_runs + 1),
        attrs.evolve(graph, tags=(*graph.tags, "one more")),
        attrs.evolve(graph, tasks=(*graph.tasks, TaskSpec("OTHER", "c", "m:f"))),
        attrs.evolve(graph, tasks=(attrs.evolve(graph.tasks[0], cache=not graph.tasks[0].cache), *graph.tasks[1:])),
    ]
    assert len({graph.digest, *(g.digest for g in changed)}) == len(changed) + 1


@pytest.mark.parametrize("value", [{"kind": "OutputRef", "task": "a", "output": "b"}, {"kind": None}, [], "x"])
def test_a_constant_may_be_any_json_even_the_shape_of_a_binding(value: Any) -> None:
    graph = Graph("p", (TaskSpec("t", "t", "m:t", bindings={"x": Constant(value)}),))
    assert Graph.from_json(graph.to_json()).tasks[0].bindings["x"] == Constant(value)
