"""One pipeline run in this process: no server, no worker processes. What ``.run()`` and ``millrace run`` do.

The run is kept in the home folder's store like every other, under a lease of this process, so a ``millrace up`` on the
same home shows it and leaves it alone.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from millrace.authoring.live_loader import LiveCodeLoader
from millrace.authoring.versions import project_location
from millrace.core.attempts import Launch
from millrace.core.graph import Graph
from millrace.core.parameters import bind_parameters
from millrace.core.records import PipelineRun, PipelineVersion, Step, TaskOutputs
from millrace.core.states import TaskState
from millrace.core.types import Json
from millrace.executors.in_process import InProcessExecutor
from millrace.interfaces import TaskServices
from millrace.operations.documents import run_document
from millrace.operations.manual_runs import manual_run
from millrace.operations.registration import Registrar
from millrace.operations.task_services import LocalTaskServices, Services
from millrace.scheduler.scheduler import Scheduler, SchedulerParts
from millrace.wiring.descriptions import description_of, source_of
from millrace.wiring.run_result import RunResult
from millrace.wiring.settings import load_settings
from millrace.wiring.stores import Stores, open_stores, process_name
from millrace.worker.attempt import run_attempt

if TYPE_CHECKING:
    from millrace.authoring.pipelines import Pipeline

LEASE = 15_000_000
"""Microseconds; longer than a server's, because user code that holds the interpreter delays the renewal."""

Observer = Callable[[Step], None]


def run(pipeline: Pipeline, params: Mapping[str, Json], *, home: Path | None = None, show: bool = False) -> RunResult:
    """Run ``pipeline`` to its end. Parameters are checked before anything is written."""
    bind_parameters(pipeline.graph, params)
    flags = {} if home is None else {"home": str(home)}
    settings = load_settings(flags, cwd=Path.cwd(), environ=os.environ)
    stores = _stores(settings.database, settings, os.getpid())
    return run_in(stores, pipeline, params, observe=_print_step if show else None)


def run_in(
    stores: Stores, pipeline: Pipeline, params: Mapping[str, Json], *, observe: Observer | None = None
) -> RunResult:
    """Run ``pipeline`` over opened stores."""
    version = _register(stores, pipeline)
    bound = bind_parameters(version.graph, params)
    record = drive(stores, pipeline, version, bound, observe)
    return _result(stores, record, version)


def drive(
    stores: Stores,
    pipeline: Pipeline,
    version: PipelineVersion,
    bound: Mapping[str, Json],
    observe: Observer | None,
) -> PipelineRun:
    """Create the run under this process's lease and bring it to its end; its record then."""
    now = stores.clock.now()
    owner = process_name("run")
    record = attrs.evolve(
        manual_run(version, bound, stores.ids.new(), now),
        lease_owner=owner,
        lease_epoch=1,
        lease_expires_at=now + LEASE,
    )
    stores.execution.create_run(record)
    with _scheduler(stores, pipeline, owner, observe) as scheduler:
        scheduler.drive(record, version)
    return stores.execution.run(record.run_id)


@contextmanager
def _scheduler(stores: Stores, pipeline: Pipeline, owner: str, observe: Observer | None) -> Iterator[Scheduler]:
    services = Services(stores.tracking, stores.registry, stores.clock)

    def services_for(launch: Launch) -> TaskServices:
        return LocalTaskServices(services, launch)

    attempt = functools.partial(
        run_attempt, loader=LiveCodeLoader([pipeline]), artifacts=stores.artifacts, clock=stores.clock
    )
    scheduler = Scheduler(
        SchedulerParts(
            pipelines=stores.pipelines,
            execution=stores.execution,
            executor=InProcessExecutor(attempt, services_for=services_for, clock=stores.clock, logs=stores.logs),
            notifier=stores.notifier,
            clock=stores.clock,
            ids=stores.ids,
            artifact_root=stores.artifacts.root,
            source_digest=stores.source_digests.digest,
            owner=owner,
            lease=LEASE,
            observe=observe,
        )
    )
    scheduler.start()
    try:
        yield scheduler
    finally:
        scheduler.close()


def _register(stores: Stores, pipeline: Pipeline) -> PipelineVersion:
    known: tuple[Stores, Graph, PipelineVersion] | None = getattr(pipeline, "_registered", None)
    # A DAG's graph is another object once a task was added; what stands in a notebook may be redefined at any time.
    if known is not None and known[0] is stores and known[1] is pipeline.graph and project_location(pipeline).file:
        return known[2]
    registrar = Registrar(stores.pipelines, stores.execution, stores.artifacts, stores.notifier, stores.clock)
    description = description_of(pipeline)
    version = registrar.register_for_run(source_of(description), description)
    pipeline._registered = (stores, pipeline.graph, version)  # type: ignore[attr-defined]  # noqa: SLF001 - a memo, so that a second run describes nothing anew
    return version


def _result(stores: Stores, record: PipelineRun, version: PipelineVersion) -> RunResult:
    task_runs = stores.execution.task_runs(record.run_id)
    succeeded = {t.task_run_id: t.task_id for t in task_runs if t.state is TaskState.SUCCESS}
    outputs = stores.execution.outputs(list(succeeded))
    return RunResult(
        document=run_document(record),
        task_runs=tuple(task_runs),
        outputs={task_id: outputs.get(task_run_id, TaskOutputs()) for task_run_id, task_id in succeeded.items()},
        fetch=stores.artifacts.fetch,
        graph=version.graph,
    )


@functools.cache
def _stores(_database: str, settings: object, _process: int) -> Stores:
    """Opened once per process and settings: the second ``.run()`` opens nothing."""
    return open_stores(settings)  # type: ignore[arg-type] # functools.cache types its arguments as Hashable


def _print_step(step: Step) -> None:
    for task_run in (*step.new_task_runs, *step.task_runs):
        if task_run.state is not TaskState.NONE:
            note = f"  {task_run.reason}" if task_run.reason else ""
            print(f"{task_run.task_id}: {task_run.state}{note}", flush=True)


__all__ = ["Observer", "drive", "run", "run_in"]
