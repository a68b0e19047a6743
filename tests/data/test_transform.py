"""Transform: each operation, one code for batches and rows, planning, files, and a user's mistakes."""

from __future__ import annotations

import math
import pickle
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace.core.errors import DataError, NotFoundError
from millrace.data import Examples, TransformGraph, fit_transform_graph, ingest_csv, transform_examples
from millrace.data.stable_hash import hash_values
from millrace.data.transform import Column, Columns, Operations
from millrace.data.transform.nodes import passes
from tests.data.test_statistics import ThreadRunner

Preprocess = Callable[[Columns, Operations], Mapping[str, Column]]

TABLE = pl.DataFrame(
    {
        "n": [1, 2, 3, 4, None, 6],
        "f": [0.5, None, -1.5, 2.5, 0.0, 4.0],
        "same": [3, 3, 3, 3, 3, 3],
        "s": ["b", "a", None, "b", "c", "b"],
        "t": [" X ", "y", "12", "1.5", "x", None],
        "label": ["malignant", "benign", "benign", "malignant", "benign", "benign"],
    }
)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Examples:
    """The small table, two rows a shard, all rows in one split and in their order."""
    folder = tmp_path_factory.mktemp("table")
    TABLE.write_csv(folder / "in.csv")
    ingest_csv(folder / "in.csv", folder / "out", splits={"train": 1}, shard_rows=2)
    return Examples.open(folder / "out")


def outputs(table: Examples, preprocess: Preprocess) -> pl.DataFrame:
    return fit_transform_graph(table, preprocess).apply(TABLE)


def one(table: Examples, make: Callable[[Columns, Operations], Column]) -> list[Any]:
    """The single output that `make` gives, for the six rows."""
    return outputs(table, lambda x, t: {"y": make(x, t)})["y"].to_list()


def close(values: list[Any], expected: list[Any]) -> bool:
    return all(
        (a is None) == (b is None) and (a is None or a == pytest.approx(b))
        for a, b in zip(values, expected, strict=True)
    )


F = np.array([0.5, -1.5, 2.5, 0.0, 4.0])


def test_scaling(table: Examples) -> None:
    assert close(
        one(table, lambda x, t: t.scale_to_z_score(x["f"])),
        [None if value is None else (value - F.mean()) / F.std() for value in TABLE["f"].to_list()],
    )
    assert close(one(table, lambda x, t: t.scale_to_0_1(x["n"])), [0, 0.2, 0.4, 0.6, None, 1])
    assert close(one(table, lambda x, t: t.scale_by_min_max(x["n"], -1, 1)), [-1, -0.6, -0.2, 0.2, None, 1])
    assert one(table, lambda x, t: t.scale_to_z_score(x["same"])) == [0.0] * 6
    assert close(one(table, lambda x, t: t.scale_to_0_1(x["same"])), [1 / (1 + math.exp(-3))] * 6)


def test_buckets_and_quantiles(table: Examples) -> None:
    assert one(table, lambda x, t: t.bucketize(x["n"], 3)) == [0, 1, 1, 2, None, 2]
    assert one(table, lambda x, t: t.apply_buckets(x["n"], [2, 4])) == [0, 1, 1, 2, None, 2]
    assert one(table, lambda x, t: t.quantiles(x["n"], 2)[0]) == [3.0] * 6


def test_vocabularies(table: Examples) -> None:
    assert one(table, lambda x, t: t.compute_and_apply_vocabulary(x["s"])) == [0, 1, None, 0, 2, 0]
    assert one(table, lambda x, t: t.compute_and_apply_vocabulary(x["s"], top_k=1)) == [0, -1, None, 0, -1, 0]
    assert one(table, lambda x, t: t.compute_and_apply_vocabulary(x["s"], frequency_threshold=2, default_value=9)) == [
        0,
        9,
        None,
        0,
        9,
        0,
    ]
    hashed = (hash_values(pl.Series(["a", "c"])) % np.uint64(5) + np.uint64(1)).tolist()
    assert one(table, lambda x, t: t.compute_and_apply_vocabulary(x["s"], top_k=1, num_oov_buckets=5)) == [
        0,
        hashed[0],
        None,
        0,
        hashed[1],
        0,
    ]
    assert one(table, lambda x, t: t.apply_vocabulary(x["s"], ["c", "b"])) == [1, -1, None, 1, 0, 1]
    assert one(table, lambda x, t: t.compute_and_apply_vocabulary(x["same"])) == [0] * 6
    assert one(table, lambda x, t: t.compute_and_apply_vocabulary(t.lower(t.strip(x["t"])), top_k=1)) == [
        0,
        -1,
        -1,
        -1,
        0,
        None,
    ]


