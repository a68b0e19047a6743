"""A fitted transform: applied by the same code to a data set, to a batch and to one row in serving.

It needs neither the function that made it nor the data it was fitted on. Columns that no output rests on are not
asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import polars as pl

from millrace.core.errors import DataError, NotFoundError, did_you_mean
from millrace.data.manifest import POLARS_TYPES, Column
from millrace.data.transform.expressions import compile_nodes
from millrace.data.transform.nodes import BOOL, TO_COLUMN_TYPE, Node, reachable


@attrs.frozen
class Output:
    """One column that comes out; `is_label` marks what served rows need not have."""

    name: str
    node: int
    is_label: bool = False


@attrs.define(eq=False)
class TransformGraph:
    """Nodes, fitted values and outputs; made by `fit_transform_graph` or `TransformGraph.load`."""

    inputs: tuple[Column, ...]
    nodes: tuple[Node, ...]
    fitted: Mapping[int, Mapping[str, Any]]
    outputs: tuple[Output, ...]
    _expressions: dict[str, pl.Expr] = attrs.field(factory=dict, init=False, repr=False)
    _needs: dict[str, frozenset[str]] = attrs.field(factory=dict, init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        used = reachable(list(self.nodes), (output.node for output in self.outputs))
        compiled = compile_nodes(self.nodes, self.fitted, used)
        for output in self.outputs:
            expression = compiled[output.node]
            if self.nodes[output.node].kind == BOOL:
                expression = expression.cast(pl.Int64)
            self._expressions[output.name] = expression.alias(output.name)
            below = [self.nodes[number] for number in reachable(list(self.nodes), [output.node])]
            self._needs[output.name] = frozenset(node.params["name"] for node in below if node.op == "column")

    @property
    def output_names(self) -> list[str]:
        return [output.name for output in self.outputs]

    @property
    def label_names(self) -> list[str]:
        """The outputs that `t.label` made."""
        return [output.name for output in self.outputs if output.is_label]

    @property
    def feature_names(self) -> list[str]:
        """The outputs that are no labels."""
        return [output.name for output in self.outputs if not output.is_label]

    @property
    def output_columns(self) -> tuple[Column, ...]:
        return tuple(Column(output.name, TO_COLUMN_TYPE[self.nodes[output.node].kind]) for output in self.outputs)

    @property
    def input_columns(self) -> list[str]:
        """The raw columns that any output rests on."""
        return [column.name for column in self.inputs]

    def inputs_of(self, output: str) -> list[str]:
        """The raw columns that one output rests on, in the data's order."""
        if output not in self._needs:
            raise NotFoundError("output", output, self.output_names)
        return [column.name for column in self.inputs if column.name in self._needs[output]]

    def apply(
        self, frame: pl.DataFrame, *, require_label: bool = True, skip_missing_outputs: bool = False
    ) -> pl.DataFrame:
        """The outputs for the rows of `frame`, in their order; further columns are ignored.

        A column that an output needs and the frame lacks is a `DataError`. With `require_label=False` label
        outputs are left out where their columns are missing, with `skip_missing_outputs=True` any output is.
        """
        there = set(frame.columns)
        chosen = []
        for output in self.outputs:
            if self._needs[output.name] <= there:
                chosen.append(output.name)
            elif not (skip_missing_outputs or (output.is_label and not require_label)):
                raise self._lacking(output, frame.columns)
        needed = frozenset().union(*(self._needs[name] for name in chosen))
        raw = [_typed(frame[column.name], column) for column in self.inputs if column.name in needed]
        typed = pl.DataFrame(raw) if raw else frame.select(pl.lit(0).alias("rows").repeat_by(1))
        results = typed.select([self._expressions[name] for name in chosen])
        if results.height != frame.height:  # constants alone come out as one row
            results = results.select(pl.all().first().repeat_by(frame.height).explode())
        return results

    def _lacking(self, output: Output, there: list[str]) -> DataError:
        missing = [column for column in self.input_columns if column in self._needs[output.name] - set(there)]
        return DataError(
            f"column {missing[0]!r} is missing, output {output.name!r} is made from it",
            remedy=did_you_mean(missing[0], there),
        )

    def save(self, directory: str | Path) -> None:
        """Write `transform.json` and the vocabularies to `directory`."""
        from millrace.data.transform.storage import save_graph

        save_graph(self, Path(directory))

    @classmethod
    def load(cls, directory: str | Path) -> TransformGraph:
        """Raises `DataError` where `directory` holds no transform, or one of another format."""
        from millrace.data.transform.storage import load_graph

        return load_graph(Path(directory))


def _typed(values: pl.Series, column: Column) -> pl.Series:
    """The values in the type that the transform was fitted on, or a `DataError` with the first that does not fit."""
    wanted = POLARS_TYPES[column.type]
    if values.dtype == wanted:
        return values
    if values.dtype != pl.String and wanted == pl.Int64 and values.dtype.is_float():
        cast = values.cast(wanted, strict=False)
        bad = values.is_not_null() & (cast.is_null() | (cast.cast(values.dtype) != values))
    else:
        try:
            cast = values.cast(wanted, strict=False)
        except pl.exceptions.PolarsError as error:
            raise DataError(
                f"column {column.name!r} holds {values.dtype}, the transform takes {column.type}"
            ) from error
        bad = values.is_not_null() & cast.is_null()
    if bad.any():
        row = int(bad.arg_max() or 0)
        raise DataError(
            f"column {column.name!r}, row {row + 1}: {values[row]!r} is no {column.type}",
            remedy="Give the column in the type that the transform was fitted on.",
        )
    return cast
