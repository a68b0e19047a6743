"""Running a user's `preprocess` once, on columns that hold no data, to learn its graph.

Whatever goes wrong in it becomes one `DataError` at the user's own line.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from pathlib import Path

import attrs

from millrace.core.errors import DataError, MillraceError
from millrace.data.manifest import Column as ColumnType
from millrace.data.transform.column import Column, Columns
from millrace.data.transform.nodes import ANALYSIS, Node, NodeList
from millrace.data.transform.operations import Operations

Preprocess = Callable[[Columns, Operations], Mapping[str, Column]]

_OURS = str(Path(__file__).parent)


@attrs.frozen
class Traced:
    """The graph before it is fitted, and where in the user's code it was defined."""

    nodes: list[Node]
    outputs: dict[str, Column]
    where: str


def trace(preprocess: Preprocess, columns: list[ColumnType]) -> Traced:
    nodes = NodeList()
    x = Columns(nodes, {column.name: column.type for column in columns})
    try:
        returned = preprocess(x, Operations())
    except MillraceError as error:
        error.where = error.where or _users_line(error, preprocess)
        raise
    except Exception as error:  # the user's own code: any error of it is reported as one
        raise DataError(
            f"preprocess raised {type(error).__name__}: {error}",
            where=_users_line(error, preprocess),
            remedy="It gets columns that hold no data yet; see what it does on this line.",
        ) from error
    return Traced(nodes.nodes, _check_outputs(returned, preprocess), _defined(preprocess))


def _users_line(error: Exception, preprocess: Preprocess) -> str:
    """The innermost line that is not the library's."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if not frame.filename.startswith(_OURS):
            return f"{frame.filename}, line {frame.lineno}"
    return _defined(preprocess)


def _defined(preprocess: Preprocess) -> str:
    code = getattr(preprocess, "__code__", None)
    return f"{code.co_filename}, line {code.co_firstlineno}" if code else repr(preprocess)


def _check_outputs(returned: object, preprocess: Preprocess) -> dict[str, Column]:
    where = _defined(preprocess)
    remedy = 'End it with: return {"name": column, ...}'
    if returned is None:
        raise DataError("preprocess returns nothing", where=where, remedy=remedy)
    if not isinstance(returned, Mapping):
        raise DataError(f"preprocess returns a {type(returned).__name__}, not a dict", where=where, remedy=remedy)
    if not returned:
        raise DataError("preprocess returns no column", where=where, remedy=remedy)
    for name, column in returned.items():
        if not isinstance(name, str) or not name:
            raise DataError(f"preprocess names an output {name!r}", where=where, remedy="Use strings.")
        if not isinstance(column, Column) or column.kind == ANALYSIS:
            raise DataError(f"output {name!r} is {column!r}, not a column", where=where, remedy=remedy)
    return dict(returned)
