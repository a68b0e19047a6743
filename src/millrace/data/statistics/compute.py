"""Statistics over examples: one pass, shard by shard, each shard's partial merged in the order of the shards."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from millrace.core.errors import DataError, NotFoundError
from millrace.data.examples import Examples, read_shard
from millrace.data.statistics.features import DatasetStatistics
from millrace.data.statistics.partials import DatasetPartial

if TYPE_CHECKING:
    from millrace.interfaces import ShardRunner


def partial_of_shard(path: Path) -> DatasetPartial:
    """What one Parquet shard tells; the function that a `ShardRunner` maps."""
    try:
        return DatasetPartial.of(read_shard(path))
    except DataError as error:
        error.where = error.where or str(path)
        raise


def statistics_of(frame: pl.DataFrame) -> DatasetStatistics:
    """The statistics of a frame in memory. Columns of integers, floats, booleans, strings and lists of these."""
    return DatasetStatistics.of(DatasetPartial.of(frame))


def compute_statistics(
    examples: Examples, *, splits: Iterable[str] | None = None, runner: ShardRunner | None = None
) -> dict[str, DatasetStatistics]:
    """Each split's statistics. `runner` spreads the shards over cores or machines; the result is the same."""
    chosen = list(examples.splits if splits is None else splits)
    for split in chosen:
        if split not in examples.splits:
            raise NotFoundError("split", split, examples.splits, where=str(examples.path))
    results = {}
    for split in chosen:
        shards = examples.shards(split)
        partials = runner.map(partial_of_shard, shards) if runner else map(partial_of_shard, shards)
        results[split] = DatasetStatistics.of(functools.reduce(DatasetPartial.merge, partials))
    return results
