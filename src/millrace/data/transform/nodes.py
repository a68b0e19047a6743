"""The expression graph of a transform: plain numbered nodes, each after its inputs, none twice.

A node is data, not code: the name of an operation, the numbers of its inputs, its parameters and the kind of
its values. So a graph is written as JSON and run elsewhere without the function that made it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import attrs
import orjson

INT: Final = "int"
FLOAT: Final = "float"
STRING: Final = "string"
BOOL: Final = "bool"
ANALYSIS: Final = "analysis"
GROUP: Final = "group"
NUMERIC = (INT, FLOAT, BOOL)

FROM_COLUMN_TYPE: Mapping[str, str] = {"int64": INT, "double": FLOAT, "string": STRING}
TO_COLUMN_TYPE: Mapping[str, str] = {INT: "int64", BOOL: "int64", FLOAT: "double", STRING: "string"}


@attrs.frozen
class Node:
    """One operation. `kind` is that of its values: int, float, string, bool, analysis (fitted before) or group."""

    op: str
    inputs: tuple[int, ...]
    params: Mapping[str, Any]
    kind: str

    def to_json(self) -> dict[str, Any]:
        return {"op": self.op, "inputs": list(self.inputs), "params": dict(self.params), "kind": self.kind}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Node:
        return cls(document["op"], tuple(document["inputs"]), document["params"], document["kind"])


@attrs.frozen
class Output:
    """One column that comes out; `is_label` marks what served rows need not have."""

    name: str
    node: int
    is_label: bool = False


@attrs.define
class NodeList:
    """Grows by `add`; the same operation on the same inputs is the same node."""

    nodes: list[Node] = attrs.field(factory=list)
    _numbers: dict[bytes, int] = attrs.field(factory=dict, init=False)

    def add(self, node: Node) -> int:
        key = orjson.dumps(node.to_json(), option=orjson.OPT_SORT_KEYS)
        number = self._numbers.get(key)
        if number is None:
            number = self._numbers[key] = len(self.nodes)
            self.nodes.append(node)
        return number


def reachable(nodes: Sequence[Node], ends: Iterable[int], *, through_analyses: bool = True) -> list[int]:
    """The numbers of all nodes that `ends` rest on, themselves included, in order.

    Without `through_analyses` only what is computed for each row: an analysis is a constant by then.
    """
    found: set[int] = set()
    open_ = list(ends)
    while open_:
        number = open_.pop()
        if number not in found:
            found.add(number)
            if through_analyses or nodes[number].kind != ANALYSIS:
                open_.extend(nodes[number].inputs)
    return sorted(found)


def passes(nodes: Sequence[Node]) -> list[list[int]]:
    """The analyses, grouped into the fewest full passes over the data.

    An analysis belongs to the first pass before which everything that it rests on has been fitted.
    """
    depth = [0] * len(nodes)
    grouped: list[list[int]] = []
    for number, node in enumerate(nodes):
        depth[number] = max((depth[one] for one in node.inputs), default=0)
        if node.kind == ANALYSIS:
            grouped.extend([] for _ in range(depth[number] + 1 - len(grouped)))
            grouped[depth[number]].append(number)
            depth[number] += 1
    return grouped
