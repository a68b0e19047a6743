"""A fitted transform: applied by the same code to a data set, to a batch and to one row in serving.

It needs neither the function that made it nor the data it was fitted on. Columns that no output rests on are not
asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import polars as pl
from numpy.typing import NDArray

from millrace.core.errors import DataError, NotFoundError, did_you_mean
from millrace.data.manifest import Column
from millrace.data.transform.nodes import TO_COLUMN_TYPE, Node, Output, reachable
from millrace.data.transform.program import Program
from millrace.data.transform.storage import read_transform, write_transform
from millrace.data.transform.vectors import (
    array_of_vector,
    series_of_vector,
    vector_of_series,
    vector_of_values,
)


@attrs.frozen(eq=False)
class _Plan:
    """What to do when these outputs are wanted."""

    outputs: tuple[Output, ...]
    inputs: tuple[Column, ...]
    program: Program


@attrs.define(eq=False)
class TransformGraph:
    """Nodes, fitted values and outputs; made by `fit_transform_graph` or `TransformGraph.load`."""

    inputs: tuple[Column, ...]
    nodes: tuple[Node, ...]
    fitted: Mapping[int, Mapping[str, Any]]
    outputs: tuple[Output, ...]
    _needs: dict[str, frozenset[str]] = attrs.field(factory=dict, init=False, repr=False)
    _plans: dict[tuple[str, ...], _Plan] = attrs.field(factory=dict, init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        for output in self.outputs:
            below = (self.nodes[one] for one in reachable(self.nodes, [output.node], through_analyses=False))
            self._needs[output.name] = frozenset(node.params["name"] for node in below if node.op == "column")

    def __reduce__(self) -> tuple[type[TransformGraph], tuple[Any, ...]]:
        """Without the bound kernels, so that a graph can be sent to another process."""
        return TransformGraph, (self.inputs, self.nodes, self.fitted, self.outputs)

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
        plan = self._plan(frame.columns, require_label, skip_missing_outputs)
        raw = {column.name: vector_of_series(frame[column.name], column) for column in plan.inputs}
        values = plan.program.run(raw)
        return pl.DataFrame(
            [series_of_vector(one.name, values[one.node].stretched(frame.height)) for one in plan.outputs]
        )

    def apply_columns(
        self,
        columns: Mapping[str, Sequence[Any] | NDArray[Any]],
        *,
        require_label: bool = False,
        skip_missing_outputs: bool = False,
    ) -> dict[str, NDArray[Any]]:
        """As `apply`, over plain values or arrays (None is missing) and into arrays: the fast way for a few rows.

        Numbers come out as int64 or float64, missing ones as NaN, strings as objects.
        """
        plan = self._plan(list(columns), require_label, skip_missing_outputs)
        raw = {column.name: vector_of_values(columns[column.name], column) for column in plan.inputs}
        rows = {len(columns[column.name]) for column in plan.inputs}
        if len(rows) > 1:
            raise DataError(f"the columns have different lengths: {sorted(rows)}")
        height = rows.pop() if rows else 0
        values = plan.program.run(raw)
        return {one.name: array_of_vector(values[one.node].stretched(height)) for one in plan.outputs}

    def _plan(self, there: list[str], require_label: bool, skip_missing_outputs: bool) -> _Plan:
        columns = frozenset(there)
        chosen = []
        for output in self.outputs:
            if self._needs[output.name] <= columns:
                chosen.append(output)
            elif not (skip_missing_outputs or (output.is_label and not require_label)):
                raise self._lacking(output, there)
        names = tuple(output.name for output in chosen)
        plan = self._plans.get(names)
        if plan is None:
            program = Program.of(self.nodes, self.fitted, [output.node for output in chosen])
            needed = tuple(column for column in self.inputs if column.name in program.columns)
            plan = self._plans[names] = _Plan(tuple(chosen), needed, program)
        return plan

    def _lacking(self, output: Output, there: list[str]) -> DataError:
        missing = [column for column in self.input_columns if column in self._needs[output.name] - set(there)]
        return DataError(
            f"column {missing[0]!r} is missing, output {output.name!r} is made from it",
            remedy=did_you_mean(missing[0], there),
        )

    def save(self, directory: str | Path) -> None:
        """Write `transform.json` and the vocabularies to `directory`."""
        write_transform(Path(directory), self.inputs, self.nodes, self.fitted, self.outputs)

    @classmethod
    def load(cls, directory: str | Path) -> TransformGraph:
        """Raises `DataError` where `directory` holds no transform, or one of another format."""
        return cls(*read_transform(Path(directory)))
