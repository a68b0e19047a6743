"""Kernels over dictionary-encoded strings: each looks at a distinct value once and spreads the result over the rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from millrace.data.column_types import parse
from millrace.data.stable_hash import hash_values
from millrace.data.transform.nodes import INT
from millrace.data.transform.vectors import Vector

Kernel = Callable[..., Vector]


def _categories(x: Vector) -> list[str]:
    assert x.categories is not None
    return x.categories


def _spread(x: Vector, by_category: Sequence[Any] | NDArray[Any], dtype: Any) -> Vector:
    return Vector(np.asarray(np.asarray(by_category, dtype=dtype)[x.data]), x.missing)


def vocabulary_index(values: Sequence[str], oov_buckets: int, default: int) -> Kernel:
    places = {value: place for place, value in enumerate(values)}
    size = len(values)

    def kernel(x: Vector) -> Vector:
        categories = _categories(x)
        index = [places.get(category, default) for category in categories]
        if oov_buckets:
            strange = [number for number, category in enumerate(categories) if category not in places]
            if strange:
                hashes = _buckets([categories[number] for number in strange], oov_buckets)
                for number, bucket in zip(strange, hashes.tolist(), strict=True):
                    index[number] = size + bucket
        return _spread(x, index, np.int64)

    return kernel


def _buckets(categories: list[str], buckets: int) -> NDArray[np.int64]:
    return (hash_values(pl.Series(categories, dtype=pl.String)) % np.uint64(buckets)).astype(np.int64)


def hash_bucket(buckets: int) -> Kernel:
    return lambda x: _spread(x, _buckets(_categories(x), buckets), np.int64)


def indicator(value: str) -> Kernel:
    """True where the cell holds the value; a missing cell holds none."""

    def kernel(x: Vector) -> Vector:
        found = _spread(x, [category == value for category in _categories(x)], np.bool_)
        return Vector(found.data if x.missing is None else found.data & ~x.missing)

    return kernel


def mapped(function: Callable[[str], str]) -> Kernel:
    return lambda x: Vector(x.data, x.missing, [function(category) for category in _categories(x)])


def length(x: Vector) -> Vector:
    return _spread(x, [len(category) for category in _categories(x)], np.int64)


def fill(value: str) -> Kernel:
    def kernel(x: Vector) -> Vector:
        categories = _categories(x)
        if x.missing is None:
            return x
        return Vector(np.where(x.missing, len(categories), x.data), None, [*categories, value])

    return kernel


def to_numbers(x: Vector, kind: str) -> Vector:
    """Parsed as ingestion parses cells; a string that is no number becomes missing."""
    parsed = parse(pl.Series(_categories(x), dtype=pl.String), "int64" if kind == INT else "double")
    values = _spread(x, parsed.fill_null(0).to_numpy(), np.int64 if kind == INT else np.float64)
    failed = parsed.is_null().to_numpy()
    if not failed.any():
        return values
    bad = failed[x.data]
    return Vector(values.data, bad if x.missing is None else bad | x.missing)


def to_text(x: Vector) -> Vector:
    """Integers and truth values in decimal, floats in their shortest exact form."""
    data = x.data.astype(np.int64) if x.data.dtype.kind == "b" else x.data
    distinct, codes = np.unique(data, return_inverse=True)
    return Vector(codes.reshape(data.shape), x.missing, [str(value) for value in distinct.tolist()] or [""])


def joined(left: Vector, right: Vector) -> tuple[Vector, Vector]:
    """Both over one list of categories."""
    mine, theirs = _categories(left), _categories(right)
    together = [*mine, *theirs]
    return (
        Vector(left.data, left.missing, together),
        Vector(right.data + len(mine), right.missing, together),
    )


def ranks(left: Vector, right: Vector) -> tuple[NDArray[Any], NDArray[Any]]:
    """Numbers that compare as the strings do."""
    mine, theirs = _categories(left), _categories(right)
    order = {value: rank for rank, value in enumerate(sorted({*mine, *theirs}))}
    return (
        np.asarray([order[value] for value in mine])[left.data],
        np.asarray([order[value] for value in theirs])[right.data],
    )
