"""The composition root of the command line: settings in, a platform out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import attrs

from millrace.authoring.loading import load_file
from millrace.authoring.pipelines import Pipeline
from millrace.authoring.snapshot_loader import SnapshotCodeLoader
from millrace.core.parameters import bind_parameters, parse_parameters
from millrace.core.records import Step
from millrace.core.states import TaskState
from millrace.core.types import Json
from millrace.interfaces import Operations
from millrace.operations.documents import run_document
from millrace.operations.plan import Plan, Planner
from millrace.operations.registration import Registrar
from millrace.operations.replay import Debugger, Replayer, ReplayResult
from millrace.operations.sweep import Sweeper
from millrace.storage.artifacts import LocalArtifactStore
from millrace.wiring.descriptions import description_of
from millrace.wiring.in_process import run_in
from millrace.wiring.settings import Settings
from millrace.wiring.snapshots import snapshot_reader
from millrace.wiring.stores import Stores, open_stores


class Progress(Protocol):
    """Who is told how a run goes."""

    def on_run(self, document: Json) -> None: ...

    def on_task(self, task_id: str, state: str, at: int, note: str) -> None: ...


@attrs.frozen
class Platform:
    """The stores of a home, and everything the commands do with them."""

    settings: Settings
    stores: Stores
    operations: Operations

    def run_file(
        self,
        file: Path,
        pipeline: str | None,
        params: Mapping[str, str],
        progress: Progress | None = None,
    ) -> Json:
        """Run a pipeline of ``file`` in this process; the run's document with its tasks. ``params`` are texts."""
        found = self._find(file, pipeline)
        values = parse_parameters(found.graph, params)
        bind_parameters(found.graph, values)
        observe = None if progress is None else _Observer(found, progress).observe
        result = run_in(self.stores, found, values, observe=observe)
        document = self.operations.run(result.run_id)
        if progress is not None:
            progress.on_run(document)
        return document

    def plan(self, file: Path, pipeline: str | None, params: Mapping[str, str]) -> Plan:
        """What a run would take from the cache. Writes nothing."""
        found = self._find(file, pipeline)
        stores = self.stores
        registrar = Registrar(stores.pipelines, stores.execution, stores.artifacts, stores.notifier, stores.clock)
        version = registrar.version_of(description_of(found), publish=False)
        bound = bind_parameters(found.graph, parse_parameters(found.graph, params))
        return Planner(stores.execution, stores.clock, stores.ids, stores.source_digests.digest).plan(version, bound)

    def sweep(self, *, remove: bool) -> list[str]:
        """Folders of the artifact store that attempts left behind; with ``remove`` they are deleted."""
        stores = self.stores
        sweeper = Sweeper(stores.execution, stores.index, stores.registry, stores.artifacts, stores.clock)
        return sweeper.sweep(remove=remove)

    def _find(self, file: Path, name: str | None) -> Pipeline:
        """The pipeline of ``file`` by name; without a name its only one. A file in the pipelines folder is loaded from
        that folder, as the server does, so that both see one version."""
        file = file.absolute()
        root = self.settings.pipelines if file.is_relative_to(self.settings.pipelines) else None
        return load_file(file, root=root).pipeline(name)

    def replay(self, run_id: str, task_id: str, *, pdb: bool = False) -> ReplayResult:
        """One task of a past run again, here. ``pdb``: stop in the debugger where user code raises."""
        stores = self.stores
        replayer = Replayer(
            pipelines=stores.pipelines,
            execution=stores.execution,
            index=stores.index,
            artifacts=stores.artifacts,
            scratch=LocalArtifactStore,
            loader=SnapshotCodeLoader(snapshot_reader(stores.artifacts)),
            clock=stores.clock,
            ids=stores.ids,
        )
        return replayer.replay(run_id, task_id, _debugger() if pdb else None)


@contextmanager
def open_platform(settings: Settings) -> Iterator[Platform]:
    """Open what ``settings`` name, and close it again."""
    stores = open_stores(settings)
    try:
        yield Platform(settings, stores, _operations(settings, stores))
    finally:
        stores.close()


def _operations(settings: Settings, stores: Stores) -> Operations:
    if settings.url is None:
        return stores.operations()
    from millrace.client import HttpOperations  # lazy: only commands that talk to a server

    return HttpOperations(settings.url)


def _debugger() -> Debugger:
    from millrace.wiring.debugger import post_mortem  # lazy: pdb takes a dozen modules with it

    return post_mortem


class _Observer:
    """Tells a progress what every committed step changed. In this process a launched task is a running one."""

    def __init__(self, pipeline: Pipeline, progress: Progress) -> None:
        self._progress = progress
        self._tasks = [{"task_id": t.task_id, "state": "none"} for t in pipeline.graph.tasks]

    def observe(self, step: Step) -> None:
        if step.run is not None and not step.run.state.ended:
            self._progress.on_run({**run_document(step.run), "tasks": self._tasks})
        for task_run in (*step.new_task_runs, *step.task_runs):
            if task_run.state in (TaskState.NONE, TaskState.SCHEDULED):
                continue
            state = TaskState.RUNNING if task_run.state is TaskState.QUEUED else task_run.state
            at = task_run.ended_at or task_run.started_at or task_run.queued_at or 0
            self._progress.on_task(task_run.task_id, state.value, at, task_run.reason)
