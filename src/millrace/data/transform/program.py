"""A transform graph made ready to run: each needed node bound to its kernel, in order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import attrs
import numpy as np

from millrace.data.transform.kernels import Kernel, bind
from millrace.data.transform.nodes import ANALYSIS, GROUP, Node, reachable
from millrace.data.transform.vectors import Vector


@attrs.frozen
class _Step:
    number: int
    kernel: Kernel
    inputs: tuple[int, ...]


@attrs.frozen(eq=False)
class Program:
    """`columns` says which node each raw column feeds; `steps` compute the rest from them."""

    columns: Mapping[str, int]
    steps: tuple[_Step, ...]

    @classmethod
    def of(cls, nodes: Sequence[Node], fitted: Mapping[int, Mapping[str, Any]], ends: Iterable[int]) -> Program:
        """What is needed to compute the nodes `ends`; the analyses that they rest on must be fitted."""
        columns: dict[str, int] = {}
        steps = []
        for number in reachable(nodes, ends, through_analyses=False):
            node = nodes[number]
            if node.op == "column":
                columns[node.params["name"]] = number
            elif node.kind not in {ANALYSIS, GROUP}:
                analyses = [fitted[one] for one in node.inputs if nodes[one].kind == ANALYSIS]
                inputs = tuple(one for one in node.inputs if nodes[one].kind != ANALYSIS)
                steps.append(_Step(number, bind(node, analyses), inputs))
        return cls(columns, tuple(steps))

    def run(self, raw: Mapping[str, Vector]) -> dict[int, Vector]:
        """The values of all nodes, by number."""
        values = {number: raw[name] for name, number in self.columns.items()}
        with np.errstate(all="ignore"):
            for step in self.steps:
                values[step.number] = step.kernel(*[values[one] for one in step.inputs])
        return values
