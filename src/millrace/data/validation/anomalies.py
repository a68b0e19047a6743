"""Anomalies: where data departs from its schema or from other data, in words and numbers; saved as JSON.

Types carry the names of TensorFlow Data Validation's enumeration. Two distances that it does not have are named in
its manner: COMPARATOR_KOLMOGOROV_SMIRNOV_HIGH and COMPARATOR_PSI_HIGH.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import attrs
import orjson

from millrace.core.errors import DataError
from millrace.data.atomic_output import json_bytes, write_file

ERROR: Final = "ERROR"
WARNING: Final = "WARNING"
FORMAT_VERSION = 1
ANOMALIES_NAME = "anomalies.json"


@attrs.frozen
class Anomaly:
    """One finding. `feature` is None where it concerns the whole data set."""

    type: str
    feature: str | None
    severity: str
    description: str
    measured: float | None = None
    threshold: float | None = None


@attrs.frozen
class DriftMeasure:
    """A distance to other data, measured whether it is an anomaly or not.

    `against` is "previous" or "serving"; `threshold` is the limit that applied, sampling noise allowed for.
    """

    feature: str
    against: str
    measure: str
    value: float
    threshold: float


@attrs.frozen
class Anomalies:
    """All findings of one validation, in the order of the schema's columns."""

    anomalies: tuple[Anomaly, ...] = ()
    drift_measures: tuple[DriftMeasure, ...] = ()

    @property
    def valid(self) -> bool:
        """Whether no finding is an ERROR."""
        return all(anomaly.severity != ERROR for anomaly in self.anomalies)

    @property
    def errors(self) -> list[Anomaly]:
        return [anomaly for anomaly in self.anomalies if anomaly.severity == ERROR]

    def of(self, feature: str | None) -> list[Anomaly]:
        return [anomaly for anomaly in self.anomalies if anomaly.feature == feature]

    def __iter__(self) -> Iterator[Anomaly]:
        return iter(self.anomalies)

    def __len__(self) -> int:
        return len(self.anomalies)

    def to_json(self) -> dict[str, Any]:
        return {
            "format": FORMAT_VERSION,
            "valid": self.valid,
            "anomalies": [attrs.asdict(anomaly) for anomaly in self.anomalies],
            "drift_measures": [attrs.asdict(measure) for measure in self.drift_measures],
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Anomalies:
        return cls(
            tuple(Anomaly(**anomaly) for anomaly in document["anomalies"]),
            tuple(DriftMeasure(**measure) for measure in document["drift_measures"]),
        )


def save_anomalies(anomalies: Anomalies, path: str | Path) -> Path:
    """Write to `path`, or to `anomalies.json` in it where it is a folder; gives the file."""
    target = _file(Path(path))
    write_file(target, json_bytes(anomalies.to_json()))
    return target


def load_anomalies(path: str | Path) -> Anomalies:
    source = _file(Path(path))
    try:
        return Anomalies.from_json(orjson.loads(source.read_bytes()))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"the anomalies cannot be read: {error}", where=str(source)) from error


def _file(path: Path) -> Path:
    return path / ANOMALIES_NAME if path.is_dir() or not path.suffix else path
