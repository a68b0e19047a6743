"""A column's statistics beside what the schema says of it: presence, type, valency, uniqueness."""

from __future__ import annotations

import math
from collections.abc import Iterator

from millrace.data.schema.inference import feature_type
from millrace.data.schema.model import FLOAT, INT, Feature
from millrace.data.statistics.features import FeatureStatistics
from millrace.data.validation.findings import Finding, number, percent

TYPE_WORDS = {"INT": "integers", "FLOAT": "floats", "BYTES": "strings"}


def check_missing(feature: Feature) -> Iterator[Finding]:
    """For a column of the schema that the data lacks."""
    if feature.presence and (feature.presence.min_count or feature.presence.min_fraction):
        yield Finding(
            "SCHEMA_MISSING_COLUMN", feature.name, f"column {feature.name!r} is missing; the schema requires it"
        )


def check_presence(feature: Feature, found: FeatureStatistics) -> Iterator[Finding]:
    presence, name = feature.presence, feature.name
    if presence is None:
        return
    if not found.num_non_missing:
        if presence.min_count or presence.min_fraction:
            yield Finding(
                "FEATURE_TYPE_NOT_PRESENT",
                name,
                f"column {name!r} has no value in any of {number(found.num_rows)} rows; the schema requires it",
                0.0,
                presence.min_fraction,
            )
        return
    if found.num_non_missing < presence.min_count:
        yield Finding(
            "FEATURE_TYPE_LOW_NUMBER_PRESENT",
            name,
            f"column {name!r} has a value in {number(found.num_non_missing)} rows, "
            f"the schema asks for {number(presence.min_count)}",
            found.num_non_missing,
            presence.min_count,
        )
    if found.fraction_present < presence.min_fraction:
        yield Finding(
            "FEATURE_TYPE_LOW_FRACTION_PRESENT",
            name,
            f"column {name!r} is missing in {number(found.num_missing)} of {number(found.num_rows)} rows: "
            f"present in {percent(found.fraction_present)}, the schema asks for {percent(presence.min_fraction)}",
            found.fraction_present,
            presence.min_fraction,
        )


def fits_type(feature: Feature, found: FeatureStatistics) -> bool:
    """Integers where floats are expected are fine: whole numbers are floats too."""
    data_type = feature_type(found)
    return data_type == feature.type or (feature.type == FLOAT and data_type == INT)


def check_type(feature: Feature, found: FeatureStatistics) -> Iterator[Finding]:
    if found.num_non_missing and not fits_type(feature, found):
        expected = TYPE_WORDS.get(feature.type, feature.type)
        yield Finding(
            "UNEXPECTED_DATA_TYPE",
            feature.name,
            f"column {feature.name!r} holds {TYPE_WORDS[feature_type(found)]}, the schema expects {expected}"
            + _example(found),
        )


def _example(found: FeatureStatistics) -> str:
    if found.string and found.string.top_values:
        return f"; the most frequent is {found.string.top_values[0][0]!r}"
    if found.numeric and found.numeric.min is not None and found.numeric.max is not None:
        return f"; from {number(found.numeric.min)} to {number(found.numeric.max)}"
    return ""


def check_valency(feature: Feature, found: FeatureStatistics) -> Iterator[Finding]:
    name = feature.name
    if not found.num_non_missing:
        return
    low, high = found.min_num_values, found.max_num_values
    if feature.shape is not None:
        size = math.prod(feature.shape)
        if low != size or high != size:
            cells = f"{low}" if low == high else f"{low} to {high}"
            yield Finding(
                "INVALID_FEATURE_SHAPE",
                name,
                f"column {name!r} has {cells} values a cell, the schema's shape {list(feature.shape)} takes {size}",
                high if high != size else low,
                size,
            )
    count = feature.value_count
    if count is not None and count.min is not None and low < count.min:
        yield Finding(
            "FEATURE_TYPE_LOW_NUMBER_VALUES",
            name,
            f"column {name!r} has cells of {low} values, the schema asks for {count.min}",
            low,
            count.min,
        )
    if count is not None and count.max is not None and high > count.max:
        yield Finding(
            "FEATURE_TYPE_HIGH_NUMBER_VALUES",
            name,
            f"column {name!r} has cells of {high} values, the schema allows {count.max}",
            high,
            count.max,
        )


def check_unique(feature: Feature, found: FeatureStatistics) -> Iterator[Finding]:
    constraints, name = feature.unique_constraints, feature.name
    if constraints is None:
        return
    if constraints.min is not None and found.unique < constraints.min:
        yield Finding(
            "FEATURE_TYPE_LOW_UNIQUE",
            name,
            f"column {name!r} has {number(found.unique)} distinct values, "
            f"the schema asks for {number(constraints.min)}",
            found.unique,
            constraints.min,
        )
    if constraints.max is not None and found.unique > constraints.max:
        yield Finding(
            "FEATURE_TYPE_HIGH_UNIQUE",
            name,
            f"column {name!r} has {number(found.unique)} distinct values, the schema allows {number(constraints.max)}",
            found.unique,
            constraints.max,
        )
