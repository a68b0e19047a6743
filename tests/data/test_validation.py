"""Validation: each anomaly that statistics can decide, drift with and without noise, words and numbers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import polars as pl
import pytest
from scipy import stats  # type: ignore[import-untyped]  # ships no types
from scipy.spatial.distance import jensenshannon  # type: ignore[import-untyped]  # ships no types

from millrace.core.errors import DataError
from millrace.data import (
    Anomalies,
    DatasetStatistics,
    Examples,
    compute_statistics,
    infer_schema,
    load_anomalies,
    save_anomalies,
    statistics_of,
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
)
from millrace.data.validation import IGNORE, WARNING, distances


def stat(**columns: Any) -> DatasetStatistics:
    return statistics_of(pl.DataFrame(columns, strict=False))


def found(anomalies: Anomalies) -> list[str]:
    return [anomaly.type for anomaly in anomalies]


NOTHING = [None, None, None, None]
CASES: Mapping[str, tuple[Feature, list[Any], float | None, float | None]] = {
    "FEATURE_TYPE_NOT_PRESENT": (Feature("x", "INT", Presence(1)), NOTHING, 0.0, 0.0),
    "FEATURE_TYPE_LOW_NUMBER_PRESENT": (Feature("x", "INT", Presence(3)), [1, 2, None, None], 2, 3),
    "FEATURE_TYPE_LOW_FRACTION_PRESENT": (Feature("x", "INT", Presence(1, 0.9)), [1, 2, 3, None], 0.75, 0.9),
    "UNEXPECTED_DATA_TYPE": (Feature("x", "INT"), ["a", "b", "a", "a"], None, None),
    "INVALID_FEATURE_SHAPE": (Feature("x", "INT", shape=(1,)), [[1], [1, 2], [1], [1]], 2, 1),
    "FEATURE_TYPE_LOW_NUMBER_VALUES": (Feature("x", "INT", value_count=ValueCount(1)), [[], [1], [1], [1]], 0, 1),
    "FEATURE_TYPE_HIGH_NUMBER_VALUES": (Feature("x", "INT", value_count=ValueCount(1, 1)), [[1, 2], [1]], 2, 1),
    "FEATURE_TYPE_LOW_UNIQUE": (Feature("x", "INT", unique_constraints=UniqueConstraints(3)), [1, 2, 1, 2], 2, 3),
    "FEATURE_TYPE_HIGH_UNIQUE": (Feature("x", "INT", unique_constraints=UniqueConstraints(1, 3)), [1, 2, 3, 4], 4, 3),
    "ENUM_TYPE_UNEXPECTED_STRING_VALUES": (
        Feature("x", "BYTES", domain=StringDomain(("a",))),
        ["a", "a", "a", "b"],
        0.25,
        0.0,
    ),
    "INT_TYPE_BIG_INT": (Feature("x", "INT", domain=IntDomain(0, 5)), [1, 6], 6, 5),
    "INT_TYPE_SMALL_INT": (Feature("x", "INT", domain=IntDomain(0, 5)), [1, -6], -6, 0),
    "INT_TYPE_NOT_INT_STRING": (Feature("x", "BYTES", domain=IntDomain()), ["1", "1.5"], None, None),
    "FLOAT_TYPE_BIG_FLOAT": (Feature("x", "FLOAT", domain=FloatDomain(0, 5)), [1.0, 5.5], 5.5, 5),
    "FLOAT_TYPE_SMALL_FLOAT": (Feature("x", "FLOAT", domain=FloatDomain(0, 5)), [1.0, -0.5], -0.5, 0),
    "FLOAT_TYPE_STRING_NOT_FLOAT": (Feature("x", "BYTES", domain=FloatDomain()), ["1", "1.5", "one"], None, None),
    "FLOAT_TYPE_HAS_NAN": (Feature("x", "FLOAT", domain=FloatDomain(disallow_nan=True)), [1.0, float("nan")], 1, 0),
    "FLOAT_TYPE_HAS_INF": (Feature("x", "FLOAT", domain=FloatDomain(disallow_inf=True)), [1.0, float("-inf")], 1, 0),
    "BOOL_TYPE_BIG_INT": (Feature("x", "INT", domain=BoolDomain()), [0, 1, 2], 2, 1),
    "BOOL_TYPE_SMALL_INT": (Feature("x", "INT", domain=BoolDomain()), [0, 1, -1], -1, 0),
    "BOOL_TYPE_UNEXPECTED_FLOAT": (Feature("x", "FLOAT", domain=BoolDomain()), [0.0, 0.5], 0.5, None),
    "BOOL_TYPE_UNEXPECTED_STRING": (Feature("x", "BYTES", domain=BoolDomain("y", "n")), ["y", "n", "?"], None, None),
    "FEATURE_MISSING_TYPE": (Feature("x", "NUMBER"), [1], None, None),
    "INVALID_SCHEMA_SPECIFICATION": (Feature("x", "INT", Presence(1, 1.5)), [1], None, None),
    "INVALID_DOMAIN_SPECIFICATION": (Feature("x", "BYTES", domain=StringDomain(("a", "a"))), ["a"], None, None),
    "DOMAIN_INVALID_FOR_TYPE": (Feature("x", "INT", domain=StringDomain(("a",))), [1], None, None),
    "BOOL_TYPE_INVALID_CONFIG": (Feature("x", "INT", domain=BoolDomain("y", "n")), [1], None, None),
}


@pytest.mark.parametrize("anomaly_type", CASES)
def test_each_condition_of_a_column(anomaly_type: str) -> None:
    feature, values, measured, threshold = CASES[anomaly_type]
    anomalies = validate_statistics(stat(x=values), Schema((feature,)))
    assert found(anomalies) == [anomaly_type]
    anomaly = anomalies.anomalies[0]
    assert (anomaly.feature, anomaly.severity) == ("x", "ERROR")
    assert "'x'" in anomaly.description
    if measured is not None:
        assert (anomaly.measured, anomaly.threshold) == (measured, threshold or anomaly.threshold)
    assert not anomalies.valid


def test_missing_and_new_columns() -> None:
    schema = Schema(
        (
            Feature("a", "INT", Presence(1, 1.0)),
            Feature("optional", "INT"),
            Feature("old", "INT", Presence(1), lifecycle_stage="DEPRECATED"),
        )
    )
    anomalies = validate_statistics(stat(b=[1]), schema)
    assert [(one.type, one.feature) for one in anomalies] == [
        ("SCHEMA_MISSING_COLUMN", "a"),
        ("SCHEMA_NEW_COLUMN", "b"),
    ]
    assert anomalies.of("b")[0].description == "column 'b' (integers) is new: the schema does not know it"


def test_severities_by_type_and_by_column() -> None:
    data = stat(a=[1], b=["x"])
    softened = validate_statistics(data, Schema(), severities={"SCHEMA_NEW_COLUMN": WARNING})
    assert [one.severity for one in softened] == ["WARNING", "WARNING"]
    assert softened.valid
    some = validate_statistics(data, Schema(), severities={"SCHEMA_NEW_COLUMN/a": IGNORE})
    assert [one.feature for one in some] == ["b"]
    with pytest.raises(DataError, match="'warn'"):
        validate_statistics(data, Schema(), severities={"SCHEMA_NEW_COLUMN": "warn"})


def test_environments() -> None:
    schema = Schema(
        (Feature("label", "INT", Presence(1), not_in_environment=("SERVING",)), Feature("x", "INT", Presence(1))),
        default_environment=("TRAINING", "SERVING"),
    )
    data = stat(x=[1])
    assert found(validate_statistics(data, schema)) == ["SCHEMA_MISSING_COLUMN"]
    assert found(validate_statistics(data, schema, environment="TRAINING")) == ["SCHEMA_MISSING_COLUMN"]
    assert validate_statistics(data, schema, environment="SERVING").valid
    assert validate_statistics(data, schema, environment="ELSEWHERE").valid


def test_whole_numbers_are_floats_but_no_more() -> None:
    assert validate_statistics(stat(x=[1, 2]), Schema((Feature("x", "FLOAT"),))).valid
    assert found(validate_statistics(stat(x=[1.5]), Schema((Feature("x", "INT"),)))) == ["UNEXPECTED_DATA_TYPE"]
    nothing = pl.Series([None, None], dtype=pl.String)
    assert validate_statistics(stat(x=nothing), Schema((Feature("x", "INT"),))).valid


def test_tolerated_domain_mass() -> None:
    feature = Feature("x", "BYTES", domain=StringDomain(("a",)), distribution_constraints=DistributionConstraints(0.75))
    assert validate_statistics(stat(x=["a", "a", "a", "b"]), Schema((feature,))).valid
    anomaly = validate_statistics(stat(x=["a", "b", "b", "c"]), Schema((feature,))).anomalies[0]
    assert anomaly.description == (
        "column 'x' holds values that the schema does not list: 'b' (2 rows, 50 %), 'c' (1 rows, 25 %); "
        "the schema tolerates 25 %"
    )


def test_the_number_of_rows() -> None:
    comparator = NumExamplesComparator(0.5, 2.0)
    schema = Schema((Feature("x", "INT"),), dataset_constraints=DatasetConstraints(3, 5, comparator))
    rows = {count: stat(x=[1] * count) for count in (2, 4, 6, 20)}
    assert found(validate_statistics(rows[2], schema)) == ["DATASET_LOW_NUM_EXAMPLES"]
    assert found(validate_statistics(rows[6], schema)) == ["DATASET_HIGH_NUM_EXAMPLES"]
    assert found(validate_statistics(rows[4], schema, previous=rows[20])) == ["COMPARATOR_LOW_NUM_EXAMPLES"]
    assert found(validate_statistics(rows[4], schema, previous=stat(x=[1]))) == ["COMPARATOR_HIGH_NUM_EXAMPLES"]
    assert validate_statistics(rows[4], schema, previous=rows[4]).valid


def compared(comparator: FeatureComparator, now: Any, before: Any, kind: str = "FLOAT") -> Anomalies:
    schema = Schema((Feature("x", kind, drift_comparator=comparator),))
    return validate_statistics(stat(x=now), schema, previous=stat(x=before))


GENERATOR = np.random.default_rng(7)
BEFORE = GENERATOR.normal(14, 3, 500)
AFTER = GENERATOR.normal(22, 4, 400)


def test_drift_of_numbers_is_measured_as_scipy_does() -> None:
    every = FeatureComparator(kolmogorov_smirnov=0.1, jensen_shannon_divergence=0.1, psi=0.25)
    anomalies = compared(every, AFTER, BEFORE)
    assert found(anomalies) == [
        "COMPARATOR_KOLMOGOROV_SMIRNOV_HIGH",
        "COMPARATOR_JENSEN_SHANNON_DIVERGENCE_HIGH",
        "COMPARATOR_PSI_HIGH",
    ]
    measures = {one.measure: one.value for one in anomalies.drift_measures}
    assert measures["kolmogorov_smirnov"] == pytest.approx(stats.ks_2samp(AFTER, BEFORE).statistic)
    edges = np.quantile(BEFORE, np.arange(1, 10) / 10, method="inverted_cdf")
    p = np.bincount(np.searchsorted(edges, AFTER, side="left"), minlength=10) / len(AFTER)
    q = np.bincount(np.searchsorted(edges, BEFORE, side="left"), minlength=10) / len(BEFORE)
    assert measures["jensen_shannon_divergence"] == pytest.approx(jensenshannon(p, q, base=2) ** 2)
    p, q = np.maximum(p, 1e-4), np.maximum(q, 1e-4)
    assert measures["psi"] == pytest.approx(((p - q) * np.log(p / q)).sum())
    words = anomalies.anomalies[0].description
    assert words.startswith("column 'x' shifted: Kolmogorov-Smirnov distance 0.")
    assert "to the previous data, the limit is 0.17; mean 13.62 -> 21.76" in words


def test_drift_of_strings_and_what_moved() -> None:
    before, now = ["a"] * 600 + ["b"] * 400, ["a"] * 300 + ["b"] * 400 + ["c"] * 300
    every = FeatureComparator(infinity_norm=0.1, jensen_shannon_divergence=0.05, normalized_abs_difference=0.1, psi=0.2)
    anomalies = compared(every, now, before, "BYTES")
    assert found(anomalies) == [
        "COMPARATOR_L_INFTY_HIGH",
        "COMPARATOR_JENSEN_SHANNON_DIVERGENCE_HIGH",
        "COMPARATOR_PSI_HIGH",
        "COMPARATOR_NORMALIZED_ABSOLUTE_DIFFERENCE_HIGH",
    ]
    assert anomalies.anomalies[0].measured == pytest.approx(0.3)
    assert "the share of 'a' went from 60 % to 30 %" in anomalies.anomalies[0].description
    expected = jensenshannon([0.3, 0.4, 0.3], [0.6, 0.4, 0.0], base=2) ** 2
    assert anomalies.anomalies[1].measured == pytest.approx(expected)
    assert anomalies.anomalies[3].measured == pytest.approx(300 / 2000)


def test_skew_looks_at_serving_data_and_missing_control_data_is_said() -> None:
    comparator = FeatureComparator(kolmogorov_smirnov=0.1)
    schema = Schema((Feature("x", "FLOAT", skew_comparator=comparator),))
    assert validate_statistics(stat(x=AFTER), schema, previous=stat(x=BEFORE)).valid
    skewed = validate_statistics(stat(x=AFTER), schema, serving=stat(x=BEFORE))
    assert found(skewed) == ["COMPARATOR_KOLMOGOROV_SMIRNOV_HIGH"]
    assert skewed.drift_measures[0].against == "serving"
    lacking = validate_statistics(stat(x=AFTER), schema, serving=stat(y=[1]))
    assert found(lacking) == ["COMPARATOR_CONTROL_DATA_MISSING"]
    assert validate_statistics(stat(x=AFTER), schema).valid


@pytest.mark.parametrize("rows", [30, 200, 5_000])
def test_samples_of_one_distribution_raise_no_drift(rows: int) -> None:
    """Normal, heavy-tailed, discrete and constant columns, and categories; 60 columns at each size."""
    generator = np.random.default_rng(rows)

    def sample(size: int) -> dict[str, Any]:
        return {
            **{f"normal{number}": generator.normal(size=size) for number in range(15)},
            **{f"pareto{number}": generator.pareto(0.8, size=size) for number in range(15)},
            **{f"counts{number}": generator.poisson(0.4, size=size) for number in range(15)},
            "constant": np.ones(size),
            **{
                f"words{number}": generator.choice(["a", "b", "c", "d"], size, p=[0.6, 0.3, 0.09, 0.01])
                for number in range(15)
            },
        }

    before, now = stat(**sample(rows)), stat(**sample(rows // 2))
    schema = infer_schema(before)
    drifts = [one for one in validate_statistics(now, schema, previous=before) if one.type.startswith("COMPARATOR")]
    assert [one.description for one in drifts] == []
    every = FeatureComparator(
        infinity_norm=0.0, jensen_shannon_divergence=0.0, kolmogorov_smirnov=0.0, psi=0.0, normalized_abs_difference=1.0
    )
    strict = Schema(tuple(Feature(one.name, one.type, drift_comparator=every) for one in schema.features))
    if rows >= 200:  # the laws of the noise are asymptotic
        assert validate_statistics(now, strict, previous=before).valid


def test_without_noise_a_limit_is_taken_as_it_is_written() -> None:
    tight = FeatureComparator(kolmogorov_smirnov=0.001, allow_sampling_noise=False)
    assert found(compared(tight, BEFORE[:250], BEFORE[250:])) == ["COMPARATOR_KOLMOGOROV_SMIRNOV_HIGH"]


def test_noise_limits_are_rarely_exceeded_but_near() -> None:
    """The stated limit is above all of 300 trials, and not absurdly far above the largest."""
    generator = np.random.default_rng(11)
    worst: dict[str, float] = {}
    for _ in range(300):
        a, b = stat(x=generator.normal(size=300)), stat(x=generator.normal(size=300))
        left, right = a.feature("x").partial.numeric, b.feature("x").partial.numeric
        assert left is not None
        assert right is not None
        p, q = distances.quantile_bins(left.quantiles, right.quantiles)
        for name, distance in {
            "ks": distances.kolmogorov_smirnov(left.quantiles, right.quantiles),
            "js": distances.jensen_shannon(p, q, 300, 300),
            "psi": distances.population_stability(p, q, 300, 300),
        }.items():
            worst[name] = max(worst.get(name, 0.0), distance.value / distance.noise)
    assert all(0.4 < share < 1.0 for share in worst.values()), worst


def test_taxi_splits_do_not_drift_but_a_doubled_fare_does(taxi: Examples) -> None:
    statistics = compute_statistics(taxi)
    schema = infer_schema(statistics["train"])
    anomalies = validate_statistics(statistics["eval"], schema, previous=statistics["train"])
    assert set(found(anomalies)) == {"ENUM_TYPE_UNEXPECTED_STRING_VALUES"}  # a few taxi firms that only eval has
    assert len(anomalies.drift_measures) == sum(one.drift_comparator is not None for one in schema.features)
    doubled = statistics_of(taxi.read("eval").with_columns(pl.col("fare") * 2))
    shifted = validate_statistics(doubled, schema, previous=statistics["train"]).of("fare")
    assert [one.type for one in shifted] == ["COMPARATOR_KOLMOGOROV_SMIRNOV_HIGH"]


def test_faults_in_the_breast_cancer_table_are_named(cancer: Examples) -> None:
    statistics = compute_statistics(cancer)
    schema = infer_schema(statistics["train"])
    assert validate_statistics(statistics["eval"], schema, previous=statistics["train"]).valid
    faulty = statistics_of(
        cancer.read("eval")
        .drop("mean texture")
        .with_columns(pl.col("mean radius") * 1.6, pl.lit("uncertain").alias("diagnosis"))
    )
    anomalies = validate_statistics(faulty, schema, previous=statistics["train"])
    assert {(one.type, one.feature) for one in anomalies} == {
        ("SCHEMA_MISSING_COLUMN", "mean texture"),
        ("COMPARATOR_KOLMOGOROV_SMIRNOV_HIGH", "mean radius"),
        ("ENUM_TYPE_UNEXPECTED_STRING_VALUES", "diagnosis"),
        ("COMPARATOR_L_INFTY_HIGH", "diagnosis"),
    }


def test_anomalies_come_back_from_their_file(tmp_path: Path) -> None:
    anomalies = compared(FeatureComparator(kolmogorov_smirnov=0.1), AFTER, BEFORE)
    path = save_anomalies(anomalies, tmp_path)
    assert load_anomalies(tmp_path) == load_anomalies(path) == anomalies
    assert len(anomalies) == len(anomalies.errors) == 1
    path.write_text("{}")
    with pytest.raises(DataError, match="cannot be read"):
        load_anomalies(path)


def test_the_skewed_penguins_are_told_from_the_plain_ones(penguins_csv: Path) -> None:
    plain = statistics_of(pl.read_csv(penguins_csv, infer_schema_length=None))
    skewed = statistics_of(pl.read_csv(penguins_csv.with_name("penguins_skewed.csv"), infer_schema_length=None))
    schema = infer_schema(plain)
    assert not validate_statistics(plain, schema, previous=plain).anomalies
    bounded = schema.with_features(
        [attrs.evolve(one, domain=FloatDomain(0.0, 1.0)) for one in schema.features if one.type == "FLOAT"]
    )
    anomalies = validate_statistics(skewed, bounded, previous=plain)
    assert ("FLOAT_TYPE_SMALL_FLOAT", "culmen_length_mm") in {(one.type, one.feature) for one in anomalies}
    unlabelled = statistics_of(pl.read_csv(penguins_csv.with_name("penguins_unlabelled.csv")))
    assert [one.feature for one in validate_statistics(unlabelled, schema)] == ["species"]
