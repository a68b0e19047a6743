"""Saved statistics: `Split-<name>/statistics.json`, the figures for people and the sketches for merging.

Equal statistics give equal bytes. What is read back is derived from the sketches again, so the figures of a
loaded file and of a merged one come by the same code.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import orjson

from millrace.core.errors import DataError
from millrace.data.atomic_output import json_bytes, write_file
from millrace.data.statistics.features import DatasetStatistics, FeatureStatistics
from millrace.data.statistics.partials import DatasetPartial, FeaturePartial

STATISTICS_NAME = "statistics.json"
FORMAT_VERSION = 1
_SPLIT_PREFIX = "Split-"


def save_statistics(statistics: Mapping[str, DatasetStatistics], directory: str | Path) -> None:
    """Write each split's statistics below `directory`."""
    for split, dataset in statistics.items():
        path = Path(directory) / f"{_SPLIT_PREFIX}{split}" / STATISTICS_NAME
        write_file(path, json_bytes(statistics_to_json(dataset)))


def load_statistics(directory: str | Path) -> dict[str, DatasetStatistics]:
    """All splits' statistics below `directory`; raises `DataError` where there are none."""
    folder = Path(directory)
    paths = sorted(folder.glob(f"{_SPLIT_PREFIX}*/{STATISTICS_NAME}"))
    if not paths:
        raise DataError(
            "no statistics here", where=str(folder), remedy=f"Give a folder with Split-*/{STATISTICS_NAME}."
        )
    return {path.parent.name.removeprefix(_SPLIT_PREFIX): _load(path) for path in paths}


def _load(path: Path) -> DatasetStatistics:
    try:
        document = orjson.loads(path.read_bytes())
        return statistics_from_json(document)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"the statistics cannot be read: {error}", where=str(path)) from error


def statistics_to_json(dataset: DatasetStatistics) -> dict[str, Any]:
    return {
        "format": FORMAT_VERSION,
        "num_examples": dataset.num_examples,
        "features": [_feature_to_json(feature) for feature in dataset.features],
    }


def _feature_to_json(feature: FeatureStatistics) -> dict[str, Any]:
    document = attrs.asdict(feature, filter=attrs.filters.exclude("partial"))
    document["sketch"] = feature.partial.to_json()
    finite: dict[str, Any] = _finite(document)
    return finite


def _finite(value: Any) -> Any:
    """JSON has no infinities: overflowed figures are written as null. The sketches hold finite numbers only."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def statistics_from_json(document: Mapping[str, Any]) -> DatasetStatistics:
    if document.get("format") != FORMAT_VERSION:
        raise DataError(
            f"the statistics have format {document.get('format')!r}, this version reads {FORMAT_VERSION}",
            remedy="Compute them again.",
        )
    features = {
        feature["name"]: FeaturePartial.from_json(feature["name"], feature["type"], feature["sketch"])
        for feature in document["features"]
    }
    return DatasetStatistics.of(DatasetPartial(document["num_examples"], features))
