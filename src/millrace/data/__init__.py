"""The data library: examples, statistics, schema, validation, transform, evaluation.

Usable by itself, with no pipeline: `from millrace import data`. Names are imported when they are first used, so
importing this package costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from millrace.data.evaluation import (
        EvalConfig,
        Evaluation,
        SliceMetrics,
        Threshold,
        Verdict,
        binary_metrics,
        evaluate,
        load_evaluation,
        multiclass_metrics,
        regression_metrics,
        save_evaluation,
    )
    from millrace.data.examples import Examples, ExampleSource, ingest, ingest_csv
    from millrace.data.manifest import Column, ExamplesManifest
    from millrace.data.schema import (
        Feature,
        FeatureComparator,
        Schema,
        infer_schema,
        load_schema,
        save_schema,
        update_schema,
    )
    from millrace.data.statistics import (
        DatasetStatistics,
        FeatureStatistics,
        compute_statistics,
        load_statistics,
        merge_statistics,
        save_statistics,
        statistics_of,
    )
    from millrace.data.transform import TransformGraph, fit_transform_graph, transform_examples
    from millrace.data.validation import Anomalies, Anomaly, load_anomalies, save_anomalies, validate_statistics

_HOMES = {
    "evaluation": (
        "EvalConfig",
        "Evaluation",
        "SliceMetrics",
        "Threshold",
        "Verdict",
        "binary_metrics",
        "evaluate",
        "load_evaluation",
        "multiclass_metrics",
        "regression_metrics",
        "save_evaluation",
    ),
    "examples": ("ExampleSource", "Examples", "ingest", "ingest_csv"),
    "manifest": ("Column", "ExamplesManifest"),
    "schema": (
        "Feature",
        "FeatureComparator",
        "Schema",
        "infer_schema",
        "load_schema",
        "save_schema",
        "update_schema",
    ),
    "statistics": (
        "DatasetStatistics",
        "FeatureStatistics",
        "compute_statistics",
        "load_statistics",
        "merge_statistics",
        "save_statistics",
        "statistics_of",
    ),
    "transform": ("TransformGraph", "fit_transform_graph", "transform_examples"),
    "validation": ("Anomalies", "Anomaly", "load_anomalies", "save_anomalies", "validate_statistics"),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "Anomalies",
    "Anomaly",
    "Column",
    "DatasetStatistics",
    "EvalConfig",
    "Evaluation",
    "ExampleSource",
    "Examples",
    "ExamplesManifest",
    "Feature",
    "FeatureComparator",
    "FeatureStatistics",
    "Schema",
    "SliceMetrics",
    "Threshold",
    "TransformGraph",
    "Verdict",
    "binary_metrics",
    "compute_statistics",
    "evaluate",
    "fit_transform_graph",
    "infer_schema",
    "ingest",
    "ingest_csv",
    "load_anomalies",
    "load_evaluation",
    "load_schema",
    "load_statistics",
    "merge_statistics",
    "multiclass_metrics",
    "regression_metrics",
    "save_anomalies",
    "save_evaluation",
    "save_schema",
    "save_statistics",
    "statistics_of",
    "transform_examples",
    "update_schema",
    "validate_statistics",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'millrace.data' has no attribute {name!r}")
    return getattr(importlib.import_module(f"millrace.data.{_HOME_OF[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
