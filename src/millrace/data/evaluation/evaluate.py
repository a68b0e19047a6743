"""Evaluating a model's predictions: metrics by slice, verdicts by threshold, and whether the model is blessed."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs
import orjson
import polars as pl

from millrace.core.errors import DataError, NotFoundError, did_you_mean
from millrace.data.atomic_output import json_bytes, write_file
from millrace.data.evaluation.binary import binary_metrics
from millrace.data.evaluation.config import EvalConfig
from millrace.data.evaluation.multiclass import multiclass_metrics
from millrace.data.evaluation.regression import regression_metrics
from millrace.data.evaluation.verdicts import Verdict, judge

EVALUATION_NAME = "evaluation.json"
FORMAT_VERSION = 1


@attrs.frozen
class SliceMetrics:
    """The metrics of the rows with these column values; no values stands for all rows."""

    slice: Mapping[str, Any]
    metrics: Mapping[str, float]
    baseline: Mapping[str, float] | None = None

    @property
    def name(self) -> str:
        return ", ".join(f"{column} = {value}" for column, value in self.slice.items()) or "all rows"


@attrs.frozen
class Evaluation:
    """What was measured and judged. `blessed` when every verdict passed."""

    slices: tuple[SliceMetrics, ...]
    verdicts: tuple[Verdict, ...]
    config: EvalConfig

    @property
    def blessed(self) -> bool:
        return all(verdict.passed for verdict in self.verdicts)

    @property
    def overall(self) -> Mapping[str, float]:
        """The metrics over all rows."""
        return self.slices[0].metrics

    @property
    def failures(self) -> list[Verdict]:
        return [verdict for verdict in self.verdicts if not verdict.passed]

    def to_json(self) -> dict[str, Any]:
        return {
            "format": FORMAT_VERSION,
            "blessed": self.blessed,
            "slices": [_without_nan(attrs.asdict(one)) for one in self.slices],
            "verdicts": [_without_nan(attrs.asdict(one)) for one in self.verdicts],
            "config": self.config.to_json(),
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Evaluation:
        return cls(
            tuple(
                SliceMetrics(one["slice"], _with_nan(one["metrics"]), one["baseline"] and _with_nan(one["baseline"]))
                for one in document["slices"]
            ),
            tuple(Verdict(**_with_nan(one)) for one in document["verdicts"]),
            EvalConfig.from_json(document["config"]),
        )


def evaluate(frame: pl.DataFrame, config: EvalConfig, baseline: pl.DataFrame | None = None) -> Evaluation:
    """Measure the label and prediction columns of `frame`, overall and by slice.

    `baseline` holds the same columns with another model's predictions. Raises `DataError` for a missing column or
    a threshold on a metric that is not measured.
    """
    _check_columns(frame, config)
    if baseline is not None:
        _check_columns(baseline, config)
    if not frame.height:
        raise DataError("there are no rows to evaluate on", remedy="Evaluate on a split that has rows.")
    before = {} if baseline is None else {_key(values): rows for values, rows in _sliced(baseline, config)}
    measured = []
    for values, rows in _sliced(frame, config):
        if values and rows.height < config.min_slice_size:
            continue
        other = before.get(_key(values))
        measured.append(
            SliceMetrics(values, _metrics(rows, config), None if other is None else _metrics(other, config))
        )
    for metric in config.thresholds:
        if metric not in measured[0].metrics:
            raise NotFoundError("metric", metric, measured[0].metrics)
    verdicts: list[Verdict] = []
    for one in measured:
        for metric, threshold in config.thresholds.items():
            if threshold.every_slice or not one.slice:
                old = None if one.baseline is None else one.baseline[metric]
                verdicts.extend(judge(metric, one.name, threshold, one.metrics[metric], old))
    return Evaluation(tuple(measured), tuple(verdicts), config)


def _check_columns(frame: pl.DataFrame, config: EvalConfig) -> None:
    for name in (config.label, config.prediction, *(column for columns in config.slices for column in columns)):
        if name not in frame.columns:
            raise DataError(f"there is no column {name!r} to evaluate", remedy=did_you_mean(name, frame.columns))


def _sliced(frame: pl.DataFrame, config: EvalConfig) -> Iterator[tuple[dict[str, Any], pl.DataFrame]]:
    yield {}, frame
    for columns in config.slices:
        parts = frame.partition_by(columns, as_dict=True)
        for values in sorted(parts, key=lambda one: tuple((value is not None, str(value)) for value in one)):
            yield dict(zip(columns, values, strict=True)), parts[values]


def _key(values: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    return tuple(values.items())


def _metrics(rows: pl.DataFrame, config: EvalConfig) -> dict[str, float]:
    labels, predictions = rows[config.label].to_numpy(), rows[config.prediction].to_numpy()
    if config.problem == "binary":
        return binary_metrics(labels, predictions, config.decision_threshold)
    if config.problem == "regression":
        return regression_metrics(labels, predictions)
    return multiclass_metrics(labels, predictions)


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _with_nan(document: Mapping[str, Any]) -> dict[str, Any]:
    numeric = {"value", "bound"}
    return {
        key: math.nan if value is None and (key in numeric or "metric" not in document) else value
        for key, value in document.items()
    }


def save_evaluation(evaluation: Evaluation, path: str | Path) -> Path:
    """Write to `path`, or to `evaluation.json` in it where it is a folder; gives the file."""
    target = _file(Path(path))
    write_file(target, json_bytes(evaluation.to_json()))
    return target


def load_evaluation(path: str | Path) -> Evaluation:
    source = _file(Path(path))
    try:
        return Evaluation.from_json(orjson.loads(source.read_bytes()))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"the evaluation cannot be read: {error}", where=str(source)) from error


def _file(path: Path) -> Path:
    return path / EVALUATION_NAME if path.is_dir() or not path.suffix else path
