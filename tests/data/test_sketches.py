"""The mergeable sketches: exact while small, within their stated bounds after, the same bytes for the same data."""

from __future__ import annotations

import json
from collections import Counter
from functools import reduce

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from millrace.data.stable_hash import hash_rows, hash_strings, hash_values
from millrace.data.statistics import distinct_sketch, frequency_sketch, quantile_sketch
from millrace.data.statistics.distinct_sketch import DistinctSketch
from millrace.data.statistics.frequency_sketch import FrequencySketch
from millrace.data.statistics.moments import Moments
from millrace.data.statistics.quantile_sketch import QuantileSketch

F64 = NDArray[np.float64]

PINNED_NUMBERS = [16294208416658607535, 9860564707913756141, 12238684544974067098, 13647055581997781046]
PINNED_STRINGS = [16294208416658607535, 17607220875669200042, 16075213780086357910, 8748278450669748854]


def sketch(values: F64) -> QuantileSketch:
    distinct, counts = np.unique(values, return_counts=True)
    return QuantileSketch.of(distinct, counts.astype(np.int64))


def merged(parts: list[F64]) -> QuantileSketch:
    return reduce(QuantileSketch.merge, map(sketch, parts))


def worst_rank(found: QuantileSketch, values: F64) -> int:
    """By how many rows the sketch's ranks are off at worst, over all values."""
    ordered = np.sort(values)
    points, weights = found.points
    ends = np.concatenate([[0], np.cumsum(weights)])
    at = np.unique(values)
    told = ends[np.searchsorted(points, at, side="right")]
    return int(np.abs(told - np.searchsorted(ordered, at, side="right")).max())


@given(
    st.lists(st.floats(-1e300, 1e300) | st.sampled_from([0.0, 1.0, 2.0]), min_size=1, max_size=200),
    st.lists(st.integers(0, 200), max_size=6),
)
def test_small_quantile_sketches_are_exact_however_they_are_merged(values: list[float], cuts: list[int]) -> None:
    array = np.array(values)
    parts = [part for part in np.split(array, sorted(cut % (len(array) + 1) for cut in cuts)) if len(part)]
    found = merged(parts)
    assert found.exact
    assert found.rows == len(array)
    assert found.median() == pytest.approx(float(np.median(array)), rel=1e-12, abs=1e-12) or not np.isfinite(
        np.median(array)
    )
    fractions = np.arange(9) / 8
    expected = np.quantile(array, fractions, method="inverted_cdf")
    np.testing.assert_array_equal(found.quantiles(fractions), expected)


@pytest.mark.parametrize("shape", ["normal", "heavy tail", "ascending", "mostly zero", "two atoms"])
@pytest.mark.parametrize("parts", [1, 7, 40])
def test_ranks_stay_within_the_bound_that_the_sketch_tells(shape: str, parts: int) -> None:
    rows = 100_000
    generator = np.random.default_rng(5)
    values = {
        "normal": generator.normal(size=rows),
        "heavy tail": generator.pareto(0.7, size=rows),
        "ascending": np.arange(rows, dtype=np.float64),
        "mostly zero": np.where(generator.random(rows) < 0.8, 0.0, generator.normal(size=rows)),
        "two atoms": np.where(
            generator.random(rows) < 0.5, 3.0, np.where(generator.random(rows) < 0.9, 7.0, generator.random(rows))
        ),
    }[shape]
    found = merged(np.array_split(values, parts))
    error = worst_rank(found, values)
    assert error <= found.rank_error
    assert found.rank_error <= rows * (1 + np.log2(max(parts, 1))) / quantile_sketch.CAPACITY
    assert found.rows == rows
    assert sum(len(level.values) for level in found.levels if level) <= quantile_sketch.CAPACITY * len(found.levels)


def test_a_heavy_value_keeps_its_weight() -> None:
    values = np.concatenate([np.zeros(50_000), np.random.default_rng(0).random(50_000) + 1])
    points, weights = merged(np.array_split(values, 10)).points
    assert weights[points == 0.0].sum() == 50_000


def test_merging_saved_quantile_sketches_in_any_order_stays_within_the_bound() -> None:
    generator = np.random.default_rng(1)
    parts = [generator.normal(size=5_000) + place for place in range(8)]
    tree = [sketch(part) for part in parts]
    while len(tree) > 1:
        saved = [QuantileSketch.from_json(json.loads(json.dumps(one.to_json()))) for one in tree]
        tree = [left.merge(right) for left, right in zip(saved[::2], saved[1::2], strict=True)]
    assert worst_rank(tree[0], np.concatenate(parts)) <= tree[0].rank_error < 40_000 * 4 / quantile_sketch.CAPACITY


def test_equal_data_gives_equal_sketches() -> None:
    values = np.random.default_rng(3).normal(size=20_000)
    assert merged(np.array_split(values, 3)).to_json() == merged(np.array_split(values.copy(), 3)).to_json()


@given(st.lists(st.integers(0, 50), min_size=1), st.integers(1, 5))
def test_few_distinct_values_are_counted_exactly(numbers: list[int], parts: int) -> None:
    hashes = [hash_values(pl.Series(part).unique()) for part in np.array_split(np.array(numbers), parts) if len(part)]
    found = reduce(DistinctSketch.merge, map(DistinctSketch.of, hashes))
    assert found.exact
    assert found.count() == len(set(numbers))
    assert DistinctSketch.from_json(found.to_json()).count() == found.count()


