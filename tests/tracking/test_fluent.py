"""The fluent verbs: what a task sends, and what is refused at the call."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

import millrace
from millrace.core.attempts import CodeLocation, Launch
from millrace.core.errors import UsageError
from millrace.core.records import Metric
from millrace.core.types import Json
from millrace.interfaces import TaskContext, task_context
from millrace.tracking import log_metric, log_metrics, log_param, log_params, set_tag, set_tags


class RecordingServices:
    """Keeps what a task sends."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, Mapping[str, Json]]] = []

    def call(self, verb: str, arguments: Mapping[str, Json]) -> Json:
        raise AssertionError(f"logging waits for no answer, but called {verb} with {arguments}")

    def send(self, verb: str, arguments: Mapping[str, Json]) -> None:
        self.sent.append((verb, arguments))

    @property
    def batches(self) -> list[Mapping[str, Json]]:
        assert {verb for verb, _ in self.sent} <= {"tracking.log_batch"}
        return [arguments for _, arguments in self.sent]


@pytest.fixture
def services() -> Iterator[RecordingServices]:
    code = CodeLocation(root="", file="flow.py", pipeline="flow", version="1")
    launch = Launch("attempt", 1, "task run", "run", "flow", "train", 1, code, {}, "out")
    made = RecordingServices()
    token = task_context.set(TaskContext(launch, made))
    yield made
    task_context.reset(token)


def test_params_are_kept_as_text(services: RecordingServices) -> None:
    assert log_param("lr", 0.1) == 0.1
    log_params({"layers": [3, 4], "deep": None})
    assert services.batches == [{"params": {"lr": "0.1"}}, {"params": {"layers": "[3, 4]", "deep": "None"}}]


def test_metrics_carry_step_and_time(services: RecordingServices) -> None:
    log_metric("loss", 1, step=7)
    log_metrics({"auc": 0.5, "f1": 0.25})
    first, second = services.batches
    [loss] = first["metrics"]
    assert (loss["key"], loss["value"], loss["step"]) == ("loss", 1.0, 7)
    assert loss["timestamp"] > 1_600_000_000_000  # milliseconds
    assert [(m["key"], m["value"], m["step"]) for m in second["metrics"]] == [("auc", 0.5, 0), ("f1", 0.25, 0)]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_numbers_that_json_lacks_arrive_as_they_are(services: RecordingServices, value: float) -> None:
    log_metric("loss", value)
    sent = services.batches[0]["metrics"][0]["value"]
    assert isinstance(sent, str)
    assert repr(Metric("loss", float(sent), 0, 0).value) == repr(value)


def test_many_are_sent_in_batches_that_every_server_takes(services: RecordingServices) -> None:
    log_params({f"p{n}": n for n in range(250)})
    log_metrics({f"m{n}": n for n in range(1001)})
    set_tags({f"t{n}": n for n in range(101)})
    sizes = [len(next(iter(batch.values()))) for batch in services.batches]
    assert sizes == [100, 100, 50, 1000, 1, 100, 1]


def test_tags(services: RecordingServices) -> None:
    set_tag("stage", "trial")
    assert services.batches == [{"tags": {"stage": "trial"}}]


@pytest.mark.parametrize("key", ["a/b", "mean radius", "loss:eval", "p-1.2_x", "größe"])
def test_keys_of_mlflow_are_taken(services: RecordingServices, key: str) -> None:
    log_metric(key, 1.0)
    assert services.batches[0]["metrics"][0]["key"] == key


@pytest.mark.parametrize("key", ["", "a\nb", "50%", "/a", "a/", "a//b", "a/../b", "..", "../a", ".", "x" * 251, 3])
def test_other_keys_are_refused_and_nothing_is_sent(services: RecordingServices, key: Any) -> None:
    with pytest.raises(UsageError, match="name"):
        log_metrics({"good": 1.0, key: 1.0})
    with pytest.raises(UsageError):
        log_params({"good": 1, key: 1})
    with pytest.raises(UsageError):
        set_tags({"good": 1, key: 1})
    assert services.sent == []


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: log_metric("m", "high"), "metric 'm' is a str, not a number"),  # type: ignore[arg-type] # on purpose
        (lambda: log_metric("m", None), "metric 'm' is a NoneType, not a number"),  # type: ignore[arg-type] # as above
        (lambda: log_metric("m", 1, step=1.5), "the step of metric 'm' is a whole number"),  # type: ignore[arg-type] # as above
        (lambda: log_metric("m", 1, step=2**63), "the step of metric 'm' has more than 64 bits"),
        (lambda: log_param("p", "x" * 6001), "param 'p' has 6001 characters, at most 6000 are kept"),
        (lambda: set_tag("t", "x" * 8001), "tag 't' has 8001 characters, at most 8000 are kept"),
    ],
)
def test_other_values_are_refused(services: RecordingServices, call: Any, said: str) -> None:
    with pytest.raises(UsageError) as refused:
        call()
    assert refused.value.message.startswith(said)
    assert services.sent == []


@pytest.mark.parametrize(
    "call", [lambda: log_param("p", 1), lambda: log_metrics({"m": 1.0}), lambda: set_tag("t", "x")]
)
def test_outside_a_task_the_remedy_is_said(call: Any) -> None:
    with pytest.raises(UsageError, match="outside a task") as refused:
        call()
    assert "@task" in str(refused.value.remedy)


def test_the_front_gives_every_verb() -> None:
    for name in ("log_metric", "log_metrics", "log_param", "log_params", "set_tag", "set_tags"):
        assert getattr(millrace, name) is getattr(millrace.tracking, name)
        assert name in millrace.__all__
