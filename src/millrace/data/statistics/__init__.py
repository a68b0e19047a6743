"""Statistics of examples: what each column holds, in fields that merge over shards, days and machines."""

from millrace.data.statistics.compute import compute_statistics, statistics_of
from millrace.data.statistics.features import (
    Bucket,
    DatasetStatistics,
    FeatureStatistics,
    NumericStatistics,
    StringStatistics,
    merge_statistics,
)
from millrace.data.statistics.storage import load_statistics, save_statistics

__all__ = [
    "Bucket",
    "DatasetStatistics",
    "FeatureStatistics",
    "NumericStatistics",
    "StringStatistics",
    "compute_statistics",
    "load_statistics",
    "merge_statistics",
    "save_statistics",
    "statistics_of",
]
