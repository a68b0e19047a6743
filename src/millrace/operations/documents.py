"""The JSON documents of ``/api/v1``: records as people and scripts see them. Times are ISO 8601, UTC, microseconds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from millrace.core.graph import Graph, TaskSpec
from millrace.core.records import (
    ArtifactRecord,
    Attempt,
    Experiment,
    ImportFailure,
    Metric,
    ModelVersion,
    Pipeline,
    PipelineRun,
    RegisteredModel,
    RunEvent,
    TaskOutputs,
    TaskRun,
    TrackingRun,
)
from millrace.core.types import Json


def moment(microseconds: int | None) -> str | None:
    """``2026-11-22T14:10:30.123456Z``."""
    if microseconds is None:
        return None
    seconds, rest = divmod(microseconds, 1_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:06d}Z"


def pipeline_document(pipeline: Pipeline) -> dict[str, Json]:
    return {
        "name": pipeline.name,
        "paused": pipeline.paused,
        "version": pipeline.version,
        "source": pipeline.source,
        "description": pipeline.description,
        "tags": list(pipeline.tags),
        "schedule": pipeline.schedule,
        "next_due_at": moment(pipeline.next_due_at),
        "created_at": moment(pipeline.created_at),
        "updated_at": moment(pipeline.updated_at),
    }


def parameters_document(graph: Graph) -> list[Json]:
    return [
        {"name": p.name, "type": p.type.value, "required": p.required, "default": p.default} for p in graph.parameters
    ]


def import_failure_document(failure: ImportFailure) -> dict[str, Json]:
    return {
        "file": failure.file,
        "message": failure.message,
        "traceback": failure.traceback,
        "at": moment(failure.at),
    }


def run_document(run: PipelineRun) -> dict[str, Json]:
    return {
        "run_id": run.run_id,
        "pipeline": run.pipeline,
        "version": run.version,
        "trigger": run.trigger.value,
        "params": dict(run.params),
        "state": run.state.value,
        "queued_at": moment(run.queued_at),
        "started_at": moment(run.started_at),
        "ended_at": moment(run.ended_at),
        "logical_date": moment(run.logical_date),
        "data_interval_start": moment(run.data_interval_start),
        "data_interval_end": moment(run.data_interval_end),
        "reason": run.reason,
        "cancel_requested": run.cancel_requested,
    }


def task_run_document(task_run: TaskRun, spec: TaskSpec, attempts: Sequence[Attempt]) -> dict[str, Json]:
    return {
        "task_id": task_run.task_id,
        "component": spec.component,
        "state": task_run.state.value,
        "tries": task_run.tries,
        "queued_at": moment(task_run.queued_at),
        "started_at": moment(task_run.started_at),
        "ended_at": moment(task_run.ended_at),
        "due_at": moment(task_run.due_at),
        "reason": task_run.reason,
        "cached_from": task_run.cached_from,
        "upstream": list(spec.upstream),
        "attempts": [attempt_document(a) for a in attempts],
    }


def attempt_document(attempt: Attempt) -> dict[str, Json]:
    return {
        "attempt_id": attempt.attempt_id,
        "number": attempt.number,
        "state": attempt.state.value,
        "executor": attempt.executor,
        "worker": attempt.worker,
        "launched_at": moment(attempt.launched_at),
        "started_at": moment(attempt.started_at),
        "ended_at": moment(attempt.ended_at),
        "kind": attempt.kind,
        "reason": attempt.reason,
        "detail": attempt.detail,
        "exit_code": attempt.exit_code,
        "cpu_seconds": None if attempt.usage is None else attempt.usage.cpu_seconds,
        "peak_bytes": None if attempt.usage is None else attempt.usage.peak_bytes,
    }


def artifact_document(artifact: ArtifactRecord) -> dict[str, Json]:
    return {
        "artifact_id": artifact.artifact_id,
        "type": artifact.type,
        "uri": artifact.uri,
        "digest": artifact.digest,
        "size": artifact.size,
        "metadata": dict(artifact.metadata),
        "pipeline": artifact.pipeline,
        "run_id": artifact.run_id,
        "task_id": artifact.task_id,
        "output": artifact.output,
        "producer": artifact.producer,
        "state": artifact.state,
        "created_at": moment(artifact.created_at),
    }


def outputs_document(outputs: TaskOutputs) -> dict[str, Json]:
    document: dict[str, Json] = {name: {"value": value} for name, value in outputs.values.items()}
    document.update({name: {"artifact": artifact_document(a)} for name, a in outputs.artifacts.items()})
    return document


def event_document(event: RunEvent) -> dict[str, Json]:
    return {
        "seq": event.seq,
        "at": moment(event.at),
        "kind": event.kind,
        "task_id": event.task_id,
        "payload": event.payload,
    }


# --- tracking and registry: MLflow's field names, times in epoch milliseconds -----------------------------------------


def experiment_document(experiment: Experiment) -> dict[str, Json]:
    return {
        "experiment_id": experiment.experiment_id,
        "name": experiment.name,
        "artifact_location": experiment.artifact_location,
        "lifecycle_stage": experiment.lifecycle_stage,
        "creation_time": experiment.creation_time,
        "last_update_time": experiment.last_update_time,
        "tags": _pairs(experiment.tags),
    }


def tracking_run_document(run: TrackingRun) -> dict[str, Json]:
    return {
        "info": {
            "run_id": run.run_id,
            "experiment_id": run.experiment_id,
            "run_name": run.run_name,
            "status": run.status,
            "start_time": run.start_time,
            "end_time": run.end_time,
            "artifact_uri": run.artifact_uri,
            "lifecycle_stage": run.lifecycle_stage,
            "user_id": run.user_id,
        },
        "data": {
            "metrics": [metric_document(m) for m in run.metrics],
            "params": _pairs(run.params),
            "tags": _pairs(run.tags),
        },
        "task_run_id": run.task_run_id,
    }


def metric_document(metric: Metric) -> dict[str, Json]:
    return {"key": metric.key, "value": metric.value, "timestamp": metric.timestamp, "step": metric.step}


def registered_model_document(model: RegisteredModel) -> dict[str, Json]:
    return {
        "name": model.name,
        "creation_timestamp": model.creation_timestamp,
        "last_updated_timestamp": model.last_updated_timestamp,
        "description": model.description,
        "aliases": [{"alias": alias, "version": str(version)} for alias, version in model.aliases.items()],
        "tags": _pairs(model.tags),
        "latest_version": None if model.latest_version is None else str(model.latest_version),
    }


def model_version_document(version: ModelVersion) -> dict[str, Json]:
    return {
        "name": version.name,
        "version": str(version.version),
        "source": version.source,
        "run_id": version.run_id,
        "status": version.status,
        "creation_timestamp": version.creation_timestamp,
        "last_updated_timestamp": version.last_updated_timestamp,
        "artifact_id": version.artifact_id,
        "description": version.description,
        "aliases": list(version.aliases),
        "tags": _pairs(version.tags),
    }


def _pairs(mapping: Mapping[str, str]) -> list[Json]:
    return [{"key": k, "value": v} for k, v in mapping.items()]
