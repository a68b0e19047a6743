"""Small, valid records for the stores' conformance suites."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from millrace.core.attempts import CodeLocation
from millrace.core.graph import Graph, TaskSpec
from millrace.core.records import (
    ArtifactRecord,
    Attempt,
    OutputValue,
    PipelineRun,
    PipelineVersion,
    RunEvent,
    Step,
    TaskRun,
)
from millrace.core.states import AttemptState, RunState, RunTrigger, TaskState
from millrace.core.types import Json
from millrace.interfaces import ExecutionStore, Ids

NOW = 1_700_000_000_000_000
"""Epoch microseconds."""
TTL = 30_000_000


def sample_version(name: str = "main", *, version: str = "", tasks: tuple[str, ...] = ("a", "b")) -> PipelineVersion:
    graph = Graph(name=name, tasks=tuple(TaskSpec(t, t, f"pipelines.{name}:{t}") for t in tasks), tags=("sample",))
    code = CodeLocation("/project", f"{name}.py", name, version or graph.digest, snapshot="file:///snapshot.json")
    return PipelineVersion(
        version=version or graph.digest,
        graph=graph,
        code=code,
        code_fingerprints={t: {f"pipelines.{name}:{t}": "f" * 8} for t in tasks},
        environment={"polars": "1.20"},
        created_at=NOW,
    )


class Samples:
    """Makes records with ids of its own, and drives runs through a store as a scheduler would."""

    def __init__(self, store: ExecutionStore, ids: Ids, owner: str = "scheduler-1") -> None:
        self.store = store
        self.ids = ids
        self.owner = owner

    def run(self, pipeline: str = "main", *, queued_at: int = NOW, logical_date: int | None = None) -> PipelineRun:
        """Queued; scheduled if it has a logical date. Not in the store."""
        return PipelineRun(
            run_id=self.ids.new(),
            pipeline=pipeline,
            version="v1",
            trigger=RunTrigger.MANUAL if logical_date is None else RunTrigger.SCHEDULE,
            params={"rate": 0.5, "names": ["a", None]},
            state=RunState.QUEUED,
            queued_at=queued_at,
            logical_date=logical_date,
            data_interval_start=logical_date,
            data_interval_end=None if logical_date is None else logical_date + 60,
        )

    def queued(self, pipeline: str = "main", *, queued_at: int = NOW) -> PipelineRun:
        return self.store.create_run(self.run(pipeline, queued_at=queued_at))

    def leased(self, pipeline: str = "main", *, now: int = NOW) -> PipelineRun:
        """A new run, leased to the owner."""
        run = self.queued(pipeline)
        leased = self.store.lease(self.owner, now=now, ttl=TTL, limit=1000, admit=lambda _name, _active: 1000)
        return next(r for r in leased if r.run_id == run.run_id)

    def task_run(self, run: PipelineRun, task_id: str = "a", state: TaskState = TaskState.NONE) -> TaskRun:
        return TaskRun(self.ids.new(), run.run_id, task_id, state)

    def attempt(self, task_run: TaskRun, *, number: int = 1) -> Attempt:
        return Attempt(
            self.ids.new(),
            task_run.task_run_id,
            task_run.run_id,
            task_run.task_id,
            number,
            number,
            AttemptState.LAUNCHED,
            "local",
            NOW + number,
        )

    def artifact(
        self,
        attempt: Attempt,
        *,
        output: str = "out",
        type: str = "Dataset",
        digest: str = "sha256:00",
        metadata: Mapping[str, Json] | None = None,
        state: str = "live",
    ) -> ArtifactRecord:
        return ArtifactRecord(
            artifact_id=self.ids.new(),
            type=type,
            uri=f"/artifacts/{attempt.attempt_id}/{output}",
            digest=digest,
            size=7,
            metadata=metadata or {},
            producer=attempt.attempt_id,
            output=output,
            run_id=attempt.run_id,
            task_id=attempt.task_id,
            state=state,
            created_at=NOW,
            pipeline="main",
        )

    def finished(
        self,
        state: RunState,
        tasks: Mapping[str, Mapping[str, Json] | None],
        *,
        pipeline: str = "main",
    ) -> PipelineRun:
        """A run that has ended, one attempt a task. A task's value: the metadata of the artifact that it wrote to
        output ``out`` (with a ``digest`` and a ``state`` taken from it), or None for a task that failed."""
        run = self.leased(pipeline)
        task_runs, attempts, artifacts = [], [], []
        for task_id, metadata in tasks.items():
            ended = TaskState.FAILED if metadata is None else TaskState.SUCCESS
            task_run = self.task_run(run, task_id, ended)
            attempt = attrs.evolve(self.attempt(task_run), state=AttemptState.SUCCEEDED)
            task_runs.append(task_run)
            attempts.append(attempt)
            if metadata is not None:
                rest = {k: v for k, v in metadata.items() if k not in {"digest", "state"}}
                artifacts.append(
                    self.artifact(
                        attempt,
                        digest=metadata.get("digest", "sha256:00"),
                        state=metadata.get("state", "live"),
                        metadata=rest,
                    )
                )
        ended_run = attrs.evolve(run, state=state, started_at=NOW, ended_at=NOW + 1)
        self.store.commit(
            [
                attrs.evolve(
                    self.step(run),
                    run=ended_run,
                    new_task_runs=tuple(task_runs),
                    new_attempts=tuple(attempts),
                    artifacts=tuple(artifacts),
                )
            ]
        )
        return ended_run

    def step(self, run: PipelineRun) -> Step:
        """An empty step under the run's lease."""
        return Step(run.run_id, run.lease_owner or self.owner, run.lease_epoch)

    def event(self, run: PipelineRun, seq: int, kind: str = "RunStarted") -> RunEvent:
        return RunEvent(run.run_id, seq, NOW + seq, kind, "", {"seq": seq})

    def value(self, task_run: TaskRun, value: Json, name: str = "return_value") -> OutputValue:
        return OutputValue(task_run.task_run_id, name, value)
