"""Validation of statistics: against a schema, against the previous data (drift), against serving data (skew)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from millrace.data.schema.inference import feature_type
from millrace.data.schema.model import Feature, NumExamplesComparator, Schema
from millrace.data.statistics.features import DatasetStatistics, FeatureStatistics
from millrace.data.validation import column_checks
from millrace.data.validation.anomalies import Anomalies, DriftMeasure
from millrace.data.validation.comparators import compare
from millrace.data.validation.domain_checks import check_domain
from millrace.data.validation.findings import Finding, Severities, number
from millrace.data.validation.schema_checks import check_feature_specification


def validate_statistics(
    statistics: DatasetStatistics,
    schema: Schema,
    *,
    previous: DatasetStatistics | None = None,
    serving: DatasetStatistics | None = None,
    environment: str | None = None,
    severities: Mapping[str, str] | None = None,
) -> Anomalies:
    """All anomalies that the statistics can decide, every one an ERROR unless `severities` says otherwise.

    `previous` is what drift comparators look at, `serving` what skew comparators look at. `environment` leaves out
    columns that the schema does not expect there (a label while serving). `severities` maps an anomaly type, or
    "TYPE/column", to ERROR, WARNING or IGNORE.
    """
    findings: list[Finding] = []
    measures: list[DriftMeasure] = []
    findings.extend(_check_dataset(statistics, schema, previous))
    for feature in schema.features:
        if not feature.validated:
            continue
        faults = list(check_feature_specification(feature))
        findings.extend(faults)
        if faults or not feature.in_(environment, schema.default_environment):
            continue
        found = statistics.get(feature.name)
        if found is None:
            findings.extend(column_checks.check_missing(feature))
            continue
        findings.extend(_check_column(feature, found))
        for result in _compare(feature, found, previous, serving):
            if isinstance(result, Finding):
                findings.append(result)
            else:
                measures.append(result)
    findings.extend(_check_new(statistics, schema))
    return Anomalies(Severities.of(severities).judge(findings), tuple(measures))


def _check_column(feature: Feature, found: FeatureStatistics) -> Iterator[Finding]:
    yield from column_checks.check_presence(feature, found)
    yield from column_checks.check_valency(feature, found)
    if not column_checks.fits_type(feature, found):
        yield from column_checks.check_type(feature, found)
        return
    yield from check_domain(feature, found)
    yield from column_checks.check_unique(feature, found)


def _compare(
    feature: Feature,
    found: FeatureStatistics,
    previous: DatasetStatistics | None,
    serving: DatasetStatistics | None,
) -> Iterator[Finding | DriftMeasure]:
    if previous is not None and feature.drift_comparator is not None:
        yield from compare(feature, feature.drift_comparator, found, previous.get(feature.name), "previous")
    if serving is not None and feature.skew_comparator is not None:
        yield from compare(feature, feature.skew_comparator, found, serving.get(feature.name), "serving")


def _check_new(statistics: DatasetStatistics, schema: Schema) -> Iterator[Finding]:
    for found in statistics.features:
        if schema.get(found.name) is None:
            kind = column_checks.TYPE_WORDS[feature_type(found)]
            yield Finding(
                "SCHEMA_NEW_COLUMN",
                found.name,
                f"column {found.name!r} ({kind}) is new: the schema does not know it",
            )


def _check_dataset(
    statistics: DatasetStatistics, schema: Schema, previous: DatasetStatistics | None
) -> Iterator[Finding]:
    constraints = schema.dataset_constraints
    if constraints is None:
        return
    rows = statistics.num_examples
    low, high = constraints.min_examples_count, constraints.max_examples_count
    if low is not None and rows < low:
        yield Finding(
            "DATASET_LOW_NUM_EXAMPLES",
            None,
            f"the data has {number(rows)} rows, the schema asks for {number(low)}",
            rows,
            low,
        )
    if high is not None and rows > high:
        yield Finding(
            "DATASET_HIGH_NUM_EXAMPLES",
            None,
            f"the data has {number(rows)} rows, the schema allows {number(high)}",
            rows,
            high,
        )
    comparator = constraints.num_examples_drift_comparator
    if comparator is not None and previous is not None and previous.num_examples:
        yield from _compare_rows(comparator, rows, previous.num_examples)


def _compare_rows(comparator: NumExamplesComparator, rows: int, before: int) -> Iterator[Finding]:
    ratio = rows / before
    words = f"the data has {number(rows)} rows, the previous data had {number(before)}"
    low, high = comparator.min_fraction_threshold, comparator.max_fraction_threshold
    if low is not None and ratio < low:
        yield Finding(
            "COMPARATOR_LOW_NUM_EXAMPLES", None, f"{words}: {ratio:.2f} of it, at least {low} is asked", ratio, low
        )
    if high is not None and ratio > high:
        yield Finding(
            "COMPARATOR_HIGH_NUM_EXAMPLES", None, f"{words}: {ratio:.2f} of it, at most {high} is allowed", ratio, high
        )