def test_one_hot_gives_a_column_for_each_value(table: Examples) -> None:
    frame = outputs(table, lambda x, t: {"s": t.one_hot(x["s"]), "n": t.one_hot(x["n"], top_k=1)})
    assert frame.to_dict(as_series=False) == {
        "s_b": [1, 0, 0, 1, 0, 1],
        "s_a": [0, 1, 0, 0, 0, 0],
        "s_c": [0, 0, 0, 0, 1, 0],
        "n_1": [1, 0, 0, 0, 0, 0],
    }


def test_hashing_is_stable_and_within_its_buckets(table: Examples) -> None:
    found = one(table, lambda x, t: t.hash_strings(x["s"], 7))
    expected = (hash_values(pl.Series(["b", "a", "c"])) % np.uint64(7)).tolist()
    assert found == [expected[0], expected[1], None, expected[0], expected[2], expected[0]]


def test_missing_values(table: Examples) -> None:
    assert close(one(table, lambda x, t: t.fill_missing(x["f"], "mean")), [0.5, F.mean(), -1.5, 2.5, 0.0, 4.0])
    assert close(one(table, lambda x, t: t.fill_missing(x["n"], "median")), [1, 2, 3, 4, 3, 6])
    assert one(table, lambda x, t: t.fill_missing(x["s"], "mode")) == ["b", "a", "b", "b", "c", "b"]
    assert one(table, lambda x, t: t.fill_missing(x["s"], "mean")) == ["b", "a", "mean", "b", "c", "b"]
    assert one(table, lambda x, t: t.fill_missing(x["n"], 0)) == [1, 2, 3, 4, 0, 6]
    assert one(table, lambda x, t: t.fill_missing(x["n"], "mode")) == [1, 2, 3, 4, 1, 6]
    assert one(table, lambda x, t: t.is_missing(x["f"])) == [0, 1, 0, 0, 0, 0]


