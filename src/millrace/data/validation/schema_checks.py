"""Faults of the schema itself: what no data could satisfy or what says nothing. Found before data is looked at."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from millrace.data.schema.model import (
    BYTES,
    FEATURE_TYPES,
    INT,
    BoolDomain,
    Feature,
    FloatDomain,
    IntDomain,
    StringDomain,
)
from millrace.data.validation.findings import Finding


def check_feature_specification(feature: Feature) -> Iterator[Finding]:
    """Findings about what the schema says of one column."""
    name = feature.name
    if not name:
        yield Finding("FEATURE_MISSING_NAME", name, "a column of the schema has no name")
    if feature.type not in FEATURE_TYPES:
        yield Finding(
            "FEATURE_MISSING_TYPE",
            name,
            f"the schema gives column {name!r} the type {feature.type!r}; it is one of {', '.join(FEATURE_TYPES)}",
        )
        return
    for fault in _faults(feature):
        yield Finding("INVALID_SCHEMA_SPECIFICATION", name, f"the schema's column {name!r}: {fault}")
    yield from _domain_faults(feature)


def _faults(feature: Feature) -> Iterator[str]:
    presence = feature.presence
    if presence and not 0.0 <= presence.min_fraction <= 1.0:
        yield f"presence.min_fraction is {presence.min_fraction}, not between 0 and 1"
    if presence and presence.min_count < 0:
        yield f"presence.min_count is {presence.min_count}"
    for word, bounds in (("value_count", feature.value_count), ("unique_constraints", feature.unique_constraints)):
        if _reversed(bounds):
            yield f"{word} has a min above its max"
    if feature.shape is not None and feature.value_count is not None:
        yield "it has both a shape and a value_count"
    constraints = feature.distribution_constraints
    if constraints is not None:
        if not isinstance(feature.domain, StringDomain):
            yield "distribution_constraints need a string_domain"
        if not 0.0 <= constraints.min_domain_mass <= 1.0:
            yield f"min_domain_mass is {constraints.min_domain_mass}, not between 0 and 1"
    both = set(feature.in_environment) & set(feature.not_in_environment)
    if both:
        yield f"it is both in and not in the environment {min(both)!r}"


def _domain_faults(feature: Feature) -> Iterator[Finding]:
    domain, name = feature.domain, feature.name
    if isinstance(domain, IntDomain | FloatDomain) and _reversed(domain):
        yield Finding(
            "INVALID_SCHEMA_SPECIFICATION",
            name,
            f"the schema's column {name!r}: its domain has min {domain.min} above max {domain.max}",
        )
    if isinstance(domain, StringDomain) and len(set(domain.values)) < len(domain.values):
        double = next(value for value in domain.values if domain.values.count(value) > 1)
        yield Finding(
            "INVALID_DOMAIN_SPECIFICATION", name, f"the schema lists {double!r} twice in the domain of {name!r}"
        )
    if isinstance(domain, BoolDomain):
        named = domain.true_value is not None or domain.false_value is not None
        if named and domain.true_value == domain.false_value:
            yield Finding(
                "INVALID_DOMAIN_SPECIFICATION",
                name,
                f"the schema's column {name!r}: true and false are both {domain.true_value!r}",
            )
        if named and feature.type != BYTES:
            yield Finding(
                "BOOL_TYPE_INVALID_CONFIG",
                name,
                f"the schema's column {name!r}: only a column of strings names its true and false values",
            )
    if _unfit(feature):
        yield Finding(
            "DOMAIN_INVALID_FOR_TYPE",
            name,
            f"the schema gives column {name!r} of type {feature.type} a {type(domain).__name__}",
        )


def _unfit(feature: Feature) -> bool:
    if isinstance(feature.domain, StringDomain):
        return feature.type != BYTES
    if isinstance(feature.domain, FloatDomain):
        return feature.type == INT
    if isinstance(feature.domain, IntDomain):
        return feature.type not in {INT, BYTES}
    return False


def _reversed(bounds: Any) -> bool:
    return bounds is not None and bounds.min is not None and bounds.max is not None and bounds.min > bounds.max
