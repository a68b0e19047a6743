"""Logging from a task, in the words of MLflow's fluent API.

    @task
    def train(rows: Dataset, lr: float) -> float:
        log_param("lr", lr)
        for epoch in range(10):
            log_metric("loss", step(rows, lr), step=epoch)

Invariant: everything goes to the tracking run of the task that runs here, which is made when it first logs, in the
experiment named after its pipeline. There is no other active run, so two tasks never log into one another's.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Iterator, Mapping
from typing import TypeVar

from millrace.core.errors import UsageError
from millrace.core.types import Json
from millrace.interfaces import TaskServices, task_context
from millrace.tracking.entities import (
    METRICS_PER_BATCH,
    PARAMS_PER_BATCH,
    TAGS_PER_BATCH,
    checked_key,
    metric_number,
    metric_step,
    param_text,
    tag_text,
)

V = TypeVar("V")


def log_param(key: str, value: V) -> V:
    """Log one parameter, kept as text; a param of a run never changes. Gives ``value`` back."""
    _log_params("log_param", {key: value})
    return value


def log_params(params: Mapping[str, object]) -> None:
    _log_params("log_params", params)


def log_metric(key: str, value: float, step: int | None = None) -> None:
    """Log one value of a metric; its history is kept by ``step``, 0 unless given."""
    _log_metrics("log_metric", {key: value}, step)


def log_metrics(metrics: Mapping[str, float], step: int | None = None) -> None:
    _log_metrics("log_metrics", metrics, step)


def set_tag(key: str, value: object) -> None:
    """Set one tag of the run, kept as text; a later value replaces it."""
    _set_tags("set_tag", {key: value})


def set_tags(tags: Mapping[str, object]) -> None:
    _set_tags("set_tags", tags)


def in_task() -> bool:
    """Whether a task runs here, so that there is a run to log to."""
    return task_context.get() is not None


def _log_params(verb: str, params: Mapping[str, object]) -> None:
    services = _services(verb)
    checked = {checked_key("param", key): param_text(key, value) for key, value in params.items()}
    for batch in _batches(checked, PARAMS_PER_BATCH):
        services.send("tracking.log_batch", {"params": batch})


def _log_metrics(verb: str, metrics: Mapping[str, float], step: int | None) -> None:
    services = _services(verb)
    now = time.time_ns() // 1_000_000
    checked: dict[str, Json] = {
        checked_key("metric", key): {
            "key": key,
            "value": _json_number(metric_number(key, value)),
            "timestamp": now,
            "step": metric_step(key, step),
        }
        for key, value in metrics.items()
    }
    for batch in _batches(checked, METRICS_PER_BATCH):
        services.send("tracking.log_batch", {"metrics": list(batch.values())})


def _set_tags(verb: str, tags: Mapping[str, object]) -> None:
    services = _services(verb)
    checked = {checked_key("tag", key): tag_text(key, value) for key, value in tags.items()}
    for batch in _batches(checked, TAGS_PER_BATCH):
        services.send("tracking.log_batch", {"tags": batch})


def _services(verb: str) -> TaskServices:
    context = task_context.get()
    if context is None:
        raise UsageError(
            f"{verb} was called outside a task, so there is no run to log to",
            remedy="Call it in a @task function while a pipeline runs: `millrace run FILE`, or pipeline.run().",
        )
    return context.services


def _batches(items: Mapping[str, V], size: int) -> Iterator[dict[str, V]]:
    rest = iter(items.items())
    while batch := dict(itertools.islice(rest, size)):
        yield batch


def _json_number(value: float) -> Json:
    """As the tracking API spells numbers that JSON lacks: "NaN", "Infinity", "-Infinity"."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return value