def test_arithmetic_comparison_and_conditions(table: Examples) -> None:
    assert one(table, lambda x, t: 2 * x["n"] + 1 - x["same"]) == [0, 2, 4, 6, None, 10]
    assert one(table, lambda x, t: -x["n"] % 4) == [3, 2, 1, 0, None, 2]
    assert close(one(table, lambda x, t: x["n"] / x["f"]), [2, None, -2, 1.6, None, 1.5])
    assert one(table, lambda x, t: x["same"] / x["f"] > 1)[4] is None
    assert one(table, lambda x, t: (x["n"] > 2) & (x["f"] > 0)) == [0, 0, 0, 1, 0, 1]
    assert one(table, lambda x, t: (x["n"] > 2) | (x["f"] > 0)) == [1, None, 1, 1, None, 1]
    assert one(table, lambda x, t: ~(x["s"] == "b")) == [0, 1, None, 0, 1, 0]
    assert one(table, lambda x, t: x["s"] < "b") == [0, 1, None, 0, 0, 0]
    assert one(table, lambda x, t: x["s"] == x["t"]) == [0, 0, None, 0, 0, None]
    assert one(table, lambda x, t: t.where(x["n"] > 2, x["f"], 9)) == [9, 9, -1.5, 2.5, 9, 4.0]
    assert one(table, lambda x, t: t.where(x["n"] > 2, x["s"], "z")) == ["z", "z", None, "b", "z", "b"]
    assert one(table, lambda x, t: abs(x["f"]) ** 2) == [0.25, None, 2.25, 6.25, 0.0, 16.0]
    assert one(table, lambda x, t: x["n"] // 2) == [0, 1, 1, 2, None, 3]
    assert one(table, lambda x, t: t.clip(x["n"], 2, 4)) == [2, 2, 3, 4, None, 4]


def test_functions_are_missing_where_they_are_not_defined(table: Examples) -> None:
    assert close(
        one(table, lambda x, t: t.log1p(x["f"])), [math.log1p(0.5), None, None, math.log1p(2.5), 0, math.log(5)]
    )
    assert close(one(table, lambda x, t: t.log(x["f"])), [math.log(0.5), None, None, math.log(2.5), None, math.log(4)])
    assert close(one(table, lambda x, t: t.sqrt(x["f"])), [math.sqrt(0.5), None, None, math.sqrt(2.5), 0, 2])
    assert close(one(table, lambda x, t: t.exp(x["same"])), [math.exp(3)] * 6)


def test_casts(table: Examples) -> None:
    assert one(table, lambda x, t: t.cast(x["f"], "int")) == [0, None, -1, 2, 0, 4]
    assert one(table, lambda x, t: t.cast(x["t"], "float")) == [None, None, 12.0, 1.5, None, None]
    assert one(table, lambda x, t: t.cast(x["t"], "int")) == [None, None, 12, None, None, None]
    assert one(table, lambda x, t: t.cast(x["n"], "string")) == ["1", "2", "3", "4", None, "6"]
    assert one(table, lambda x, t: t.cast(x["f"], "string")) == ["0.5", None, "-1.5", "2.5", "0.0", "4.0"]
    assert one(table, lambda x, t: t.length(x["t"])) == [3, 1, 2, 3, 1, None]


def test_constants_fill_all_rows(table: Examples) -> None:
    frame = outputs(
        table, lambda x, t: {"mean": t.mean(x["n"]), "share": x["n"] / t.max(x["n"]), "rows": t.size(x["f"])}
    )
    assert frame["mean"].to_list() == [3.2] * 6
    assert frame["share"].to_list() == [1 / 6, 2 / 6, 0.5, 4 / 6, None, 1.0]
    assert frame["rows"].to_list() == [5.0] * 6
    assert one(table, lambda x, t: t.var(x["n"])) == [pytest.approx(np.var([1, 2, 3, 4, 6]))] * 6


def test_analyses_of_analyses_take_the_fewest_passes(table: Examples) -> None:
    def preprocess(x: Columns, t: Operations) -> dict[str, Column]:
        filled = t.fill_missing(x["f"], "median")
        return {
            "a": t.scale_to_z_score(filled),
            "b": t.bucketize(t.scale_to_z_score(filled), 2),
            "c": t.scale_to_z_score(x["n"]),
            "d": t.compute_and_apply_vocabulary(x["s"]),
        }

    graph = fit_transform_graph(table, preprocess)
    ops = [[graph.nodes[number].op for number in group] for group in passes(graph.nodes)]
    assert [sorted(group) for group in ops] == [["median", "moments", "vocabulary"], ["moments"], ["quantiles"]]
    filled = TABLE["f"].fill_null(0.5).to_numpy()
    assert graph.apply(TABLE)["a"].to_numpy() == pytest.approx((filled - filled.mean()) / filled.std())


def test_labels_are_not_needed_when_serving(table: Examples) -> None:
    graph = fit_transform_graph(
        table, lambda x, t: {"z": t.scale_to_z_score(x["n"]), "y": t.label(x["label"], positive="malignant")}
    )
    assert graph.apply(TABLE)["y"].to_list() == [1, 0, 0, 1, 0, 0]
    assert (graph.output_names, graph.label_names, graph.feature_names) == (["z", "y"], ["y"], ["z"])
    assert graph.input_columns == ["n", "label"]
    assert graph.inputs_of("y") == ["label"]
    serving = TABLE.select("n")
    assert graph.apply(serving, require_label=False).columns == ["z"]
    assert list(graph.apply_columns({"n": [1, None]})) == ["z"]
    with pytest.raises(DataError, match="column 'label' is missing, output 'y' is made from it"):
        graph.apply(serving)
    with pytest.raises(DataError, match="column 'n' is missing"):
        graph.apply(TABLE.select("label"), require_label=False)
    assert graph.apply(TABLE.select("label"), skip_missing_outputs=True).columns == ["y"]
    with pytest.raises(NotFoundError, match="'why'"):
        graph.inputs_of("why")


def every_operation(x: Columns, t: Operations) -> dict[str, Column]:
    return {
        "z": t.scale_to_z_score(t.fill_missing(x["fare"], "median")),
        "unit": t.scale_to_0_1(x["trip_miles"]),
        "bucket": t.bucketize(x["pickup_latitude"], 10),
        "word": t.compute_and_apply_vocabulary(x["company"], top_k=20, num_oov_buckets=3),
        "area": t.compute_and_apply_vocabulary(x["pickup_community_area"]),
        "hash": t.hash_strings(x["payment_type"], 10),
        "pay": t.one_hot(x["payment_type"]),
        "speed": x["trip_miles"] / x["trip_seconds"],
        "log": t.log1p(x["trip_seconds"]),
        "mode": t.fill_missing(x["company"], "mode"),
        "mean": t.mean(x["fare"]),
        "night": (x["trip_start_hour"] < 6) | (x["trip_start_hour"] > 22),
        "tip": t.label(x["tips"] > 0.2 * x["fare"]),
    }


@pytest.fixture(scope="module")
def fitted(taxi: Examples) -> TransformGraph:
    return fit_transform_graph(taxi, every_operation)


@given(start=st.integers(0, 4_000), size=st.integers(0, 50))
def test_rows_one_by_one_and_a_batch_give_the_same(
    taxi: Examples, fitted: TransformGraph, start: int, size: int
) -> None:
    rows = taxi.read("eval").slice(start, size)
    whole = fitted.apply(rows)
    assert whole.height == size
    single = [fitted.apply(rows.slice(index, 1)) for index in range(size)]
    assert pl.concat([whole.clear(), *single]).equals(whole)
    arrays = fitted.apply_columns({name: rows[name].to_list() for name in rows.columns}, require_label=True)
    for name, array in arrays.items():
        expected = whole[name]
        if expected.dtype == pl.String:
            assert array.tolist() == expected.to_list()
        else:
            np.testing.assert_array_equal(array, expected.cast(pl.Float64).to_numpy())


def test_a_saved_graph_comes_back_to_the_byte_and_needs_no_user_code(
    taxi: Examples, fitted: TransformGraph, tmp_path: Path
) -> None:
    fitted.save(tmp_path / "one")
    loaded = TransformGraph.load(tmp_path / "one")
    loaded.save(tmp_path / "two")
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()
    rows = taxi.read("eval")
    assert loaded.apply(rows).equals(fitted.apply(rows))
    script = (
        "import sys, polars; from millrace.data import TransformGraph; "
        f"g = TransformGraph.load({str(tmp_path / 'one')!r}); "
        f"print(g.apply(polars.read_parquet({str(taxi.shards('eval')[0])!r})).height, 'pandas' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(taxi.manifest.splits["eval"][0].rows), "False"]


def test_a_graph_that_was_used_can_be_sent_to_another_process(taxi: Examples, fitted: TransformGraph) -> None:
    rows = taxi.read("eval")
    expected = fitted.apply(rows)
    assert pickle.loads(pickle.dumps(fitted)).apply(rows).equals(expected)


def test_a_runner_and_other_shards_change_nothing(
    taxi: Examples, fitted: TransformGraph, taxi_csv: Path, tmp_path: Path
) -> None:
    fit_transform_graph(taxi, every_operation, runner=ThreadRunner()).save(tmp_path / "threads")
    fitted.save(tmp_path / "plain")
    ingest_csv(taxi_csv, tmp_path / "whole")
    fit_transform_graph(Examples.open(tmp_path / "whole"), every_operation).save(tmp_path / "one shard")
    for path in (tmp_path / "plain").iterdir():
        assert path.read_bytes() == (tmp_path / "threads" / path.name).read_bytes()
        if path.suffix == ".jsonl":
            assert path.read_bytes() == (tmp_path / "one shard" / path.name).read_bytes()
    rows = taxi.read("eval")
    left, right = fitted.apply(rows), TransformGraph.load(tmp_path / "one shard").apply(rows)
    for name in left.columns:
        if left[name].dtype == pl.Float64:
            np.testing.assert_allclose(left[name].to_numpy(), right[name].to_numpy(), rtol=1e-12)
        else:
            assert left[name].equals(right[name])


def test_transformed_examples(taxi: Examples, fitted: TransformGraph, tmp_path: Path) -> None:
    transform_examples(taxi, fitted, tmp_path / "out")
    transformed = Examples.open(tmp_path / "out")
    assert transformed.column_names == fitted.output_names
    assert [len(transformed.shards(split)) for split in taxi.splits] == [
        len(taxi.shards(split)) for split in taxi.splits
    ]
    for split in taxi.splits:
        assert transformed.read(split).equals(fitted.apply(taxi.read(split)))


def test_served_values_of_near_types_fit_and_others_are_named(table: Examples) -> None:
    graph = fit_transform_graph(table, lambda x, t: {"n": x["n"] * 2, "f": x["f"] * 2, "s": t.length(x["s"])})
    assert graph.apply_columns({"n": [1.0], "f": [3], "s": ["ab"]})["n"].tolist() == [2]
    assert graph.apply_columns({"n": np.array([1, 2]), "f": np.array([1, 2]), "s": ["a", None]})["f"].tolist() == [2, 4]
    assert graph.apply(pl.DataFrame({"n": [None], "f": ["1.5"], "s": ["x"]})).rows() == [(None, 3.0, 1)]
    for column, value in {"n": 1.5, "f": "high"}.items():
        good = {"n": 1, "f": 2.0, "s": "x"}
        with pytest.raises(DataError, match=f"column '{column}', row 1: {value!r} is no"):
            graph.apply_columns({name: [value if name == column else other] for name, other in good.items()})
        with pytest.raises(DataError, match=f"column '{column}', row 1: {value!r} is no"):
            graph.apply(pl.DataFrame({name: [value if name == column else other] for name, other in good.items()}))
    with pytest.raises(DataError, match="different lengths"):
        graph.apply_columns({"n": [1], "f": [1, 2], "s": ["x"]})
    with pytest.raises(DataError, match="column 'n'"):
        graph.apply_columns({"n": [{"a": 1}], "f": [1], "s": ["x"]})


def fails(table: Examples, preprocess: Any, message: str) -> DataError:
    with pytest.raises(DataError, match=message) as caught:
        fit_transform_graph(table, preprocess)
    return caught.value


def raises(x: Columns, t: Operations) -> dict[str, Column]:
    table: dict[str, int] = {}
    return {"y": x["n"] / table["missing"]}


def uses_a_missing_column(x: Columns, t: Operations) -> dict[str, Column]:
    return {"y": t.scale_to_z_score(x["lable"])}


def branches(x: Columns, t: Operations) -> dict[str, Column]:
    return {"y": x["n"] if x["n"] > 2 else x["f"]}


def test_mistakes_are_shown_on_the_users_line(table: Examples) -> None:
    first = raises.__code__.co_firstlineno
    assert fails(table, raises, "preprocess raised KeyError").where == f"{__file__}, line {first + 2}"
    error = fails(table, uses_a_missing_column, "no column 'lable'")
    assert error.remedy == "Did you mean 'label'?"
    assert error.where == f"{__file__}, line {uses_a_missing_column.__code__.co_firstlineno + 1}"
    assert fails(table, branches, "neither true nor false").where


@pytest.mark.parametrize(
    ("preprocess", "message"),
    [
        (lambda x, t: None, "returns nothing"),
        (lambda x, t: {}, "returns no column"),
        (lambda x, t: [x["n"]], "returns a list"),
        (lambda x, t: {"y": 3}, "output 'y' is 3, not a column"),
        (lambda x, t: {3: x["n"]}, "names an output 3"),
        (lambda x, t: {"y": t.scale_to_z_score(x["s"])}, "column 's' holds strings, t.scale_to_z_score takes numbers"),
        (lambda x, t: {"y": x["s"] + 1}, "column 's' holds strings"),
        (lambda x, t: {"y": t.lower(x["n"])}, "column 'n' holds ints, t.lower takes strings"),
        (lambda x, t: {"y": x["n"] == "a"}, "strings and numbers are compared"),
        (lambda x, t: {"y": (x["n"] > 1) & x["n"]}, "holds no truth values"),
        (lambda x, t: {"y": t.fill_missing(x["n"], "average")}, "cannot be filled with 'average'"),
        (lambda x, t: {"y": t.fill_missing(x["s"], 3)}, "cannot be filled with 3"),
        (lambda x, t: {"y": t.bucketize(x["n"], 1)}, "num_buckets is 1"),
        (lambda x, t: {"y": t.apply_buckets(x["n"], [3, 1])}, "do not ascend"),
        (lambda x, t: {"y": t.cast(x["n"], "date")}, "does not know 'date'"),
        (lambda x, t: {"y": t.hash_strings(x["s"], 0)}, "hash_buckets is 0"),
        (lambda x, t: {"y": x["n"] + None}, "None cannot be put together"),
        (lambda x, t: {"s_b": x["n"], "s": t.one_hot(x["s"])}, "both give a column 's_b'"),
        (lambda x, t: {"y": x["n"] + t.one_hot(x["s"])}, "several columns"),
        (lambda x, t: {"y": t.where(x["n"], 1, 2)}, "no truth values"),
    ],
)
def test_each_mistake_is_one_clear_error(table: Examples, preprocess: Any, message: str) -> None:
    assert fails(table, preprocess, message).where


def test_a_column_without_values_cannot_be_learned_from(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("a,b\n1,\n2,\n")
    ingest_csv(tmp_path / "in.csv", tmp_path / "out", splits={"train": 1}, types={"b": "double"})
    examples = Examples.open(tmp_path / "out")
    with pytest.raises(DataError, match="column 'b' has no value in the analysed rows"):
        fit_transform_graph(examples, lambda x, t: {"y": t.scale_to_z_score(x["b"])})
    with pytest.raises(NotFoundError, match="'trian'"):
        fit_transform_graph(examples, lambda x, t: {"y": x["b"]}, analyze_split="trian")


def test_a_split_without_rows_cannot_be_analysed(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("a\n1\n")
    ingest_csv(tmp_path / "in.csv", tmp_path / "out")
    examples = Examples.open(tmp_path / "out")
    empty = next(split for split in examples.splits if not examples.rows(split))
    with pytest.raises(DataError, match="no rows to analyse"):
        fit_transform_graph(examples, lambda x, t: {"y": x["a"]}, analyze_split=empty)


def test_folders_that_hold_no_transform(tmp_path: Path, fitted: TransformGraph) -> None:
    with pytest.raises(DataError, match=r"transform.json is missing"):
        TransformGraph.load(tmp_path)
    fitted.save(tmp_path)
    next(tmp_path.glob("*.jsonl")).unlink()
    with pytest.raises(DataError, match=r"vocabulary-\d+.jsonl is missing"):
        TransformGraph.load(tmp_path)
    (tmp_path / "transform.json").write_text('{"format": 7}')
    with pytest.raises(DataError, match="format 7"):
        TransformGraph.load(tmp_path)


words = st.text(st.characters(codec="utf-8", exclude_characters="\r\x00"), max_size=6)


@given(st.lists(words, min_size=1, max_size=40))
def test_any_vocabulary_survives_its_file(tmp_path_factory: pytest.TempPathFactory, values: list[str]) -> None:
    folder = tmp_path_factory.mktemp("words")
    frame = pl.DataFrame({"w": values, "n": 1})
    frame.write_csv(folder / "in.csv")
    ingest_csv(folder / "in.csv", folder / "out", splits={"train": 1}, types={"w": "string"})
    examples = Examples.open(folder / "out")
    graph = fit_transform_graph(examples, lambda x, t: {"y": t.compute_and_apply_vocabulary(x["w"])})
    graph.save(folder / "graph")
    loaded = TransformGraph.load(folder / "graph")
    read = examples.read("train")
    assert loaded.apply(read).equals(graph.apply(read))
    counts = read["w"].drop_nulls().value_counts(name="count").sort(["count", "w"], descending=[True, False])
    order = {word: place for place, word in enumerate(counts["w"].to_list())}
    assert loaded.apply(read)["y"].to_list() == [order.get(word) for word in read["w"].to_list()]
