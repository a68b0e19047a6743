"""Drives one executor through launches and collects what it reports, for tests."""

from __future__ import annotations

import itertools
import queue
from collections.abc import Mapping, Sequence
from pathlib import Path

import attrs

from millrace.core.attempts import AttemptReport, CodeLocation, Launch, ResolvedInput
from millrace.core.errors import NotFoundError
from millrace.core.types import Json
from millrace.interfaces import ArtifactStore, Executor, LogStore, TaskServices

PATIENCE = 60.0
"""Seconds after which a test that waits for a report gives up: a hang, not a measure of speed."""


class RecordingServices:
    """``TaskServices`` that keep what was asked. ``echo`` answers its value; ``missing`` is not found."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Mapping[str, Json]]] = []

    def call(self, verb: str, arguments: Mapping[str, Json]) -> Json:
        if verb == "missing":
            raise NotFoundError("thing", "missing", ["mission"])
        self.asked.append((verb, arguments))
        return arguments.get("value")

    def send(self, verb: str, arguments: Mapping[str, Json]) -> None:
        self.call(verb, arguments)


@attrs.frozen
class Outcome:
    """What came of one launch."""

    launch: Launch
    reports: tuple[AttemptReport, ...]
    end: AttemptReport
    asked: tuple[tuple[str, Mapping[str, Json]], ...]
    """Of the services, by the time the end was reported."""

    @property
    def values(self) -> dict[str, Json]:
        return {o.name: o.value for o in self.end.outputs if o.kind == "value"}


class ExecutorBench:
    """One executor with its stores. Reports may come from any thread; each launch is to end exactly once."""

    def __init__(self, artifacts: ArtifactStore, logs: LogStore) -> None:
        self.artifacts = artifacts
        self.logs = logs
        self.services: dict[str, RecordingServices] = {}
        self.batches: list[list[AttemptReport]] = []
        self._reports: dict[str, list[AttemptReport]] = {}
        self._asked: dict[str, tuple[tuple[str, Mapping[str, Json]], ...]] = {}
        self._ends: queue.SimpleQueue[AttemptReport] = queue.SimpleQueue()
        self._numbers = itertools.count(1)

    def attach(self, executor: Executor) -> None:
        self.executor = executor
        executor.start(self.report)

    def services_for(self, launch: Launch) -> TaskServices:
        return self.services.setdefault(launch.attempt_id, RecordingServices())

    def report(self, reports: Sequence[AttemptReport]) -> None:
        self.batches.append(list(reports))
        for report in reports:
            known = self._reports.setdefault(report.attempt_id, [])
            assert all(r.event == "started" for r in known), f"{report} follows an end"
            known.append(report)
            if report.event != "started":
                services = self.services.get(report.attempt_id)
                self._asked[report.attempt_id] = () if services is None else tuple(services.asked)
                self._ends.put(report)

    def launch(
        self,
        task_id: str,
        values: Mapping[str, Json] | None = None,
        *,
        inputs: Mapping[str, ResolvedInput] | None = None,
        timeout: float | None = None,
        version: str = "v1",
    ) -> Launch:
        """A launch of a sample task; ``timeout`` in seconds."""
        number = next(self._numbers)
        given = {name: ResolvedInput("value", value) for name, value in (values or {}).items()}
        return Launch(
            attempt_id=f"attempt-{number}",
            token=number,
            task_run_id=f"task-run-{number}",
            run_id="run-1",
            pipeline="samples",
            task_id=task_id,
            number=1,
            code=CodeLocation(str(Path(__file__).parent), "sample_tasks.py", "samples", version),
            inputs={**given, **(inputs or {})},
            output_uri=f"{self.artifacts.root}/samples/run-1/{task_id}/{number}",
            execution_timeout=None if timeout is None else int(timeout * 1_000_000),
        )

    def submit(self, *launches: Launch) -> None:
        self.executor.submit(launches)

    def run(self, task_id: str, values: Mapping[str, Json] | None = None, **more: Json) -> Outcome:
        """One task to its end."""
        launch = self.launch(task_id, values, **more)
        self.submit(launch)
        return self.outcomes(launch)[0]

    def outcomes(self, *launches: Launch) -> list[Outcome]:
        """Wait until all have ended."""
        return [self._outcome(launch) for launch in launches]

    def log(self, launch: Launch) -> list[str]:
        """The lines of its log, without their stamps."""
        text, _ = self.logs.read(launch.attempt_id)
        return [line.split("Z ", 1)[1] for line in text.splitlines()]

    def _outcome(self, launch: Launch) -> Outcome:
        while True:
            end = next((r for r in self._reports.get(launch.attempt_id, ()) if r.event != "started"), None)
            if end is not None:
                break
            if not self.executor.pump():
                self._ends.get(timeout=PATIENCE)
        reports = tuple(self._reports[launch.attempt_id])
        return Outcome(launch, reports, end, self._asked[launch.attempt_id])
