"""A column's values beside the domain that the schema gives it: enumeration, bounds, boolean."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polars as pl

from millrace.data.schema.model import BoolDomain, Feature, FloatDomain, IntDomain, StringDomain
from millrace.data.statistics.features import FeatureStatistics, NumericStatistics
from millrace.data.statistics.frequency_sketch import FrequencySketch
from millrace.data.validation.findings import Finding, number, percent, some


def check_domain(feature: Feature, found: FeatureStatistics) -> Iterator[Finding]:
    if feature.domain is None or not found.num_non_missing:
        return
    numeric, string = found.numeric, found.partial.string
    if string is not None:
        yield from _check_strings(feature, string.frequencies, found.tot_num_values)
    elif numeric is not None:
        if isinstance(feature.domain, BoolDomain):
            yield from _check_boolean_numbers(feature, found, numeric)
        elif isinstance(feature.domain, IntDomain | FloatDomain):
            yield from _check_bounds(feature, feature.domain, numeric)


def _check_strings(feature: Feature, frequencies: FrequencySketch, total: int) -> Iterator[Finding]:
    domain, name = feature.domain, feature.name
    values = frequencies.values
    if isinstance(domain, StringDomain):
        mass = feature.distribution_constraints.min_domain_mass if feature.distribution_constraints else 1.0
        yield from _check_enumeration(name, frequencies, total, domain, mass)
    elif isinstance(domain, BoolDomain):
        allowed = [value for value in (domain.true_value, domain.false_value) if value is not None]
        strange = [value for value in values.to_list() if value not in allowed]
        if strange:
            yield Finding(
                "BOOL_TYPE_UNEXPECTED_STRING",
                name,
                f"column {name!r} holds {some(strange)}, the schema allows {some(allowed)} only",
            )
    elif isinstance(domain, IntDomain):
        strange = _unparsable(values, pl.Int64())
        if strange:
            yield Finding(
                "INT_TYPE_NOT_INT_STRING",
                name,
                f"column {name!r} holds {some(strange)}, which are no integers as the schema asks",
            )
    elif isinstance(domain, FloatDomain):
        strange = _unparsable(values, pl.Float64())
        if strange:
            yield Finding(
                "FLOAT_TYPE_STRING_NOT_FLOAT",
                name,
                f"column {name!r} holds {some(strange)}, which are no numbers as the schema asks",
            )


def _unparsable(values: pl.Series, target: pl.DataType) -> list[str]:
    return values.filter(values.str.strip_chars().cast(target, strict=False).is_null()).to_list()


def _check_enumeration(
    name: str, frequencies: FrequencySketch, total: int, domain: StringDomain, min_mass: float
) -> Iterator[Finding]:
    allowed_values = set(domain.values)
    known = np.array([value in allowed_values for value in frequencies.values.to_list()], dtype=np.bool_)
    inside = int(frequencies.counts[known].sum()) + frequencies.error * len(domain.values)
    outside = max(total - inside, 0) / total
    if outside <= (1.0 - min_mass) + 1e-12:
        return
    strange = frequencies.values.filter(pl.Series(~known)).to_list()
    counts = frequencies.counts[~known]
    shown = [
        f"{value!r} ({number(count)} rows, {percent(count / total)})"
        for value, count in zip(strange[:5], counts[:5].tolist(), strict=True)
    ]
    more = f" and {len(strange) - 5} more" if len(strange) > 5 else ""
    allowed = "" if min_mass >= 1.0 else f"; the schema tolerates {percent(1.0 - min_mass)}"
    yield Finding(
        "ENUM_TYPE_UNEXPECTED_STRING_VALUES",
        name,
        f"column {name!r} holds values that the schema does not list: {', '.join(shown)}{more}{allowed}",
        outside,
        1.0 - min_mass,
    )


def _check_boolean_numbers(feature: Feature, found: FeatureStatistics, numeric: NumericStatistics) -> Iterator[Finding]:
    name = feature.name
    if numeric.min is None or numeric.max is None:
        return
    if found.type == "FLOAT":
        partial = found.partial.numeric
        assert partial is not None
        strange = [value for value in partial.quantiles.points[0].tolist() if value not in {0.0, 1.0}]
        if strange:
            yield Finding(
                "BOOL_TYPE_UNEXPECTED_FLOAT",
                name,
                f"column {name!r} holds {number(strange[0])}; as a boolean it may hold 0 and 1 only",
                strange[0],
            )
        return
    if numeric.max > 1:
        yield Finding(
            "BOOL_TYPE_BIG_INT",
            name,
            f"column {name!r} holds {number(numeric.max)}; as a boolean it may hold 0 and 1 only",
            numeric.max,
            1.0,
        )
    if numeric.min < 0:
        yield Finding(
            "BOOL_TYPE_SMALL_INT",
            name,
            f"column {name!r} holds {number(numeric.min)}; as a boolean it may hold 0 and 1 only",
            numeric.min,
            0.0,
        )


def _check_bounds(feature: Feature, domain: IntDomain | FloatDomain, numeric: NumericStatistics) -> Iterator[Finding]:
    name = feature.name
    kind, suffix = ("INT", "INT") if isinstance(domain, IntDomain) else ("FLOAT", "FLOAT")
    if domain.max is not None and numeric.max is not None and numeric.max > domain.max:
        yield Finding(
            f"{kind}_TYPE_BIG_{suffix}",
            name,
            f"column {name!r} reaches {number(numeric.max)}, the schema's maximum is {number(domain.max)}",
            numeric.max,
            domain.max,
        )
    if domain.min is not None and numeric.min is not None and numeric.min < domain.min:
        yield Finding(
            f"{kind}_TYPE_SMALL_{suffix}",
            name,
            f"column {name!r} goes down to {number(numeric.min)}, the schema's minimum is {number(domain.min)}",
            numeric.min,
            domain.min,
        )
    if isinstance(domain, FloatDomain) and domain.disallow_nan and numeric.num_nan:
        yield Finding(
            "FLOAT_TYPE_HAS_NAN", name, f"column {name!r} is NaN in {number(numeric.num_nan)} rows", numeric.num_nan, 0
        )
    if isinstance(domain, FloatDomain) and domain.disallow_inf and numeric.num_inf:
        yield Finding(
            "FLOAT_TYPE_HAS_INF",
            name,
            f"column {name!r} is infinite in {number(numeric.num_inf)} rows",
            numeric.num_inf,
            0,
        )
