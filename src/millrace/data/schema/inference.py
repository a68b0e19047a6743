"""A schema from statistics, by TensorFlow Data Validation's rules.

Presence: one value at least if any was seen; every row if none was missing. Shape: fixed if no cell is missing and
all hold equally many values, else a value count. Domain: boolean, then an enumeration of at most
`max_string_domain_size` strings; no numeric bounds. Beyond TFDV, each column that can be compared gets a drift
comparator (see `default_drift_comparator`).
"""

from __future__ import annotations

from millrace.data.schema.model import (
    BYTES,
    INT,
    BoolDomain,
    Domain,
    Feature,
    FeatureComparator,
    IntDomain,
    Presence,
    Schema,
    StringDomain,
    ValueCount,
)
from millrace.data.statistics.features import DatasetStatistics, FeatureStatistics
from millrace.data.statistics.partials import STRING

DEFAULT_DRIFT_LIMIT = 0.1
ID_FRACTION = 0.95
ID_MIN_ROWS = 20

# The pairs of strings that TFDV takes for booleans, here without regard to case; each set is true, then false.
_TRUE = frozenset({"true", "t", "yes", "y"})
_FALSE = frozenset({"false", "f", "no", "n"})


def infer_schema(statistics: DatasetStatistics, *, max_string_domain_size: int = 100) -> Schema:
    """The narrowest schema, of the kind described above, that the data fits."""
    return Schema(
        tuple(infer_feature(feature, max_string_domain_size=max_string_domain_size) for feature in statistics.features)
    )


def infer_feature(statistics: FeatureStatistics, *, max_string_domain_size: int = 100) -> Feature:
    seen = statistics.num_non_missing > 0
    all_present = seen and statistics.num_missing == 0
    low, high = statistics.min_num_values, statistics.max_num_values
    constant = low == high and low > 0
    shape = (low,) if all_present and constant else None
    value_count = None
    if shape is None and low > 0:
        value_count = ValueCount(low, high) if constant else ValueCount(1)
    return Feature(
        name=statistics.name,
        type=feature_type(statistics),
        presence=Presence(1, float(all_present)) if seen else None,
        shape=shape,
        value_count=value_count,
        domain=infer_domain(statistics, max_string_domain_size),
        drift_comparator=default_drift_comparator(statistics),
    )


def feature_type(statistics: FeatureStatistics) -> str:
    return BYTES if statistics.type == STRING else statistics.type


def infer_domain(statistics: FeatureStatistics, max_string_domain_size: int) -> Domain | None:
    if statistics.numeric is not None:
        numeric = statistics.numeric
        boolean = statistics.type == INT and numeric.min in {0.0, 1.0} and numeric.max == 1.0
        return BoolDomain() if boolean else None
    string = statistics.partial.string
    if string is None or not string.frequencies.exact or not statistics.num_non_missing:
        return None
    frequencies = string.frequencies
    boolean_strings = boolean_pair(frequencies.values.to_list()) if len(frequencies.values) <= 2 else None
    if boolean_strings is not None:
        return boolean_strings
    if frequencies.values.cast(int, strict=False).null_count() == 0:
        return IntDomain()
    if len(frequencies.values) <= max_string_domain_size:
        return StringDomain(tuple(sorted(frequencies.values.to_list())))
    return None


def boolean_pair(values: list[str]) -> BoolDomain | None:
    """The boolean domain that one or two strings spell, if they do."""
    true = [value for value in values if value.lower() in _TRUE]
    false = [value for value in values if value.lower() in _FALSE]
    if len(true) + len(false) < len(values) or len(true) > 1 or len(false) > 1:
        return None
    return BoolDomain(true[0] if true else None, false[0] if false else None)


def default_drift_comparator(statistics: FeatureStatistics) -> FeatureComparator | None:
    """Kolmogorov-Smirnov for numbers, L-infinity for categories, at 0.1 or the sampling noise if that is larger.

    For two samples of 200 rows each the noise is 0.25, for 1,000 it is 0.11. A column of ids, where (nearly)
    every row has a value of its own, is not compared: strings or integers, distinct in 95 % of 20 rows or more.
    """
    if not statistics.num_non_missing or _looks_like_ids(statistics):
        return None
    if statistics.numeric is not None:
        return FeatureComparator(kolmogorov_smirnov=DEFAULT_DRIFT_LIMIT)
    return FeatureComparator(infinity_norm=DEFAULT_DRIFT_LIMIT)


def _looks_like_ids(statistics: FeatureStatistics) -> bool:
    if statistics.type not in {INT, STRING} or statistics.tot_num_values < ID_MIN_ROWS:
        return False
    return statistics.unique >= ID_FRACTION * statistics.tot_num_values