@pytest.mark.parametrize("distinct", [10_000, 300_000])
def test_many_distinct_values_are_counted_within_five_percent(distinct: int) -> None:
    hashes = hash_values(pl.Series(np.arange(distinct)))
    overlapping = [hashes[: distinct // 2 + 1_000], hashes[distinct // 2 - 1_000 :]]
    found = reduce(DistinctSketch.merge, map(DistinctSketch.of, overlapping))
    assert not found.exact
    assert found.count() == pytest.approx(distinct, rel=0.05)  # three standard errors
    assert len(found.smallest) == distinct_sketch.CAPACITY


def count(words: list[str]) -> FrequencySketch:
    table = pl.Series("value", words, dtype=pl.String).value_counts(name="count")
    return FrequencySketch.of(table["value"], table["count"].to_numpy().astype(np.int64))


@given(st.lists(st.lists(st.sampled_from(["a", "b", "c", "", "\u00e9"]), max_size=20), min_size=1, max_size=5))
def test_few_strings_are_counted_exactly(parts: list[list[str]]) -> None:
    found = reduce(FrequencySketch.merge, map(count, parts))
    together = Counter(word for part in parts for word in part)
    assert dict(found.top(100)) == together
    assert [number for _, number in found.top(100)] == sorted(together.values(), reverse=True)


def test_many_strings_keep_the_frequent_ones_within_the_bound() -> None:
    generator = np.random.default_rng(0)
    numbers = generator.zipf(1.2, size=200_000)
    words = [str(number) for number in numbers.tolist()]
    found = reduce(FrequencySketch.merge, [count(words[start : start + 25_000]) for start in range(0, 200_000, 25_000)])
    truth = Counter(words)
    assert not found.exact
    assert found.error <= len(words) / frequency_sketch.CAPACITY
    for word, number in truth.most_common(50):
        told = dict(found.top(frequency_sketch.CAPACITY))[word]
        assert truth[word] - found.error <= told <= number


@given(st.lists(st.floats(-1e6, 1e6), min_size=2), st.integers(1, 5))
def test_moments_merge_as_the_whole(values: list[float], parts: int) -> None:
    array = np.array(values)
    found = reduce(Moments.merge, [Moments.of(part) for part in np.array_split(array, parts)])
    assert found.count == len(array)
    assert found.mean == pytest.approx(array.mean(), rel=1e-9, abs=1e-6)
    assert found.variance == pytest.approx(array.var(), rel=1e-6, abs=1e-6)
    assert (found.minimum, found.maximum) == (array.min(), array.max())


def test_a_small_spread_far_from_zero_is_not_lost() -> None:
    array = 1e9 + np.array([1.0, 2.0, 3.0, 4.0])
    found = Moments.of(array[:1]).merge(Moments.of(array[1:]))
    assert found.variance == pytest.approx(1.25, rel=1e-9)


def test_hashes_are_pinned() -> None:
    """They decide splits, buckets and distinct counts of data that was saved long ago."""
    assert hash_values(pl.Series([0, 1, -1, 2**60])).tolist() == PINNED_NUMBERS
    assert hash_strings(pl.Series(["", "a", "\u00e9", "a longer string of text"]).to_arrow()).tolist() == PINNED_STRINGS


def test_numbers_hash_by_value() -> None:
    assert hash_values(pl.Series([3, 0])).tolist() == hash_values(pl.Series([3.0, -0.0])).tolist()
    assert hash_values(pl.Series([True, False])).tolist() == hash_values(pl.Series([1, 0])).tolist()
    nans = np.array([np.nan, -np.nan])
    assert len(set(hash_values(pl.Series(nans)).tolist())) == 1
    assert len(set(hash_values(pl.Series([2**53, 2**53 + 1, 2**53 + 2])).tolist())) == 3


@given(st.lists(st.text(), min_size=1, unique=True))
def test_strings_hash_apart_and_alike_wherever_they_stand(words: list[str]) -> None:
    series = pl.Series(words, dtype=pl.String)
    hashes = hash_values(series)
    assert len(set(hashes.tolist())) == len(words)
    assert hash_values(series.slice(len(words) // 2)).tolist() == hashes[len(words) // 2 :].tolist()


def test_long_strings_are_hashed_in_parts_with_the_same_result(monkeypatch: pytest.MonkeyPatch) -> None:
    words = pl.Series([character * length for length in (0, 1, 50, 500) for character in "abc"])
    whole = hash_values(words).tolist()
    monkeypatch.setattr("millrace.data.stable_hash._BYTES_AT_ONCE", 40)
    assert hash_values(words).tolist() == whole


def test_row_hashes_spread_evenly_and_tell_columns_apart() -> None:
    frame = pl.DataFrame({"a": np.arange(90_000), "b": np.zeros(90_000)})
    counts = np.bincount((hash_rows(frame) % np.uint64(9)).astype(np.int64))
    assert counts.min() > 9_600
    assert hash_rows(pl.DataFrame({"a": [1], "b": [2]})) != hash_rows(pl.DataFrame({"a": [2], "b": [1]}))
    assert hash_rows(pl.DataFrame({"a": [1]})) == hash_rows(pl.DataFrame({"b": [None], "a": [1]}))
