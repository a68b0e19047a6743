"""Widening a schema just so far that given data fits it: how a kept schema follows data that rightly changed."""

from __future__ import annotations

import attrs

from millrace.data.schema.inference import boolean_pair, feature_type, infer_feature
from millrace.data.schema.model import (
    BYTES,
    FLOAT,
    INT,
    BoolDomain,
    Domain,
    Feature,
    FloatDomain,
    IntDomain,
    Presence,
    Schema,
    StringDomain,
    UniqueConstraints,
    ValueCount,
)
from millrace.data.statistics.features import DatasetStatistics, FeatureStatistics


def update_schema(schema: Schema, statistics: DatasetStatistics, *, max_string_domain_size: int = 100) -> Schema:
    """A schema that `statistics` has no anomaly against, drift and skew apart, and that is else unchanged.

    A new column is added as inferred; one that is missing becomes DEPRECATED; bounds, enumerations and presence
    are widened; an enumeration that would outgrow `max_string_domain_size` is given up.
    """
    changed: list[Feature] = []
    for feature in schema.features:
        found = statistics.get(feature.name)
        if not feature.validated:
            continue
        if found is None:
            if feature.presence and (feature.presence.min_count or feature.presence.min_fraction):
                changed.append(attrs.evolve(feature, lifecycle_stage="DEPRECATED"))
        else:
            changed.append(_widened(feature, found, max_string_domain_size))
    new = [
        infer_feature(found, max_string_domain_size=max_string_domain_size)
        for found in statistics.features
        if schema.get(found.name) is None
    ]
    return schema.with_features([*changed, *new])


def _widened(feature: Feature, found: FeatureStatistics, max_string_domain_size: int) -> Feature:
    feature = attrs.evolve(feature, presence=_presence(feature.presence, found))
    if not found.num_non_missing:
        return feature
    data_type = feature_type(found)
    if data_type != feature.type and not (feature.type == FLOAT and data_type == INT):
        if feature.type == INT and data_type == FLOAT:
            feature = attrs.evolve(feature, type=FLOAT, domain=_as_float_domain(feature.domain))
        else:
            fresh = infer_feature(found, max_string_domain_size=max_string_domain_size)
            return attrs.evolve(
                feature,
                type=fresh.type,
                domain=fresh.domain,
                shape=None,
                value_count=fresh.value_count,
                distribution_constraints=None,
                drift_comparator=fresh.drift_comparator,
                skew_comparator=None,
            )
    feature = _valency(feature, found)
    return attrs.evolve(
        feature,
        domain=_domain(feature, found, max_string_domain_size),
        unique_constraints=_unique(feature.unique_constraints, found),
    )


def _presence(presence: Presence | None, found: FeatureStatistics) -> Presence | None:
    if presence is None:
        return None
    return Presence(min(presence.min_count, found.num_non_missing), min(presence.min_fraction, found.fraction_present))


def _valency(feature: Feature, found: FeatureStatistics) -> Feature:
    low, high = found.min_num_values, found.max_num_values
    if feature.shape is not None:
        size = 1
        for length in feature.shape:
            size *= length
        if found.num_missing or low != high or low != size:
            constant = low == high
            return attrs.evolve(
                feature, shape=None, value_count=ValueCount(low, high) if constant else ValueCount(min(low, 1))
            )
        return feature
    if feature.value_count is None:
        return feature
    count = feature.value_count
    return attrs.evolve(
        feature,
        value_count=ValueCount(
            None if count.min is None else min(count.min, low),
            None if count.max is None else max(count.max, high),
        ),
    )


def _unique(constraints: UniqueConstraints | None, found: FeatureStatistics) -> UniqueConstraints | None:
    if constraints is None:
        return None
    return UniqueConstraints(
        None if constraints.min is None else min(constraints.min, found.unique),
        None if constraints.max is None else max(constraints.max, found.unique),
    )


def _as_float_domain(domain: Domain | None) -> Domain | None:
    if isinstance(domain, IntDomain):
        return FloatDomain(domain.min, domain.max)
    return None


def _domain(feature: Feature, found: FeatureStatistics, max_string_domain_size: int) -> Domain | None:
    domain = feature.domain
    numeric = found.numeric
    if isinstance(domain, StringDomain) and feature.type == BYTES:
        return _wider_enumeration(feature, domain, found, max_string_domain_size)
    if isinstance(domain, IntDomain | FloatDomain) and numeric is not None and numeric.min is not None:
        assert numeric.max is not None
        if isinstance(domain, IntDomain):
            return IntDomain(
                None if domain.min is None else min(domain.min, int(numeric.min)),
                None if domain.max is None else max(domain.max, int(numeric.max)),
            )
        return FloatDomain(
            None if domain.min is None else min(domain.min, numeric.min),
            None if domain.max is None else max(domain.max, numeric.max),
            disallow_nan=domain.disallow_nan and not numeric.num_nan,
            disallow_inf=domain.disallow_inf and not numeric.num_inf,
        )
    if isinstance(domain, BoolDomain):
        if numeric is not None:
            inside = numeric.min in {0.0, 1.0} and numeric.max in {0.0, 1.0} and found.unique <= 2
            return domain if inside else None
        return _wider_boolean(domain, found, max_string_domain_size)
    if isinstance(domain, IntDomain | FloatDomain):
        return domain if _parses(domain, found) else None
    return domain


def _wider_boolean(domain: BoolDomain, found: FeatureStatistics, max_string_domain_size: int) -> Domain | None:
    """The two values, or the enumeration of them and what came to them."""
    string = found.partial.string
    if string is None or not string.frequencies.exact:
        return None
    known = [value for value in (domain.true_value, domain.false_value) if value is not None]
    values = sorted({*known, *string.frequencies.values.to_list()})
    if set(values) == set(known):
        return domain
    if len(values) <= 2 and (pair := boolean_pair(values)) is not None:
        return pair
    return StringDomain(tuple(values)) if len(values) <= max_string_domain_size else None


def _parses(domain: IntDomain | FloatDomain, found: FeatureStatistics) -> bool:
    string = found.partial.string
    if string is None:
        return True
    target = int if isinstance(domain, IntDomain) else float
    return string.frequencies.values.cast(target, strict=False).null_count() == 0


def _wider_enumeration(
    feature: Feature, domain: StringDomain, found: FeatureStatistics, max_string_domain_size: int
) -> Domain | None:
    string = found.partial.string
    if string is None:
        return domain
    frequencies = string.frequencies
    known = set(domain.values)
    new = [value for value in frequencies.values.to_list() if value not in known]
    if not new and frequencies.exact:
        return domain
    mass = feature.distribution_constraints.min_domain_mass if feature.distribution_constraints else 1.0
    outside = sum(
        count
        for value, count in zip(frequencies.values, frequencies.counts.tolist(), strict=True)
        if value not in known
    )
    if frequencies.exact and outside <= (1.0 - mass) * found.tot_num_values:
        return domain
    if not frequencies.exact or len(known) + len(new) > max_string_domain_size:
        return None
    return StringDomain((*domain.values, *sorted(new)))
