"""The parameters of a pipeline run: checked against what the pipeline declares, defaults filled in."""

from __future__ import annotations

from collections.abc import Mapping

from millrace.core.errors import ParameterError, did_you_mean
from millrace.core.graph import Graph
from millrace.core.types import Json


def bind_parameters(graph: Graph, given: Mapping[str, Json]) -> dict[str, Json]:
    """Every parameter of ``graph`` by name. :class:`ParameterError` names what is unknown, missing or of a wrong
    type."""
    declared = {p.name: p for p in graph.parameters}
    for name in given:
        if name not in declared:
            what = did_you_mean(name, declared) or f"Pipeline {graph.name!r} takes no parameters."
            raise ParameterError(f"pipeline {graph.name!r} has no parameter {name!r}", where=graph.where(), remedy=what)
    bound: dict[str, Json] = {}
    for name, spec in declared.items():
        if name not in given:
            if spec.required:
                raise ParameterError(
                    f"pipeline {graph.name!r} needs parameter {name!r} ({spec.type.article})",
                    where=graph.where(),
                    remedy=f"Give it: -p {name}=..., or .run({name}=...)",
                )
            bound[name] = spec.default
            continue
        value = given[name]
        if value is None and not spec.required and spec.default is None:
            bound[name] = None
            continue
        if not spec.type.accepts(value):
            raise ParameterError(
                f"parameter {name!r} of pipeline {graph.name!r} takes {spec.type.article}, not {value!r}",
                where=graph.where(),
            )
        bound[name] = value
    return bound


def parse_parameters(graph: Graph, texts: Mapping[str, str]) -> dict[str, Json]:
    """Parameters typed on a command line (``-p lr=0.1``) as values of their declared types; unknown names are left for
    :func:`bind_parameters` to refuse."""
    types = {p.name: p.type for p in graph.parameters}
    return {n: types[n].parse(t, name=n) if n in types else t for n, t in texts.items()}
