"""What each operation of a transform graph computes, as a Polars expression.

`compile_nodes` turns nodes and fitted values into expressions. Training and serving go through this one place, so they
cannot differ.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from millrace.data.stable_hash import hash_values
from millrace.data.transform.nodes import ANALYSIS, BOOL, FLOAT, GROUP, INT, STRING, Node

Fitted = Mapping[int, Mapping[str, Any]]
Build = Callable[[Sequence[Any], Mapping[str, Any]], pl.Expr]

POLARS_KINDS: Mapping[str, pl.DataType] = {
    INT: pl.Int64(),
    FLOAT: pl.Float64(),
    STRING: pl.String(),
    BOOL: pl.Boolean(),
}


def compile_nodes(nodes: Sequence[Node], fitted: Fitted, wanted: Iterable[int]) -> dict[int, pl.Expr]:
    """The expression of each node in `wanted` (and of those they rest on). Analyses must have been fitted."""
    compiled: dict[int, Any] = {}
    for number in wanted:
        node = nodes[number]
        if node.kind == ANALYSIS:
            compiled[number] = fitted[number]
        elif node.kind != GROUP:
            inputs = [compiled[one] for one in node.inputs]
            compiled[number] = _BUILDERS[node.op](inputs, node.params).cast(POLARS_KINDS[node.kind])
    return compiled


def _z_score(inputs: Sequence[Any], params: Mapping[str, Any]) -> pl.Expr:
    del params
    x, moments = inputs
    deviation = math.sqrt(moments["variance"])
    centred: pl.Expr = x - moments["mean"]
    return centred / deviation if deviation > 0 else centred * 0.0


def _min_max(inputs: Sequence[Any], params: Mapping[str, Any]) -> pl.Expr:
    x, moments = inputs
    low, high = moments["minimum"], moments["maximum"]
    unit: pl.Expr = (x - low) / (high - low) if low < high else 1 / (1 + (-x.cast(pl.Float64)).exp())
    width, lowest = float(params["high"] - params["low"]), float(params["low"])
    return unit * width + lowest


def _bucket(x: pl.Expr, boundaries: Sequence[float]) -> pl.Expr:
    edges = np.asarray(boundaries, dtype=np.float64)

    def place(values: pl.Series) -> pl.Series:
        found = np.searchsorted(edges, values.fill_null(0.0).to_numpy(), side="right")
        placed = pl.Series(values.name, found, dtype=pl.Int64)
        return placed if not values.null_count() else placed.set(values.is_null(), None)

    return x.cast(pl.Float64).map_batches(place, return_dtype=pl.Int64)


def _vocabulary_index(x: pl.Expr, values: Sequence[str], params: Mapping[str, Any]) -> pl.Expr:
    # An Enum holds its look-up table once; codes of values that it does not have become null.
    index = x.cast(pl.Enum(values), strict=False).to_physical().cast(pl.Int64) if values else pl.lit(None, pl.Int64)
    if params["oov_buckets"]:
        outside = len(values) + _hash_bucket(x, params["oov_buckets"])
    else:
        outside = pl.lit(params["default"], dtype=pl.Int64)
    return pl.when(x.is_null()).then(None).otherwise(index.fill_null(outside))


def _indicator(inputs: Sequence[Any], params: Mapping[str, Any]) -> pl.Expr:
    x: pl.Expr = inputs[0]
    vocabulary = inputs[1]
    value: str = vocabulary["values"][params["index"]]
    return (x == value).fill_null(value=False)


def _hash_bucket(x: pl.Expr, buckets: int) -> pl.Expr:
    def place(values: pl.Series) -> pl.Series:
        found = (hash_values(values.fill_null("")) % np.uint64(buckets)).astype(np.int64)
        placed = pl.Series(values.name, found, dtype=pl.Int64)
        return placed if not values.null_count() else placed.set(values.is_null(), None)

    return x.map_batches(place, return_dtype=pl.Int64)


def _fill(x: pl.Expr, value: Any) -> pl.Expr:
    if isinstance(value, str):
        return x.fill_null(value)
    return pl.when(x.is_null() | x.cast(pl.Float64).is_nan()).then(pl.lit(value)).otherwise(x)


def _is_missing(inputs: Sequence[Any], params: Mapping[str, Any]) -> pl.Expr:
    del params
    x: pl.Expr = inputs[0]
    return x.is_null()


def _fitted(inputs: Sequence[Any], params: Mapping[str, Any]) -> pl.Expr:
    value = inputs[0][params["field"]]
    return pl.lit(value if params["index"] is None else value[params["index"]])


def _domain(function: Callable[[pl.Expr], pl.Expr], inside: Callable[[pl.Expr], pl.Expr]) -> Build:
    """A function with a domain: missing outside it, where Polars would give NaN or an infinity."""

    def build(inputs: Sequence[Any], params: Mapping[str, Any]) -> pl.Expr:
        del params
        x = inputs[0].cast(pl.Float64)
        return pl.when(inside(x)).then(function(x))

    return build


def _cast(inputs: Sequence[Any], params: Mapping[str, Any]) -> pl.Expr:
    x: pl.Expr = inputs[0]
    return x.cast(POLARS_KINDS[params["to"]], strict=False)


def _binary(function: Callable[[Any, Any], Any]) -> Build:
    return lambda inputs, _: function(inputs[0], inputs[1])


def _unary(function: Callable[[pl.Expr], pl.Expr]) -> Build:
    return lambda inputs, _: function(inputs[0])


_BUILDERS: Mapping[str, Build] = {
    "column": lambda _, params: pl.col(params["name"]),
    "literal": lambda _, params: pl.lit(params["value"]),
    "identity": _unary(lambda x: x),
    "add": _binary(operator.add),
    "subtract": _binary(operator.sub),
    "multiply": _binary(operator.mul),
    "divide": _binary(operator.truediv),
    "floor_divide": _binary(operator.floordiv),
    "modulo": _binary(operator.mod),
    "power": _binary(lambda x, y: x.cast(pl.Float64) ** y),
    "absolute": _unary(lambda x: x.abs()),
    "equal": _binary(operator.eq),
    "not_equal": _binary(operator.ne),
    "less": _binary(operator.lt),
    "less_equal": _binary(operator.le),
    "greater": _binary(operator.gt),
    "greater_equal": _binary(operator.ge),
    "and": _binary(operator.and_),
    "or": _binary(operator.or_),
    "where": lambda inputs, _: pl.when(inputs[0]).then(inputs[1]).otherwise(inputs[2]),
    "z_score": _z_score,
    "min_max": _min_max,
    "bucket": lambda inputs, _: _bucket(inputs[0], inputs[1]["boundaries"]),
    "given_bucket": lambda inputs, params: _bucket(inputs[0], params["boundaries"]),
    "vocabulary_index": lambda inputs, params: _vocabulary_index(inputs[0], inputs[1]["values"], params),
    "given_vocabulary_index": lambda inputs, params: _vocabulary_index(inputs[0], params["values"], params),
    "indicator": _indicator,
    "hash_bucket": lambda inputs, params: _hash_bucket(inputs[0], params["buckets"]),
    "fill": lambda inputs, params: _fill(inputs[0], params["value"]),
    "fill_fitted": lambda inputs, params: _fill(inputs[0], inputs[1][params["field"]]),
    "fitted": _fitted,
    "is_missing": _is_missing,
    "log": _domain(lambda x: x.log(), lambda x: x > 0),
    "log1p": _domain(lambda x: x.log1p(), lambda x: x > -1),
    "exp": _unary(lambda x: x.exp()),
    "sqrt": _domain(lambda x: x.sqrt(), lambda x: x >= 0),
    "clip": lambda inputs, params: inputs[0].clip(params["low"], params["high"]),
    "cast": _cast,
    "lower": _unary(lambda x: x.str.to_lowercase()),
    "strip": _unary(lambda x: x.str.strip_chars()),
    "length": _unary(lambda x: x.str.len_chars()),
}
