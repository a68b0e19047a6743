"""Outputs and tracebacks of one attempt, beyond what the conformance suite of executors holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from millrace.core.attempts import AttemptReport, CodeLocation, FailureKind, Launch
from millrace.core.errors import DataError, StorageError
from millrace.core.types import Artifact, Dataset, Json, Metrics, Model
from millrace.interfaces import LoadedTask, task_context
from millrace.storage.artifacts import LocalArtifactStore
from millrace.storage.clock import SystemClock
from millrace.testing.executor_bench import RecordingServices
from millrace.testing.sample_tasks import SAMPLES
from millrace.worker.attempt import run_attempt


class OneTask:
    """A loader that gives one task, or raises."""

    def __init__(self, task: LoadedTask | Exception) -> None:
        self._task = task

    def load(self, launch: Launch) -> LoadedTask:
        if isinstance(self._task, Exception):
            raise self._task
        return self._task

    def function(self, code: str) -> Callable[..., Json]:
        raise AssertionError(code)


class OneOnly(LocalArtifactStore):
    """A store on a disk that is full after one artifact."""

    def publish(self, local: Path, uri: str) -> tuple[str, int]:
        if uri.endswith("/b"):
            raise StorageError("the disk is full")
        return super().publish(local, uri)


class Attempts:
    def __init__(self, root: Path) -> None:
        self.artifacts = LocalArtifactStore(root)
        self.services = RecordingServices()
        self._number = 0

    def run(self, task: LoadedTask | Exception) -> AttemptReport:
        self._number += 1
        launch = Launch(
            attempt_id=f"a{self._number}",
            token=1,
            task_run_id="t",
            run_id="r",
            pipeline="p",
            task_id="task",
            number=1,
            code=CodeLocation(str(Path(__file__).parent), "x.py", "p", "v"),
            inputs={},
            output_uri=f"{self.artifacts.root}/p/r/task/{self._number}",
        )
        report = run_attempt(
            launch, loader=OneTask(task), artifacts=self.artifacts, services=self.services, clock=SystemClock()
        )
        assert task_context.get() is None
        assert list(Path(self.artifacts.root).glob(".staging/*/*")) == []
        return report

    def returning(self, value: object, returns: Mapping[str, type | None]) -> AttemptReport:
        return self.run(LoadedTask(lambda: value, {}, {}, returns))


@pytest.fixture
def attempts(tmp_path: Path) -> Attempts:
    return Attempts(tmp_path / "artifacts")


@pytest.mark.parametrize(
    "frame",
    [
        pl.DataFrame({"a": [1, 2], "b": ["x", None]}),
        pl.LazyFrame({"a": [1, 2], "b": ["x", None]}),
        pd.DataFrame({"a": [1, 2], "b": ["x", None]}),
        pa.table({"a": [1, 2], "b": ["x", None]}),
    ],
    ids=["polars", "lazy", "pandas", "pyarrow"],
)
def test_a_returned_table_is_written_as_parquet(attempts: Attempts, frame: object) -> None:
    (output,) = attempts.returning(frame, {"return_value": Dataset}).outputs
    assert output.metadata == {"format": "parquet", "rows": 2, "columns": 2}
    read = pl.read_parquet(attempts.artifacts.fetch(output.uri))
    assert read.to_dict(as_series=False) == {"a": [1, 2], "b": ["x", None]}


def test_a_returned_artifact_is_copied_in(attempts: Attempts, tmp_path: Path) -> None:
    class Special(Model):
        pass

    mine = tmp_path / "model"
    mine.mkdir()
    (mine / "MLmodel").write_text("flavors: {}")
    (output,) = attempts.returning(Special(mine, metadata={"k": 1}), {"return_value": Model}).outputs
    assert (output.type, output.metadata) == ("Special", {"k": 1})
    assert (attempts.artifacts.fetch(output.uri) / "MLmodel").read_text() == "flavors: {}"
    assert (mine / "MLmodel").exists()


def test_fields_of_a_named_tuple(attempts: Attempts, tmp_path: Path) -> None:
    task = SAMPLES["split"]
    report = attempts.run(LoadedTask(lambda: task.call(str(tmp_path)), {}, {}, task.returns))
    assert {o.name: o.value for o in report.outputs if o.kind == "value"} == {"train": 3, "test": 1}
    (table,) = (o for o in report.outputs if o.kind == "artifact")
    assert table.metadata == {"parts": 1}


def test_returned_metrics_are_logged(attempts: Attempts) -> None:
    report = attempts.returning(Metrics(metadata={"f1": 0.5, "ok": True}), {"return_value": Metrics})
    assert report.outputs[0].metadata == {"f1": 0.5, "ok": True}
    assert attempts.services.asked == [("tracking.log_batch", {"metrics": [{"key": "f1", "value": 0.5}]})]


def test_a_return_value_that_was_not_declared_is_left(attempts: Attempts) -> None:
    report = attempts.returning(object(), {})
    assert (report.event, report.outputs) == ("succeeded", ())


@pytest.mark.parametrize(
    ("value", "returns", "words"),
    [
        (7, {"return_value": Dataset}, ["is a int, not a Dataset", "Polars, pandas or PyArrow table"]),
        (7, {"return_value": Model}, ["is a int, not a Model"]),
        (Model("/x"), {"return_value": Dataset}, ["is a Model, not a Dataset"]),
        (Artifact("/nowhere/x"), {"return_value": Artifact}, ["/nowhere/x", "there is nothing"]),
        (Artifact(), {"return_value": Artifact}, ["has no local path"]),
        ({"a": 1}, {"a": None, "b": None}, ["lacks b"]),
        ({"a": 1, "b": 2, "c": 3}, {"a": None, "b": None}, ["undeclared c"]),
        (1, {"a": None, "b": None}, ["returned a int, not fields a, b"]),
        (Metrics(metadata={"x": {1}}), {"return_value": Metrics}, ["metadata", "['x'] is of type set"]),
    ],
)
def test_outputs_that_do_not_fit(
    attempts: Attempts, value: object, returns: Mapping[str, type | None], words: list[str]
) -> None:
    report = attempts.returning(value, returns)
    assert (report.event, report.kind) == ("failed", FailureKind.RAISED)
    for word in words:
        assert word in report.reason


def test_what_a_failed_attempt_had_published_is_deleted(attempts: Attempts) -> None:
    attempts.artifacts = OneOnly(Path(attempts.artifacts.root))
    report = attempts.returning({"a": Metrics(), "b": Metrics()}, {"a": Metrics, "b": Metrics})
    assert (report.event, report.reason.partition(" (")[0]) == ("failed", "the disk is full")
    assert not attempts.artifacts.exists(f"{attempts.artifacts.root}/p/r/task/1/a")


def test_code_that_cannot_be_fetched_did_not_start(attempts: Attempts) -> None:
    report = attempts.run(StorageError("the snapshot is gone"))
    assert report.kind is FailureKind.NOT_STARTED
    assert report.started_at is None


def test_an_error_of_the_package_keeps_its_own_words(attempts: Attempts) -> None:
    def call() -> None:
        raise DataError("line 7 is ragged", where="train.csv", remedy="Mend it.")

    report = attempts.run(LoadedTask(call, {}, {}, {}))
    line = call.__code__.co_firstlineno + 1
    assert report.reason == f"train.csv: line 7 is ragged Mend it. (test_run_attempt.py:{line})"


def test_a_traceback_keeps_chains_and_leaves_our_frames_out(attempts: Attempts) -> None:
    def inner() -> None:
        raise KeyError("x")

    def call() -> None:
        try:
            inner()
        except KeyError as error:
            raise ExceptionGroup("several", [ValueError("one"), OSError("two")]) from error

    detail = attempts.run(LoadedTask(call, {}, {}, {})).detail
    for part in ("in inner", "direct cause", "ValueError: one", "OSError: two", "in call"):
        assert part in detail
    assert "millrace/worker" not in detail


def test_an_exception_whose_text_fails_is_reported(attempts: Attempts) -> None:
    class Odd(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no text")

    def call() -> None:
        raise Odd

    report = attempts.run(LoadedTask(call, {}, {}, {}))
    assert report.kind is FailureKind.RAISED
    assert report.reason.startswith("Odd")


def test_the_reason_names_the_authors_line_not_the_librarys(attempts: Attempts) -> None:
    def call() -> str:
        return Path("/nowhere/rows.csv").read_text()

    report = attempts.run(LoadedTask(call, {}, {}, {}))
    line = call.__code__.co_firstlineno + 1
    assert report.reason.endswith(f"(test_run_attempt.py:{line})")


def test_a_syntax_error_names_its_own_line(attempts: Attempts) -> None:
    def call() -> Any:
        return compile("x = (\n", "/project/tasks.py", "exec")

    report = attempts.run(LoadedTask(call, {}, {}, {}))
    assert report.reason.startswith("SyntaxError: ")
    assert report.reason.endswith("(/project/tasks.py:1)")


def test_a_keyboard_interrupt_is_a_cancellation(attempts: Attempts) -> None:
    def call() -> None:
        raise KeyboardInterrupt

    assert attempts.run(LoadedTask(call, {}, {}, {})).kind is FailureKind.CANCELLED
