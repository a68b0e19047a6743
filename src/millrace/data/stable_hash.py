"""A 64-bit hash of column values that never changes: not with the machine, the version or the column's type.

The split of a row, the distinct counts of saved statistics and the hash buckets of a fitted transform all
outlive the process that made them, so they must not rest on a library's own hash, which may change with its
version. Everything works on whole arrays.

* A number hashes by the bits of its double (an integer beyond 2^53 by its own bits), so 3 and 3.0 are the same
  value; -0.0 is 0.0 and every NaN is one NaN.
* A string hashes by its UTF-8 bytes: a polynomial modulo 2^64, finished with the mixer of SplitMix64.
* A row's hash is the mixed sum over its non-missing cells of (cell, column name): the order of the columns
  does not matter, nor does a further column that is missing in the row.
"""

from __future__ import annotations

import hashlib

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

U64 = NDArray[np.uint64]

_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_LARGE_INTEGER = np.uint64(0xD6E8FEB86659FD93)
_EXACT_IN_DOUBLE = 1 << 53
_BYTES_AT_ONCE = 1 << 20
_MANY = 1_000  # from here on it pays to look for equal strings first


def mix(bits: U64) -> U64:
    """The finaliser of SplitMix64 (Steele, Lea, Flood 2014): each input bit changes half the output bits."""
    with np.errstate(over="ignore"):
        mixed = bits + _MULTIPLIER
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))


def hash_doubles(values: NDArray[np.float64]) -> U64:
    canonical = values + 0.0
    canonical[np.isnan(canonical)] = np.nan
    return mix(canonical.view(np.uint64))


def hash_integers(values: NDArray[np.int64]) -> U64:
    hashes = hash_doubles(values.astype(np.float64))
    large = (values > _EXACT_IN_DOUBLE) | (values < -_EXACT_IN_DOUBLE)
    if large.any():
        hashes[large] = mix(values[large].view(np.uint64) ^ _LARGE_INTEGER)
    return hashes


def hash_strings(values: pa.Array) -> U64:
    """Hashes of an Arrow string array without nulls."""
    if len(values) > _MANY:
        encoded = values.dictionary_encode()
        if len(encoded.dictionary) < len(values) // 2:
            places = np.frombuffer(encoded.indices.buffers()[1], dtype=np.int32, count=len(values))
            return hash_strings(encoded.dictionary)[places]
    array = values.cast(pa.large_string())
    buffers = array.buffers()
    offsets = np.frombuffer(buffers[1], dtype=np.int64)[array.offset : array.offset + len(array) + 1]
    data = np.frombuffer(buffers[2] or b"", dtype=np.uint8)
    return _hash_slices(offsets, data)


def _hash_slices(offsets: NDArray[np.int64], data: NDArray[np.uint8]) -> U64:
    count = len(offsets) - 1
    lengths = np.diff(offsets)
    hashes = np.zeros(count, dtype=np.uint64)
    longest = int(lengths.max(initial=0))
    with np.errstate(over="ignore"):
        powers = np.cumprod(np.full(longest + 1, _MULTIPLIER, dtype=np.uint64), dtype=np.uint64)
        first = 0
        while first < count:
            # As many whole strings as fit the working memory, and at least one.
            reach = int(np.searchsorted(offsets, offsets[first] + _BYTES_AT_ONCE, side="right")) - 1
            last = min(max(reach, first + 1), count)
            chunk = lengths[first:last]
            filled = chunk > 0
            base, end = int(offsets[first]), int(offsets[last])
            if end > base:
                starts = offsets[first:last] - base
                # The place of each byte in its string: it counts up by one and falls back where a string begins.
                step = np.ones(end - base, dtype=np.int64)
                step[0] = 0
                begins = starts[filled]
                step[begins[1:]] = 1 - chunk[filled][:-1]
                terms = powers[np.cumsum(step)]
                terms *= data[base:end].astype(np.uint64) + np.uint64(1)
                hashes[first:last][filled] = np.add.reduceat(terms, begins)
            first = last
        return mix(hashes ^ (lengths.astype(np.uint64) * _LARGE_INTEGER))


def hash_values(values: pl.Series) -> U64:
    """Hashes of a series of numbers, booleans or strings without nulls."""
    if values.dtype == pl.String:
        return hash_strings(values.to_arrow())
    if values.dtype in {pl.Float32, pl.Float64}:
        return hash_doubles(values.cast(pl.Float64).to_numpy())
    return hash_integers(values.cast(pl.Int64).to_numpy())


def hash_rows(frame: pl.DataFrame) -> U64:
    """One hash a row, of all its cells; missing cells count for nothing."""
    total = np.zeros(frame.height, dtype=np.uint64)
    with np.errstate(over="ignore"):
        for column in frame.iter_columns():
            name = _hash_name(column.name)
            if column.null_count() == 0:
                total += mix(hash_values(column) ^ name)
            else:
                present = column.is_not_null().to_numpy()
                total[present] += mix(hash_values(column.drop_nulls()) ^ name)
    return mix(total)


def _hash_name(name: str) -> np.uint64:
    return np.uint64(int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little"))
