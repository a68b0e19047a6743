"""Validation: anomalies of data against its schema, drift against earlier data, skew against serving data."""

from millrace.data.validation.anomalies import (
    ERROR,
    WARNING,
    Anomalies,
    Anomaly,
    DriftMeasure,
    load_anomalies,
    save_anomalies,
)
from millrace.data.validation.findings import IGNORE
from millrace.data.validation.validate import validate_statistics

__all__ = [
    "ERROR",
    "IGNORE",
    "WARNING",
    "Anomalies",
    "Anomaly",
    "DriftMeasure",
    "load_anomalies",
    "save_anomalies",
    "validate_statistics",
]
