"""A pipeline run under a scheduler's lease: its progress in memory, and the step that is being gathered for the
store."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping

import attrs

from millrace.core.attempts import AttemptReport, ResolvedInput
from millrace.core.events import Event, Instruction, event_payload
from millrace.core.fingerprint import CacheKey
from millrace.core.machine import handle
from millrace.core.progress import RunProgress
from millrace.core.records import (
    ArtifactRecord,
    ArtifactUse,
    Attempt,
    CacheEntry,
    OutputValue,
    PipelineRun,
    PipelineVersion,
    RunEvent,
    Step,
    TaskOutputs,
    TaskRun,
)
from millrace.core.states import TaskState


@attrs.frozen
class Prepared:
    """A ready task whose inputs are resolved; it waits for a slot."""

    inputs: Mapping[str, ResolvedInput]
    key: CacheKey | None


class ActiveRun:
    """One leased run. ``gather`` gives everything that changed since the last step, for one commit."""

    def __init__(self, record: PipelineRun, version: PipelineVersion, progress: RunProgress, seq: int) -> None:
        self.record = record
        self.version = version
        self.graph = version.graph
        self.progress = progress
        self.seq = seq
        self.task_run_ids: list[str] = []
        self.outputs: dict[str, TaskOutputs] = {}
        """By task id, of the tasks that ended in success."""
        self.ready: deque[int] = deque()
        self.prepared: dict[int, Prepared] = {}
        self.attempts: dict[tuple[int, int], Attempt] = {}
        """By place and token: those that may be alive."""
        self.timeout_at: int | None = None
        self._new_task_runs: list[TaskRun] = []
        self._new_attempts: dict[str, Attempt] = {}
        self._attempts: dict[str, Attempt] = {}
        self._uses: list[ArtifactUse] = []
        self._artifacts: list[ArtifactRecord] = []
        self._values: list[OutputValue] = []
        self._entries: list[CacheEntry] = []
        self._hits: list[str] = []
        self._events: list[RunEvent] = []
        self._stored: PipelineRun | None = None
        """The record as last committed here; None before the first step, which always writes it."""

    @property
    def run_id(self) -> str:
        return self.record.run_id

    def renewed(self, record: PipelineRun) -> None:
        """Go on under a new lease of this scheduler."""
        unchanged = self._stored is self.record
        self.record = attrs.evolve(
            self.record,
            lease_owner=record.lease_owner,
            lease_epoch=record.lease_epoch,
            lease_expires_at=record.lease_expires_at,
        )
        if unchanged:
            self._stored = self.record

    def create_task_runs(self, ids: Iterable[str]) -> None:
        """The first step of a run inserts its task runs."""
        self.task_run_ids = list(ids)
        self._new_task_runs = [
            TaskRun(task_run_id, self.run_id, task.task_id, TaskState.NONE)
            for task_run_id, task in zip(self.task_run_ids, self.graph.tasks, strict=True)
        ]

    def apply(self, event: Event) -> list[Instruction]:
        """Log the event and move the run by it."""
        place: int | None = getattr(event, "task", None)
        self.seq += 1
        task_id = "" if place is None else self.graph.tasks[place].task_id
        self._events.append(
            RunEvent(self.run_id, self.seq, event.at, type(event).__name__, task_id, event_payload(event))
        )
        return handle(self.progress, event)

    def launched(self, attempt: Attempt, place: int, uses: Iterable[ArtifactUse]) -> None:
        self.attempts[place, attempt.token] = attempt
        self._new_attempts[attempt.attempt_id] = attempt
        self._uses.extend(uses)

    def moved(self, attempt: Attempt, place: int) -> None:
        """An attempt started or ended."""
        if attempt.state.ended:
            self.attempts.pop((place, attempt.token), None)
        else:
            self.attempts[place, attempt.token] = attempt
        if attempt.attempt_id in self._new_attempts:
            self._new_attempts[attempt.attempt_id] = attempt
        else:
            self._attempts[attempt.attempt_id] = attempt

    def succeeded(self, place: int, report: AttemptReport, artifact_ids: Iterable[str]) -> None:
        """Take the outputs of an attempt whose report counted."""
        task_id = self.graph.tasks[place].task_id
        values: dict[str, object] = {}
        artifacts: dict[str, ArtifactRecord] = {}
        for output, artifact_id in zip(report.outputs, artifact_ids, strict=True):
            if output.kind == "value":
                values[output.name] = output.value
                self._values.append(OutputValue(self.task_run_ids[place], output.name, output.value))
                continue
            record = ArtifactRecord(
                artifact_id=artifact_id,
                type=output.type,
                uri=output.uri,
                digest=output.digest,
                size=output.size,
                metadata=output.metadata,
                producer=report.attempt_id,
                output=output.name,
                run_id=self.run_id,
                task_id=task_id,
                state="live",
                created_at=report.at,
                pipeline=self.record.pipeline,
            )
            artifacts[output.name] = record
            self._artifacts.append(record)
        self.outputs[task_id] = TaskOutputs(values, artifacts)

    def remember(self, entry: CacheEntry) -> None:
        self._entries.append(entry)

    def hit(self, place: int, entry: CacheEntry, outputs: TaskOutputs) -> None:
        self.outputs[self.graph.tasks[place].task_id] = outputs
        self._hits.append(entry.key)

    def gather(self) -> Step | None:
        """Everything since the last call as one step; None if nothing changed."""
        changed = self.progress.take_changed()
        new_places = {}
        task_runs = tuple(self.task_run(place) for place in changed)
        if self._new_task_runs:
            # Rows that are inserted in this very step carry their present state at once.
            new_places = {t.task_run_id: t for t in task_runs}
            task_runs = ()
        run = self.record if self.record is not self._stored else None
        if not (changed or self._events or self._new_task_runs or self._attempts or run):
            return None
        step = Step(
            run_id=self.run_id,
            lease_owner=self.record.lease_owner or "",
            lease_epoch=self.record.lease_epoch,
            run=run,
            new_task_runs=tuple(new_places.get(t.task_run_id, t) for t in self._new_task_runs),
            task_runs=task_runs,
            new_attempts=tuple(self._new_attempts.values()),
            attempts=tuple(self._attempts.values()),
            uses=tuple(self._uses),
            artifacts=tuple(self._artifacts),
            values=tuple(self._values),
            cache_entries=tuple(self._entries),
            cache_hits=tuple(self._hits),
            events=tuple(self._events),
        )
        self._forget()
        return step

    def task_run(self, place: int) -> TaskRun:
        """The task run as it is now."""
        return self.progress.task_run(place, run_id=self.run_id, task_run_id=self.task_run_ids[place])

    def _forget(self) -> None:
        self._stored = self.record
        self._new_task_runs = []
        self._new_attempts = {}
        self._attempts = {}
        self._uses = []
        self._artifacts = []
        self._values = []
        self._entries = []
        self._hits = []
        self._events = []
