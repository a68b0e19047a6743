"""Schemas: inference by TFDV's rules, the YAML file, widening."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace.core.errors import DataError, NotFoundError
from millrace.data import (
    Examples,
    compute_statistics,
    infer_schema,
    load_schema,
    save_schema,
    statistics_of,
    update_schema,
    validate_statistics,
)
from millrace.data.schema import (
    BoolDomain,
    DatasetConstraints,
    DistributionConstraints,
    Feature,
    FeatureComparator,
    FloatDomain,
    IntDomain,
    NumExamplesComparator,
    Presence,
    Schema,
    StringDomain,
    UniqueConstraints,
    ValueCount,
    schema_from_yaml,
    schema_to_yaml,
)


def inferred(**columns: Any) -> Schema:
    return infer_schema(statistics_of(pl.DataFrame(columns, strict=False)))


def test_types_presence_and_shape() -> None:
    schema = inferred(i=[1, 2, 3], f=[0.5, None, 2.0], s=["a", "b", "c"], n=pl.Series([None] * 3, dtype=pl.String))
    assert [(one.name, one.type) for one in schema.features] == [
        ("i", "INT"),
        ("f", "FLOAT"),
        ("s", "BYTES"),
        ("n", "BYTES"),
    ]
    assert (schema.feature("i").presence, schema.feature("i").shape) == (Presence(1, 1.0), (1,))
    optional = schema.feature("f")
    assert (optional.presence, optional.shape, optional.value_count) == (Presence(1, 0.0), None, ValueCount(1, 1))
    nothing = schema.feature("n")
    assert (nothing.presence, nothing.shape, nothing.value_count, nothing.domain) == (None, None, None, None)


def test_valency_of_lists() -> None:
    schema = inferred(same=[[1, 2], [3, 4]], differ=[[1], [2, 3]], some=[[1], []])
    assert schema.feature("same").shape == (2,)
    assert schema.feature("differ").value_count == ValueCount(1)
    assert (schema.feature("some").value_count, schema.feature("some").shape) == (None, None)


@pytest.mark.parametrize(
    ("values", "domain"),
    [
        ([0, 1, 1], BoolDomain()),
        ([0, 0], None),
        ([0, 1, 2], None),
        ([0.0, 1.0], None),
        (["true", "false"], BoolDomain("true", "false")),
        (["No"], BoolDomain(None, "No")),
        (["yes", "maybe"], StringDomain(("maybe", "yes"))),
        (["12", "7"], IntDomain()),
        (["b", "a", "b"], StringDomain(("a", "b"))),
    ],
)
def test_domains(values: list[Any], domain: object) -> None:
    assert inferred(x=values).feature("x").domain == domain


def test_an_enumeration_has_a_largest_size() -> None:
    words = statistics_of(pl.DataFrame({"x": [f"w{number % 30}" for number in range(300)]}))
    assert isinstance(infer_schema(words, max_string_domain_size=30).feature("x").domain, StringDomain)
    assert infer_schema(words, max_string_domain_size=29).feature("x").domain is None


def test_default_drift_comparators_leave_ids_out() -> None:
    schema = inferred(
        id=list(range(100)),
        key=[f"k{number}" for number in range(100)],
        n=[number % 9 for number in range(100)],
        f=[number / 7 for number in range(100)],
        s=["a", "b"] * 50,
    )
    comparators = {one.name: one.drift_comparator for one in schema.features}
    numeric = FeatureComparator(kolmogorov_smirnov=0.1)
    assert comparators == {
        "id": None,
        "key": None,
        "n": numeric,
        "f": numeric,
        "s": FeatureComparator(infinity_norm=0.1),
    }


def test_the_file_is_for_people_and_comes_back_whole(taxi: Examples, tmp_path: Path) -> None:
    schema = infer_schema(compute_statistics(taxi, splits=["train"])["train"])
    path = save_schema(schema, tmp_path)
    assert path.name == "schema.yaml"
    assert load_schema(tmp_path) == load_schema(path) == schema
    text = path.read_text()
    assert "- name: fare\n  type: FLOAT\n  presence: {min_count: 1, min_fraction: 1.0}\n  shape: [1]\n" in text
    assert "None" not in text
    assert "null" not in text


names = st.text(min_size=1, max_size=8)
optional_floats = st.none() | st.floats(0, 1)
comparators = st.builds(
    FeatureComparator,
    infinity_norm=optional_floats,
    kolmogorov_smirnov=optional_floats,
    psi=optional_floats,
    allow_sampling_noise=st.booleans(),
)
bounds = st.none() | st.integers(0, 9)
domains = (
    st.none()
    | st.builds(StringDomain, st.lists(st.text(max_size=5), max_size=4).map(tuple))
    | st.builds(IntDomain, bounds, bounds)
    | st.builds(FloatDomain, optional_floats, optional_floats, st.booleans(), st.booleans())
    | st.builds(BoolDomain, st.none() | names, st.none() | names)
)
features = st.builds(
    Feature,
    name=names,
    type=st.sampled_from(["INT", "FLOAT", "BYTES"]),
    presence=st.none() | st.builds(Presence, st.integers(0, 5), st.floats(0, 1)),
    shape=st.none() | st.tuples(st.integers(1, 3)),
    value_count=st.none() | st.builds(ValueCount, bounds, bounds),
    domain=domains,
    distribution_constraints=st.none() | st.builds(DistributionConstraints, st.floats(0, 1)),
    unique_constraints=st.none() | st.builds(UniqueConstraints, bounds, bounds),
    drift_comparator=st.none() | comparators,
    in_environment=st.lists(names, max_size=2).map(tuple),
    lifecycle_stage=st.sampled_from(["UNKNOWN", "DEPRECATED", "PRODUCTION"]),
)
schemas = st.builds(
    Schema,
    features=st.lists(features, max_size=4).map(tuple),
    default_environment=st.lists(names, max_size=2).map(tuple),
    dataset_constraints=st.none()
    | st.builds(DatasetConstraints, bounds, bounds, st.none() | st.builds(NumExamplesComparator, optional_floats)),
)


@given(schemas)
def test_any_schema_survives_the_file(schema: Schema) -> None:
    assert schema_from_yaml(schema_to_yaml(schema)) == schema


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("features:\n- name: a\n  type: INT\n  presense: {min_count: 1}\n", "Did you mean 'presence'"),
        ("features:\n- name: a\n  type: INT\n  presence: {min_count: many}\n", "expected int, found 'many'"),
        ("features:\n- name: a\n", "column 'a': an entry is missing"),
        ("features: a\n", "expected a list"),
        ("features:\n- name: a\n  type: INT\n  int_domain: {}\n  bool_domain: {}\n", "one domain at most"),
        ("- a\n", "expected a mapping"),
        ("a: [", "no YAML"),
    ],
)
def test_a_wrong_file_is_explained(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "schema.yaml").write_text(text)
    with pytest.raises(DataError, match=message) as caught:
        load_schema(tmp_path)
    assert "schema.yaml" in str(caught.value)


def test_an_absent_schema(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        load_schema(tmp_path)
    with pytest.raises(NotFoundError, match="Did you mean 'fare'"):
        inferred(fare=[1.0]).feature("fair")


cells = st.fixed_dictionaries(
    {
        "n": st.integers(-5, 5) | st.none(),
        "f": st.floats(-5, 5) | st.none(),
        "s": st.sampled_from(["x", "y", "true", "1"]) | st.none(),
        "b": st.sampled_from([0, 1]) | st.none(),
    }
)
COLUMNS = {"n": pl.Int64, "f": pl.Float64, "s": pl.String, "b": pl.Int64}


@given(
    st.lists(cells, min_size=1, max_size=20), st.lists(cells, min_size=1, max_size=20), st.sets(st.sampled_from("nfsb"))
)
def test_an_inferred_schema_fits_its_data_and_an_updated_one_the_new_data_too(
    first: list[dict[str, Any]], second: list[dict[str, Any]], dropped: set[str]
) -> None:
    before = statistics_of(pl.DataFrame(first, schema=COLUMNS))
    after = statistics_of(pl.DataFrame(second, schema=COLUMNS).drop(dropped).with_columns(pl.lit(1).alias("new")))
    schema = infer_schema(before)
    assert not list(validate_statistics(before, schema))
    widened = update_schema(schema, after)
    assert [anomaly.description for anomaly in validate_statistics(after, widened)] == []
    old = [one for one in validate_statistics(before, widened) if one.feature != "new"]
    assert [anomaly.description for anomaly in old] == []


def test_update_widens_bounds_types_and_enumerations_no_further_than_needed() -> None:
    schema = Schema(
        (
            Feature("i", "INT", domain=IntDomain(0, 10), unique_constraints=UniqueConstraints(1, 2)),
            Feature("f", "FLOAT", domain=FloatDomain(0.0, None, disallow_nan=True)),
            Feature("s", "BYTES", domain=StringDomain(("a",))),
            Feature("t", "BYTES", domain=StringDomain(("a",)), distribution_constraints=DistributionConstraints(0.5)),
            Feature("shaped", "INT", shape=(1,), presence=Presence(1, 1.0)),
            Feature("same", "INT", domain=IntDomain(0, 10)),
        )
    )
    data = statistics_of(
        pl.DataFrame(
            {
                "i": [5.5, 20.0, 1.0, 2.0],
                "f": [-1.0, float("nan"), 0.0, 0.0],
                "s": ["b", "a", "a", "a"],
                "t": ["b", "a", "a", "a"],
                "shaped": [1, None, 1, 1],
                "same": [1, 2, 3, 4],
            }
        )
    )
    updated = update_schema(schema, data)
    assert (updated.feature("i").type, updated.feature("i").domain) == ("FLOAT", FloatDomain(0, 20.0))
    assert updated.feature("i").unique_constraints == UniqueConstraints(1, 4)
    assert updated.feature("f").domain == FloatDomain(-1.0, None)
    assert updated.feature("s").domain == StringDomain(("a", "b"))
    assert updated.feature("t").domain == StringDomain(("a",))
    assert updated.feature("shaped").presence == Presence(1, 0.75)
    assert (updated.feature("shaped").shape, updated.feature("shaped").value_count) == (None, ValueCount(1, 1))
    assert updated.feature("same") == schema.feature("same")
    assert not list(validate_statistics(data, updated))
    assert update_schema(schema, data, max_string_domain_size=1).feature("s").domain is None
