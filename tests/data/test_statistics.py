"""Statistics: the figures against plain computation, merging over any partition, and files."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace.core.errors import DataError, NotFoundError
from millrace.data import (
    DatasetStatistics,
    Examples,
    compute_statistics,
    load_statistics,
    merge_statistics,
    save_statistics,
    statistics_of,
)
from millrace.data.statistics.compute import partial_of_shard
from millrace.data.statistics.storage import statistics_from_json, statistics_to_json

S = TypeVar("S")
R = TypeVar("R")


def test_numeric_figures() -> None:
    found = statistics_of(pl.DataFrame({"x": [4.0, 0.0, None, 1.0, 2.0, float("nan"), float("inf")]})).feature("x")
    assert (found.type, found.num_non_missing, found.num_missing) == ("FLOAT", 6, 1)
    assert (found.min_num_values, found.max_num_values, found.avg_num_values, found.tot_num_values) == (1, 1, 1.0, 6)
    numeric = found.numeric
    assert numeric is not None
    assert (numeric.min, numeric.median, numeric.max, numeric.mean) == (0.0, 1.5, 4.0, 1.75)
    assert numeric.std_dev == pytest.approx(np.std([4, 0, 1, 2]))
    assert (numeric.num_zeros, numeric.num_nan, numeric.num_inf, numeric.rank_error) == (1, 1, 1, 0)
    assert [bucket.count for bucket in numeric.standard_histogram] == [1, 0, 1, 0, 0, 1, 0, 0, 0, 1]
    assert sum(bucket.count for bucket in numeric.quantile_histogram) == pytest.approx(4)
    assert (found.unique, found.unique_exact) == (4, True)


def test_string_figures() -> None:
    words = ["b", "a", "a", None, "", "\u00e9\u00e9", "b", "a"]
    found = statistics_of(pl.DataFrame({"s": words})).feature("s")
    assert (found.type, found.num_non_missing, found.num_missing, found.unique) == ("STRING", 7, 1, 4)
    assert found.string is not None
    assert found.string.top_values == (("a", 3), ("b", 2), ("", 1), ("\u00e9\u00e9", 1))
    assert found.string.rank_histogram == (3, 2, 1, 1)
    assert found.string.avg_length == pytest.approx(9 / 7)


def test_lists_booleans_and_columns_without_values() -> None:
    found = statistics_of(
        pl.DataFrame(
            {"l": [[1, 2], [3], None, []], "b": [True, False, None, True], "n": [None] * 4},
            schema={"l": pl.List(pl.Int64), "b": pl.Boolean, "n": pl.Null},
        )
    )
    lists = found.feature("l")
    assert (lists.type, lists.num_non_missing, lists.min_num_values, lists.max_num_values) == ("INT", 3, 0, 2)
    assert lists.numeric is not None
    assert lists.numeric.mean == 2
    assert found.feature("b").numeric is not None
    assert found.feature("b").type == "INT"
    nothing = found.feature("n")
    assert (nothing.type, nothing.num_missing, nothing.unique, nothing.fraction_present) == ("STRING", 4, 0, 0.0)
    with pytest.raises(DataError, match="Datetime"):
        statistics_of(pl.DataFrame({"t": pl.Series([0]).cast(pl.Datetime)}))
    with pytest.raises(NotFoundError, match="Did you mean 'l'"):
        found.feature("ll")


def test_constant_huge_and_empty_columns() -> None:
    found = statistics_of(pl.DataFrame({"c": [7, 7], "h": [1.7e308, -1.7e308]}))
    constant, huge = found.feature("c").numeric, found.feature("h").numeric
    assert constant is not None
    assert huge is not None
    assert [(bucket.low, bucket.high, bucket.count) for bucket in constant.standard_histogram] == [(7.0, 7.0, 2)]
    assert huge.mean == 0.0
    assert sum(bucket.count for bucket in huge.standard_histogram) == 2
    empty = statistics_of(pl.DataFrame(schema={"x": pl.Float64}))
    assert empty.num_examples == 0
    assert statistics_to_json(statistics_from_json(statistics_to_json(empty))) == statistics_to_json(empty)


def test_the_taxi_table_agrees_with_plain_computation(taxi: Examples) -> None:
    found = compute_statistics(taxi, splits=["train"])["train"]
    frame = taxi.read("train")
    assert found.num_examples == frame.height
    for column in frame.iter_columns():
        feature = found.feature(column.name)
        assert feature.num_missing == column.null_count()
        assert feature.unique == pytest.approx(column.drop_nulls().n_unique(), rel=0.05)
        if feature.numeric is not None and feature.num_non_missing:
            numbers = column.drop_nulls().cast(pl.Float64).to_numpy()
            assert feature.numeric.mean == pytest.approx(numbers.mean())
            assert feature.numeric.std_dev == pytest.approx(numbers.std())
            assert (feature.numeric.min, feature.numeric.max) == (numbers.min(), numbers.max())
            assert feature.numeric.median is not None
            rank = np.sort(numbers).searchsorted(feature.numeric.median)
            assert (
                abs(rank - len(numbers) / 2) <= feature.numeric.rank_error + (numbers == feature.numeric.median).sum()
            )


cells = st.fixed_dictionaries(
    {
        "n": st.integers(-(2**40), 2**40) | st.none(),
        "f": st.floats(allow_nan=True, allow_infinity=True, width=32) | st.none(),
        "s": st.sampled_from(["x", "y", "", "a longer one"]) | st.none(),
    }
)
SCHEMA = {"n": pl.Int64, "f": pl.Float64, "s": pl.String}


def assert_alike(left: DatasetStatistics, right: DatasetStatistics) -> None:
    """Equal but for the last bits of sums that were added in another order."""

    def compare(a: Any, b: Any) -> None:
        if isinstance(a, dict):
            assert a.keys() == b.keys()
            for key in a:
                if key != "sketch":
                    compare(a[key], b[key])
        elif isinstance(a, list):
            assert len(a) == len(b)
            for one, other in zip(a, b, strict=True):
                compare(one, other)
        elif isinstance(a, float):
            assert a == pytest.approx(b, rel=1e-6, abs=1e-6)
        else:
            assert a == b

    compare(statistics_to_json(left), statistics_to_json(right))


@given(st.lists(cells, min_size=1, max_size=60), st.lists(st.integers(0, 60), max_size=5))
def test_any_partition_of_the_rows_merges_to_the_whole(rows: list[dict[str, Any]], cuts: list[int]) -> None:
    frame = pl.DataFrame(rows, schema=SCHEMA)
    edges = [0, *sorted(cut % (len(rows) + 1) for cut in cuts), len(rows)]
    parts = [statistics_of(frame.slice(start, end - start)) for start, end in pairwise(edges)]
    saved = [statistics_from_json(statistics_to_json(part)) for part in parts]
    assert_alike(merge_statistics(saved), statistics_of(frame))


def test_parts_with_different_columns_and_types_merge() -> None:
    left = statistics_of(pl.DataFrame({"a": [1, 2], "gone": ["x", "y"], "m": [None, None]}))
    right = statistics_of(pl.DataFrame({"a": [0.5], "new": [3], "m": [1]}))
    both = merge_statistics([left, right])
    assert both.num_examples == 3
    assert both.feature_names == ["a", "gone", "m", "new"]
    assert both.feature("a").type == "FLOAT"
    assert (both.feature("gone").num_missing, both.feature("new").num_missing) == (1, 2)
    assert (both.feature("m").type, both.feature("m").num_missing) == ("INT", 2)
    with pytest.raises(DataError, match="column 'a' holds INT in one part and STRING"):
        merge_statistics([left, statistics_of(pl.DataFrame({"a": ["x"]}))])
    with pytest.raises(DataError, match="no statistics"):
        merge_statistics([])


class ThreadRunner:
    """A `ShardRunner` over threads."""

    def map(self, function: Callable[[S], R], shards: Sequence[S]) -> Iterator[R]:
        with ThreadPoolExecutor(3) as pool:
            yield from pool.map(function, shards)


def test_partials_can_be_sent_from_another_process(taxi: Examples) -> None:
    for shard in taxi.shards("eval"):
        partial = partial_of_shard(shard)
        sent = DatasetStatistics.of(pickle.loads(pickle.dumps(partial)))
        assert statistics_to_json(sent) == statistics_to_json(DatasetStatistics.of(partial))


def test_a_runner_changes_nothing(taxi: Examples, tmp_path: Path) -> None:
    save_statistics(compute_statistics(taxi), tmp_path / "one")
    save_statistics(compute_statistics(taxi, runner=ThreadRunner()), tmp_path / "two")
    for split in taxi.splits:
        name = f"Split-{split}/statistics.json"
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_saved_statistics_come_back_to_the_byte(taxi: Examples, tmp_path: Path) -> None:
    save_statistics(compute_statistics(taxi), tmp_path / "one")
    loaded = load_statistics(tmp_path / "one")
    assert sorted(loaded) == ["eval", "train"]
    save_statistics(loaded, tmp_path / "two")
    for split in loaded:
        name = f"Split-{split}/statistics.json"
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_statistics_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no statistics here"):
        load_statistics(tmp_path)
    (tmp_path / "Split-train").mkdir()
    file = tmp_path / "Split-train" / "statistics.json"
    for content in ("{", "{}", '{"format": 1}', '{"format": 99, "features": []}'):
        file.write_text(content)
        with pytest.raises(DataError):
            load_statistics(tmp_path)


def test_an_unknown_split(taxi: Examples) -> None:
    with pytest.raises(NotFoundError, match="Did you mean 'train'"):
        compute_statistics(taxi, splits=["trian"])
