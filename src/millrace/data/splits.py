"""Which split a row belongs to: hash buckets over the whole row's content.

The same row goes to the same split on every machine, in every file and in every version. The bucket counts,
not just their ratio, define the mapping: {"train": 2, "eval": 1} and {"train": 4, "eval": 2} differ.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import polars as pl

from millrace.core.errors import DataError
from millrace.data.stable_hash import hash_rows

DEFAULT_SPLITS: Mapping[str, int] = {"train": 2, "eval": 1}


def check_splits(splits: Mapping[str, int]) -> None:
    """Raises `DataError` unless there is a split and each has a plain name and one bucket at least."""
    if not splits:
        raise DataError("no split is asked for", remedy='Give at least one, such as {"train": 2, "eval": 1}.')
    for name, buckets in splits.items():
        if not name or not all(character.isalnum() or character in "_-" for character in name):
            raise DataError(
                f"split name {name!r} cannot name a folder", remedy="Use letters, digits, '_' and '-' only."
            )
        if buckets < 1:
            raise DataError(f"split {name!r} has {buckets} hash buckets", remedy="Give each split at least 1.")


def split_rows(frame: pl.DataFrame, splits: Mapping[str, int]) -> Iterator[tuple[str, pl.DataFrame]]:
    """Each split's rows of `frame`, in their order."""
    buckets = hash_rows(frame) % np.uint64(sum(splits.values()))
    lower = 0
    for name, count in splits.items():
        chosen = (buckets >= lower) & (buckets < lower + count)
        yield name, frame.filter(pl.Series(chosen))
        lower += count
