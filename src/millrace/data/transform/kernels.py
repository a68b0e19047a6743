"""What each operation of a transform graph computes, over `Vector`s.

`bind` turns a node with the values fitted for it into a function of its inputs; tables are built then, not at
each call.
Missing in gives missing out, and what is not defined (a division by 0, a logarithm of 0) is missing too.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from millrace.data.transform import text_kernels
from millrace.data.transform.nodes import FLOAT, STRING, Node
from millrace.data.transform.vectors import Mask, Vector

Kernel = Callable[..., Vector]
Fitted = Mapping[str, Any]
_INT64_BOUND = 2.0**63


def bind(node: Node, analyses: list[Fitted]) -> Kernel:
    """The function of the node's column inputs; `analyses` are the fitted values among its inputs, in order."""
    return _BINDERS[node.op](node.params, *analyses)


def either(left: Vector, right: Vector) -> Mask | None:
    if left.missing is None:
        return right.missing
    if right.missing is None:
        return left.missing
    return left.missing | right.missing


def with_mask(data: NDArray[Any], missing: Mask | None, more: Mask) -> Vector:
    """Missing where it was and where `more` holds."""
    if not more.any():
        return Vector(data, missing)
    return Vector(data, more if missing is None else missing | more)


def _plain(function: Callable[[Any, Any], Any]) -> Callable[..., Kernel]:
    def kernel(left: Vector, right: Vector) -> Vector:
        return Vector(np.asarray(function(_numbers(left), _numbers(right))), either(left, right))

    return lambda _: kernel


def _numbers(vector: Vector) -> NDArray[Any]:
    """Truth values count as 0 and 1."""
    return vector.data.astype(np.int64) if vector.data.dtype.kind == "b" else vector.data


def _divided(function: Callable[[Any, Any], Any]) -> Callable[..., Kernel]:
    def kernel(left: Vector, right: Vector) -> Vector:
        divisor = _numbers(right)
        zero = divisor == 0
        data = np.asarray(function(_numbers(left), np.where(zero, 1, divisor)))
        return with_mask(data, either(left, right), np.broadcast_to(zero, data.shape))

    return lambda _: kernel


def _compared(function: Callable[[Any, Any], Any]) -> Callable[..., Kernel]:
    def kernel(left: Vector, right: Vector) -> Vector:
        a, b = left.data, right.data
        if left.categories is not None and right.categories is not None:
            a, b = text_kernels.ranks(left, right)
        return Vector(np.asarray(function(a, b)), either(left, right))

    return lambda _: kernel


def _logical(decisive: bool) -> Callable[..., Kernel]:
    """And (decided by a False) and or (decided by a True): a side that decides makes up for a missing one."""

    def kernel(left: Vector, right: Vector) -> Vector:
        a, b = left.data, right.data
        missing = either(left, right)
        data = np.asarray((a | b) if decisive else (a & b))
        if missing is not None:
            decides_a, decides_b = (a == decisive), (b == decisive)
            decides_a = decides_a if left.missing is None else decides_a & ~left.missing
            decides_b = decides_b if right.missing is None else decides_b & ~right.missing
            decided = decides_a | decides_b
            data, missing = np.where(decided, decisive, data), missing & ~decided
        return Vector(data, missing)

    return lambda _: kernel


def _unary(function: Callable[[NDArray[Any]], Any]) -> Callable[..., Kernel]:
    return lambda _: lambda x: Vector(np.asarray(function(_numbers(x))), x.missing)


def _inside(function: Callable[[Any], Any], inside: Callable[[Any], Any], safe: float) -> Callable[..., Kernel]:
    """A function with a domain, missing outside of it; `safe` is any number inside."""

    def kernel(x: Vector) -> Vector:
        good = inside(x.data)
        return with_mask(np.asarray(function(np.where(good, x.data, safe))), x.missing, ~good)

    return lambda _: kernel


def _z_score(_: Fitted, moments: Fitted) -> Kernel:
    mean, deviation = moments["mean"], math.sqrt(moments["variance"])
    scale = 1.0 / deviation if deviation > 0 else 0.0
    return lambda x: Vector((x.data - mean) * scale, x.missing)


def _min_max(params: Fitted, moments: Fitted) -> Kernel:
    low, high = moments["minimum"], moments["maximum"]
    bottom, width = params["low"], params["high"] - params["low"]
    if low < high:
        return lambda x: Vector((x.data - low) / (high - low) * width + bottom, x.missing)
    return lambda x: Vector(1 / (1 + np.exp(-x.data.astype(np.float64))) * width + bottom, x.missing)


def _bucket(boundaries: list[float]) -> Kernel:
    edges = np.asarray(boundaries, dtype=np.float64)
    return lambda x: Vector(np.asarray(edges.searchsorted(_numbers(x), side="right")), x.missing)


def _fill(value: Any) -> Kernel:
    if isinstance(value, str):
        return text_kernels.fill(value)

    def kernel(x: Vector) -> Vector:
        gaps = _gaps(x)
        return Vector(x.data if gaps is None else np.where(gaps, value, x.data))

    return kernel


