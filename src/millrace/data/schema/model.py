"""What data is expected to look like: the words of TensorFlow Metadata's schema, as frozen objects.

A schema is inferred once, reviewed and kept by people, and data is validated against it. Nothing here judges
whether a schema makes sense; `millrace.data.validation` reports that as anomalies of the schema.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Final

import attrs

from millrace.core.errors import NotFoundError

INT: Final = "INT"
FLOAT: Final = "FLOAT"
BYTES: Final = "BYTES"
FEATURE_TYPES = (INT, FLOAT, BYTES)

VALIDATED_STAGES = ("UNKNOWN", "BETA", "PRODUCTION", "VALIDATION_DERIVED")
LIFECYCLE_STAGES = (*VALIDATED_STAGES, "PLANNED", "ALPHA", "DEPRECATED", "DEBUG_ONLY", "DISABLED")


@attrs.frozen
class Presence:
    """In how many rows the column must have a value: a count, and a fraction of all rows."""

    min_count: int = 0
    min_fraction: float = 0.0


@attrs.frozen
class ValueCount:
    """How many values a cell that is there must have."""

    min: int | None = None
    max: int | None = None


@attrs.frozen
class StringDomain:
    """The values that a column of strings may hold."""

    values: tuple[str, ...] = ()


@attrs.frozen
class IntDomain:
    """Bounds of integers, both included. On a BYTES column: every string must be an integer."""

    min: int | None = None
    max: int | None = None


@attrs.frozen
class FloatDomain:
    """Bounds of floats, both included. On a BYTES column: every string must be a number."""

    min: float | None = None
    max: float | None = None
    disallow_nan: bool = False
    disallow_inf: bool = False


@attrs.frozen
class BoolDomain:
    """Two values. A column of strings names them; in a column of numbers they are 0 and 1."""

    true_value: str | None = None
    false_value: str | None = None


Domain = StringDomain | IntDomain | FloatDomain | BoolDomain


@attrs.frozen
class DistributionConstraints:
    """`min_domain_mass`: the fraction of values that must lie in the column's string domain."""

    min_domain_mass: float = 1.0


@attrs.frozen
class UniqueConstraints:
    """How many distinct values the column must have."""

    min: int | None = None
    max: int | None = None


@attrs.frozen
class FeatureComparator:
    """Limits on how far a column's distribution may be from that of earlier (drift) or serving data (skew).

    Each is a limit on one distance; those that are None are not measured against a limit.

    * `infinity_norm`: the largest change in the share of any one value, for strings.
    * `jensen_shannon_divergence`: 0 to 1; numbers are binned by quantiles of the earlier data.
    * `kolmogorov_smirnov`: the largest distance of the two cumulative distributions, 0 to 1, for numbers.
    * `psi`: population stability index over ten quantile bins of the earlier data; 0.25 is usually called a shift.
    * `normalized_abs_difference`: the largest change in a value's count over all counts, for strings.

    With `allow_sampling_noise`, a limit is never below the distance that two samples of one distribution of
    these sizes exceed once in 100,000 times, so small data does not raise false alarms. Without it the limit
    is taken as it is written, as TensorFlow Data Validation does.
    """

    infinity_norm: float | None = None
    jensen_shannon_divergence: float | None = None
    kolmogorov_smirnov: float | None = None
    psi: float | None = None
    normalized_abs_difference: float | None = None
    allow_sampling_noise: bool = True


@attrs.frozen
class NumExamplesComparator:
    """Bounds on the number of rows as a fraction of that of the earlier data."""

    min_fraction_threshold: float | None = None
    max_fraction_threshold: float | None = None


@attrs.frozen
class DatasetConstraints:
    min_examples_count: int | None = None
    max_examples_count: int | None = None
    num_examples_drift_comparator: NumExamplesComparator | None = None


@attrs.frozen
class Feature:
    """What one column is expected to hold. `shape` and `value_count` exclude each other."""

    name: str
    type: str
    presence: Presence | None = None
    shape: tuple[int, ...] | None = None
    value_count: ValueCount | None = None
    domain: Domain | None = None
    distribution_constraints: DistributionConstraints | None = None
    unique_constraints: UniqueConstraints | None = None
    drift_comparator: FeatureComparator | None = None
    skew_comparator: FeatureComparator | None = None
    in_environment: tuple[str, ...] = ()
    not_in_environment: tuple[str, ...] = ()
    lifecycle_stage: str = "UNKNOWN"

    @property
    def validated(self) -> bool:
        return self.lifecycle_stage in VALIDATED_STAGES

    def in_(self, environment: str | None, default: tuple[str, ...]) -> bool:
        """Whether the column is expected in `environment`; None stands for all, no `default` for any."""
        if environment is None or environment in self.in_environment:
            return True
        if environment in self.not_in_environment:
            return False
        return not default or environment in default


@attrs.frozen(slots=False)  # a cached property needs a dictionary
class Schema:
    """The columns that are expected, in order, and what is expected of the data set as a whole."""

    features: tuple[Feature, ...] = ()
    default_environment: tuple[str, ...] = ()
    dataset_constraints: DatasetConstraints | None = None

    @property
    def feature_names(self) -> list[str]:
        return [feature.name for feature in self.features]

    def get(self, name: str) -> Feature | None:
        return self._by_name.get(name)

    @functools.cached_property
    def _by_name(self) -> dict[str, Feature]:
        return {feature.name: feature for feature in self.features}

    def feature(self, name: str) -> Feature:
        """Raises `NotFoundError`, with near names, where there is none."""
        found = self.get(name)
        if found is None:
            raise NotFoundError("column", name, self.feature_names)
        return found

    def with_features(self, changed: Iterable[Feature]) -> Schema:
        """A schema with these features instead of those of the same names; new ones come last."""
        by_name = {feature.name: feature for feature in changed}
        kept = [by_name.pop(feature.name, feature) for feature in self.features]
        return attrs.evolve(self, features=(*kept, *by_name.values()))
