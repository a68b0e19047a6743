"""What a `preprocess` function holds in its hands: columns that are not computed yet.

`x["fare"] / x["trip_miles"]` adds nodes to the graph and looks at no data. A column has no truth value and no
length; what depends on the data's values is said through the operations.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from millrace.core.errors import DataError, did_you_mean
from millrace.data.transform.nodes import (
    BOOL,
    FLOAT,
    FROM_COLUMN_TYPE,
    GROUP,
    INT,
    NUMERIC,
    STRING,
    Node,
    NodeList,
)

Literal = int | float | str | bool


class Column:
    """A lazy column: a node of the graph, its kind (`int`, `float`, `string`, `bool`) and its name for messages."""

    __slots__ = ("_nodes", "is_label", "kind", "name", "number")

    def __init__(self, nodes: NodeList, number: int, name: str, *, is_label: bool = False) -> None:
        self._nodes = nodes
        self.number = number
        self.kind = nodes.nodes[number].kind
        self.name = name
        self.is_label = is_label

    def derive(self, op: str, *inputs: Column | Literal, kind: str, **params: object) -> Column:
        """A new column by `op` from this one and `inputs`."""
        operands = [self, *(self.lift(one) for one in inputs)]
        numbers = tuple(operand.number for operand in operands)
        names = ", ".join(dict.fromkeys(operand.name for operand in operands if operand.name))
        return Column(self._nodes, self._nodes.add(Node(op, numbers, params, kind)), names)

    def lift(self, value: Column | Literal) -> Column:
        if isinstance(value, Column):
            return value
        if not isinstance(value, int | float | str | bool):
            raise DataError(
                f"{value!r} cannot be put together with a column",
                remedy="Use columns, numbers, strings and booleans.",
            )
        kinds = {bool: BOOL, int: INT, float: FLOAT, str: STRING}
        node = Node("literal", (), {"value": value}, kinds[type(value)])
        return Column(self._nodes, self._nodes.add(node), "")

    def require(self, kinds: tuple[str, ...], operation: str) -> Column:
        """This column, or a `DataError` that says what the operation takes."""
        if self.kind in kinds:
            return self
        held = {STRING: "strings", GROUP: "several columns"}.get(self.kind, f"{self.kind}s")
        wanted = "strings" if kinds == (STRING,) else "numbers"
        raise DataError(
            f"column {self.name!r} holds {held}, {operation} takes {wanted}",
            remedy="Use t.cast, or an operation for its kind.",
        )

    def _arithmetic(self, op: str, other: Column | Literal, *, swap: bool = False, kind: str | None = None) -> Column:
        right = self.lift(other)
        for operand in (self, right):
            operand.require(NUMERIC, f"{op!r}")
        if kind is None:
            kind = FLOAT if FLOAT in {self.kind, right.kind} else INT
        return right.derive(op, self, kind=kind) if swap else self.derive(op, right, kind=kind)

    def __add__(self, other: Column | Literal) -> Column:
        return self._arithmetic("add", other)

    def __radd__(self, other: Literal) -> Column:
        return self._arithmetic("add", other, swap=True)

    def __sub__(self, other: Column | Literal) -> Column:
        return self._arithmetic("subtract", other)

    def __rsub__(self, other: Literal) -> Column:
        return self._arithmetic("subtract", other, swap=True)

    def __mul__(self, other: Column | Literal) -> Column:
        return self._arithmetic("multiply", other)

    def __rmul__(self, other: Literal) -> Column:
        return self._arithmetic("multiply", other, swap=True)

    def __truediv__(self, other: Column | Literal) -> Column:
        return self._arithmetic("divide", other, kind=FLOAT)

    def __rtruediv__(self, other: Literal) -> Column:
        return self._arithmetic("divide", other, swap=True, kind=FLOAT)

    def __floordiv__(self, other: Column | Literal) -> Column:
        return self._arithmetic("floor_divide", other)

    def __mod__(self, other: Column | Literal) -> Column:
        return self._arithmetic("modulo", other)

    def __pow__(self, other: Column | Literal) -> Column:
        return self._arithmetic("power", other, kind=FLOAT)

    def __neg__(self) -> Column:
        return self._arithmetic("subtract", 0, swap=True)

    def __abs__(self) -> Column:
        return self.require(NUMERIC, "abs").derive("absolute", kind=self.kind)

    def _comparison(self, op: str, other: Column | Literal) -> Column:
        right = self.lift(other)
        if (self.kind == STRING) != (right.kind == STRING):
            raise DataError(
                f"column {self.name or right.name!r}: strings and numbers are compared",
                remedy="Compare a column of strings with a string, a column of numbers with a number.",
            )
        return self.derive(op, right, kind=BOOL)

    def __eq__(self, other: Column | Literal) -> Column:  # type: ignore[override]  # builds a node, as in Polars
        return self._comparison("equal", other)

    def __ne__(self, other: Column | Literal) -> Column:  # type: ignore[override]  # builds a node, as in Polars
        return self._comparison("not_equal", other)

    def __lt__(self, other: Column | Literal) -> Column:
        return self._comparison("less", other)

    def __le__(self, other: Column | Literal) -> Column:
        return self._comparison("less_equal", other)

    def __gt__(self, other: Column | Literal) -> Column:
        return self._comparison("greater", other)

    def __ge__(self, other: Column | Literal) -> Column:
        return self._comparison("greater_equal", other)

    def _logical(self, op: str, other: Column | Literal) -> Column:
        right = self.lift(other)
        for operand in (self, right):
            if operand.kind != BOOL:
                raise DataError(
                    f"column {operand.name!r} holds no truth values, {op!r} takes them",
                    remedy="Compare it first, in brackets: (x['a'] > 0) & (x['b'] > 0).",
                )
        return self.derive(op, right, kind=BOOL)

    def __and__(self, other: Column | Literal) -> Column:
        return self._logical("and", other)

    def __or__(self, other: Column | Literal) -> Column:
        return self._logical("or", other)

    def __invert__(self) -> Column:
        return self._logical("not_equal", other=True)

    def __bool__(self) -> bool:
        raise DataError(
            f"column {self.name!r} is not computed yet: it is neither true nor false here",
            remedy="Use t.where(condition, a, b) instead of if, & and | instead of and and or.",
        )

    __hash__ = None  # type: ignore[assignment]  # equality builds a node, so a column cannot be looked up

    def __repr__(self) -> str:
        return f"Column({self.name!r}, {self.kind})"


class Columns(Mapping[str, Column]):
    """The `x` of a preprocess function: the raw columns by name."""

    def __init__(self, nodes: NodeList, types: Mapping[str, str]) -> None:
        self._nodes = nodes
        self._types = types

    def __getitem__(self, name: str) -> Column:
        if name not in self._types:
            raise DataError(f"there is no column {name!r} in the data", remedy=did_you_mean(str(name), self._types))
        node = Node("column", (), {"name": name}, FROM_COLUMN_TYPE[self._types[name]])
        return Column(self._nodes, self._nodes.add(node), name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._types)

    def __len__(self) -> int:
        return len(self._types)
