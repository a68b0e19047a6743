"""A scheduler over a real SQLite store, an executor whose attempts end when the test says so, and a fake clock."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import attrs
import pytest

from millrace.core.attempts import CodeLocation
from millrace.core.graph import Graph
from millrace.core.records import PipelineRun, PipelineVersion, Step, TaskRun
from millrace.core.states import RunState, RunTrigger
from millrace.core.types import Json
from millrace.interfaces import Notifier
from millrace.scheduler.scheduler import Scheduler, SchedulerParts
from millrace.storage.notifier import notifier_for
from millrace.storage.sql.database import Database
from millrace.storage.sql.execution import SqlExecutionStore
from millrace.storage.sql.pipelines import SqlPipelineStore
from millrace.testing.fakes import FakeClock, SequentialIds
from millrace.testing.manual_executor import ManualExecutor

LEASE = 5_000_000


@attrs.define
class Bench:
    """The parts, and shortcuts over them."""

    database: Database
    pipelines: SqlPipelineStore
    execution: SqlExecutionStore
    notifier: Notifier
    clock: FakeClock
    ids: SequentialIds
    schedulers: list[Scheduler] = attrs.field(factory=list)

    def register(self, graph: Graph, *, next_due_at: int | None = None) -> PipelineVersion:
        version = PipelineVersion(
            version=graph.digest,
            graph=graph,
            code=CodeLocation("/project", "file.py", graph.name, graph.digest),
            code_fingerprints={t.task_id: {"m:f": "1"} for t in graph.tasks},
            environment={},
            created_at=self.clock.now(),
        )
        self.pipelines.register(version, source="file.py", next_due_at=next_due_at, now=self.clock.now())
        return version

    def trigger(self, graph: Graph, **params: Json) -> str:
        run = PipelineRun(
            run_id=self.ids.new(),
            pipeline=graph.name,
            version=graph.digest,
            trigger=RunTrigger.MANUAL,
            params=params,
            state=RunState.QUEUED,
            queued_at=self.clock.now(),
        )
        self.execution.create_run(run)
        for scheduler in self.schedulers:
            scheduler.wake()
        return run.run_id

    def scheduler(
        self,
        owner: str = "one",
        executor: ManualExecutor | None = None,
        observe: Callable[[Step], None] | None = None,
    ) -> tuple[Scheduler, ManualExecutor]:
        executor = executor or ManualExecutor(self.clock)
        scheduler = Scheduler(
            SchedulerParts(
                pipelines=self.pipelines,
                execution=self.execution,
                executor=executor,
                notifier=self.notifier,
                clock=self.clock,
                ids=self.ids,
                artifact_root="/artifacts",
                source_digest=lambda path: f"digest of {path}",
                owner=owner,
                lease=LEASE,
                observe=observe,
            )
        )
        executor.start(scheduler._report)
        self.schedulers.append(scheduler)
        return scheduler, executor

    def states(self, run_id: str) -> dict[str, str]:
        return {t.task_id: t.state.value for t in self.execution.task_runs(run_id)}

    def task_run(self, run_id: str, task_id: str) -> TaskRun:
        return next(t for t in self.execution.task_runs(run_id) if t.task_id == task_id)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    database = Database.open(f"sqlite:///{tmp_path}/millrace.db")
    notifier = notifier_for(database, tmp_path)
    yield Bench(
        database, SqlPipelineStore(database), SqlExecutionStore(database), notifier, FakeClock(), SequentialIds()
    )
    notifier.close()
    database.close()
