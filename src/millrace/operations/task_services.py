"""What a running task may ask of the platform, and nothing else.

The one implementation behind :class:`~millrace.interfaces.TaskServices`: called directly by an in-process task, by the
executor for a task in a worker. Arguments and answers are JSON, because they may come over a pipe.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import attrs

from millrace.core.attempts import Launch
from millrace.core.errors import ConflictError, UsageError, did_you_mean
from millrace.core.records import Metric
from millrace.core.types import Json
from millrace.interfaces import Clock, RegistryStore, TrackingStore
from millrace.operations.documents import model_version_document


@attrs.frozen
class Services:
    """The stores that tasks may reach."""

    tracking: TrackingStore
    registry: RegistryStore
    clock: Clock


class LocalTaskServices:
    """The services of one attempt."""

    def __init__(self, services: Services, launch: Launch) -> None:
        self._services = services
        self._launch = launch
        self._tracking_run_id: str | None = None
        self._verbs: dict[str, Callable[..., Json]] = {
            "tracking.run": self._run,
            "tracking.log_batch": self._log_batch,
            "tracking.end_run": self._end_run,
            "registry.create_model_version": self._create_model_version,
            "registry.set_alias": self._set_alias,
            "registry.model_version_by_alias": self._model_version_by_alias,
        }

    def call(self, verb: str, arguments: Mapping[str, Json]) -> Json:
        """The verb's answer; UsageError for a verb that tasks may not use."""
        known = self._verbs.get(verb)
        if known is None:
            raise UsageError(f"a task cannot call {verb!r}", remedy=did_you_mean(verb, self._verbs))
        return known(**arguments)

    def send(self, verb: str, arguments: Mapping[str, Json]) -> None:
        self.call(verb, arguments)

    # --- tracking: the attempt's own run, made when it first logs -----------------------------------------------------

    def _run(self) -> Json:
        if self._tracking_run_id is None:
            self._tracking_run_id = self._open_run()
        return {"run_id": self._tracking_run_id}

    def _open_run(self) -> str:
        launch, tracking = self._launch, self._services.tracking
        experiment = tracking.experiment_by_name(launch.pipeline)
        if experiment is None:
            try:
                experiment = tracking.create_experiment(launch.pipeline)
            except ConflictError:  # another task made it in between
                experiment = tracking.experiment_by_name(launch.pipeline)
        assert experiment is not None
        known = tracking.tracking_runs(task_run_ids=[launch.task_run_id])
        tags = {
            "millrace.pipelineRun": launch.run_id,
            "millrace.taskRun": launch.task_run_id,
            "millrace.task": launch.task_id,
            "mlflow.source.name": launch.code.file,
            "mlflow.source.type": "JOB",
        }
        if known:  # a retry goes on in the run of the first try
            tracking.log_batch(known[0].run_id, tags=tags)
            tracking.update_run(known[0].run_id, status="RUNNING")
            return known[0].run_id
        run = tracking.create_run(
            experiment.experiment_id,
            run_name=launch.task_id,
            start_time=self._services.clock.now() // 1000,
            tags=tags,
            task_run_id=launch.task_run_id,
        )
        return run.run_id

    def _log_batch(
        self,
        metrics: list[Mapping[str, Json]] | None = None,
        params: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> Json:
        run_id = self._run()["run_id"]
        now = self._services.clock.now() // 1000
        self._services.tracking.log_batch(
            run_id,
            metrics=[
                Metric(m["key"], float(m["value"]), m.get("timestamp") or now, m.get("step") or 0)
                for m in metrics or ()
            ],
            params=params,
            tags=tags,
        )
        return {"run_id": run_id}

    def _end_run(self, status: str) -> Json:
        if self._tracking_run_id is not None:
            self._services.tracking.update_run(
                self._tracking_run_id, status=status, end_time=self._services.clock.now() // 1000
            )
        return None

    # --- registry -----------------------------------------------------------------------------------------------------

    def _create_model_version(
        self,
        name: str,
        source: str,
        artifact_id: str | None = None,
        run_id: str | None = None,
        description: str = "",
        tags: Mapping[str, str] | None = None,
    ) -> Json:
        """``run_id``: the tracking run that the model came from; this task's own if left out."""
        version = self._services.registry.create_model_version(
            name,
            source,
            run_id=run_id or self._tracking_run_id,
            artifact_id=artifact_id,
            description=description,
            tags={"millrace.pipelineRun": self._launch.run_id, **(tags or {})},
        )
        return model_version_document(version)

    def _set_alias(self, name: str, alias: str, version: int) -> Json:
        self._services.registry.set_alias(name, alias, int(version))
        return None

    def _model_version_by_alias(self, name: str, alias: str) -> Json:
        return model_version_document(self._services.registry.model_version_by_alias(name, alias))