def _gaps(x: Vector) -> Mask | None:
    """Missing, or NaN, which a reader of data takes for missing."""
    if x.data.dtype.kind != "f":
        return x.missing
    nan: Mask = np.isnan(x.data)
    return nan if x.missing is None else nan | x.missing


def _is_missing(_: Fitted) -> Kernel:
    def kernel(x: Vector) -> Vector:
        gaps = _gaps(x) if x.categories is None else x.missing
        return Vector(np.zeros(x.data.shape, dtype=np.bool_) if gaps is None else gaps)

    return kernel


def _where(_: Fitted) -> Kernel:
    def kernel(condition: Vector, then: Vector, otherwise: Vector) -> Vector:
        holds = condition.data if condition.missing is None else condition.data & ~condition.missing
        if then.categories is not None and otherwise.categories is not None:
            then, otherwise = text_kernels.joined(then, otherwise)
        data = np.where(holds, then.data, otherwise.data)
        missing = None
        if then.missing is not None or otherwise.missing is not None:
            none = np.False_
            missing = np.where(
                holds,
                none if then.missing is None else then.missing,
                none if otherwise.missing is None else otherwise.missing,
            )
        return Vector(data, missing, then.categories)

    return kernel


def _cast(params: Fitted) -> Kernel:
    target = params["to"]

    def kernel(x: Vector) -> Vector:
        if target == STRING:
            return x if x.categories is not None else text_kernels.to_text(x)
        if x.categories is not None:
            return text_kernels.to_numbers(x, target)
        if target == FLOAT:
            return Vector(x.data.astype(np.float64), x.missing)
        if x.data.dtype.kind != "f":
            return Vector(_numbers(x), x.missing)
        good = np.abs(x.data) < _INT64_BOUND  # neither NaN nor infinite
        return with_mask(np.where(good, x.data, 0.0).astype(np.int64), x.missing, ~good)

    return kernel


def _clip(params: Fitted) -> Kernel:
    return lambda x: Vector(np.clip(_numbers(x), params["low"], params["high"]), x.missing)


def _fitted(params: Fitted, analysis: Fitted) -> Kernel:
    value = analysis[params["field"]]
    constant = Vector(np.asarray(value if params["index"] is None else value[params["index"]], dtype=np.float64))
    return lambda: constant


def _literal(params: Fitted) -> Kernel:
    value = params["value"]
    text = isinstance(value, str)
    constant = Vector(np.asarray(0), None, [value]) if text else Vector(np.asarray(value))
    return lambda: constant


_BINDERS: Mapping[str, Callable[..., Kernel]] = {
    "literal": _literal,
    "identity": lambda _: lambda x: x,
    "add": _plain(operator.add),
    "subtract": _plain(operator.sub),
    "multiply": _plain(operator.mul),
    "divide": _divided(operator.truediv),
    "floor_divide": _divided(operator.floordiv),
    "modulo": _divided(operator.mod),
    "power": _plain(lambda x, y: np.asarray(x, dtype=np.float64) ** y),
    "absolute": _unary(np.abs),
    "equal": _compared(operator.eq),
    "not_equal": _compared(operator.ne),
    "less": _compared(operator.lt),
    "less_equal": _compared(operator.le),
    "greater": _compared(operator.gt),
    "greater_equal": _compared(operator.ge),
    "and": _logical(decisive=False),
    "or": _logical(decisive=True),
    "where": _where,
    "z_score": _z_score,
    "min_max": _min_max,
    "bucket": lambda _, quantiles: _bucket(quantiles["boundaries"]),
    "given_bucket": lambda params: _bucket(params["boundaries"]),
    "vocabulary_index": lambda params, vocabulary: text_kernels.vocabulary_index(
        vocabulary["values"], params["oov_buckets"], params["default"]
    ),
    "given_vocabulary_index": lambda params: text_kernels.vocabulary_index(
        params["values"], params["oov_buckets"], params["default"]
    ),
    "indicator": lambda params, vocabulary: text_kernels.indicator(vocabulary["values"][params["index"]]),
    "hash_bucket": lambda params: text_kernels.hash_bucket(params["buckets"]),
    "fill": lambda params: _fill(params["value"]),
    "fill_fitted": lambda params, analysis: _fill(analysis[params["field"]]),
    "fitted": _fitted,
    "is_missing": _is_missing,
    "log": _inside(np.log, lambda x: x > 0, 1.0),
    "log1p": _inside(np.log1p, lambda x: x > -1, 0.0),
    "exp": _unary(np.exp),
    "sqrt": _inside(np.sqrt, lambda x: x >= 0, 0.0),
    "clip": _clip,
    "cast": _cast,
    "lower": lambda _: text_kernels.mapped(str.lower),
    "strip": lambda _: text_kernels.mapped(str.strip),
    "length": lambda _: text_kernels.length,
}
