"""The table of the API: every verb of :class:`~millrace.interfaces.Operations` as one endpoint below ``/api/v1``."""

from __future__ import annotations

from typing import Any

from millrace.core.states import RunState
from millrace.core.types import Json
from millrace.server.endpoints import BodyField, Endpoint, Query
from millrace.server.polls import LONGEST_WAIT, read_log, wait_for_run

PREFIX = "/api/v1"

TAGS = {
    "pipelines": "Graphs of tasks, read from the pipelines folder",
    "runs": "Executions of pipelines, their tasks, attempts and logs",
    "artifacts": "Typed, immutable outputs, and which attempt read and wrote which",
    "tracking": "Experiments and runs, in MLflow's words",
    "models": "Registered models and their versions",
    "service": "The server itself",
}

PARAMS = BodyField("params", dict, "an object: parameter name to value", required=False, default={})
PAUSED = BodyField("paused", bool, "true or false")


def _limit(default: int) -> Query:
    return Query("limit", int, "How many at most", default=default, minimum=1, maximum=1000)


CURSOR = Query("cursor", str, "The next_cursor of the page before")
AFTER = Query("after", int, "Only what comes after this", default=0, minimum=0)


def whole(items: list[Json]) -> Json:
    """A listing that has no further page."""
    return {"items": items, "next_cursor": None}


def _run_url(document: Json) -> str:
    return f"{PREFIX}/runs/{document['run_id']}"


def _named(arguments: Any, *names: str) -> dict[str, Any]:
    return {name: arguments[name] for name in names}


PIPELINES = (
    Endpoint(
        "GET",
        "/pipelines",
        "pipelines",
        "List the pipelines",
        "PipelinePage",
        call=lambda o, _a: whole(o.pipelines()),
    ),
    Endpoint(
        "GET",
        "/pipelines/{name}",
        "pipelines",
        "Show one pipeline, with its graph and parameters",
        "PipelineDetail",
        call=lambda o, a: o.pipeline(a["name"]),
    ),
    Endpoint(
        "PATCH",
        "/pipelines/{name}",
        "pipelines",
        "Pause a pipeline or let it go on",
        "Pipeline",
        call=lambda o, a: o.set_paused(a["name"], paused=a["paused"]),
        body="PipelineChange",
        fields=(PAUSED,),
        description="A paused pipeline starts no scheduled run; it can still be triggered.",
    ),
    Endpoint(
        "POST",
        "/pipelines/{name}/runs",
        "runs",
        "Trigger a run",
        "Run",
        call=lambda o, a: o.trigger(a["name"], a["params"]),
        body="NewRun",
        fields=(PARAMS,),
        status=201,
        location=_run_url,
        description="Parameters that are left out take their defaults.",
    ),
    Endpoint(
        "GET",
        "/import-failures",
        "pipelines",
        "List the pipeline files that do not import",
        "ImportFailurePage",
        call=lambda o, _a: whole(o.import_failures()),
    ),
)

RUNS = (
    Endpoint(
        "GET",
        "/runs",
        "runs",
        "List runs, newest first",
        "RunPage",
        call=lambda o, a: o.runs(**_named(a, "pipeline", "state", "limit", "cursor")),
        query=(
            Query("pipeline", str, "Only this pipeline's"),
            Query("state", str, "Only those in this state", choices=tuple(s.value for s in RunState)),
            _limit(50),
            CURSOR,
        ),
    ),
    Endpoint(
        "GET",
        "/runs/{run_id}",
        "runs",
        "Show one run with its tasks and attempts",
        "RunDetail",
        call=lambda o, a: o.run(a["run_id"]),
        description="`run_id` may be a unique prefix of 8 or more characters, here and below.",
    ),
    Endpoint(
        "GET",
        "/runs/{run_id}/wait",
        "runs",
        "Wait until a run has ended",
        "Run",
        poll=wait_for_run,
        query=(Query("timeout", float, "Seconds", default=30.0, minimum=0, maximum=LONGEST_WAIT),),
        description="Answers as soon as the run has ended, or with the run as it is after `timeout` seconds.",
    ),
    Endpoint(
        "POST",
        "/runs/{run_id}/cancel",
        "runs",
        "Cancel a run",
        "Run",
        call=lambda o, a: o.cancel(a["run_id"]),
        description="A queued run ends at once; the tasks of a running one are stopped first.",
    ),
    Endpoint(
        "GET",
        "/runs/{run_id}/events",
        "runs",
        "List the events of a run, oldest first",
        "RunEventPage",
        call=lambda o, a: whole(o.events(a["run_id"], a["after"])),
        query=(AFTER,),
    ),
    Endpoint(
        "GET",
        "/runs/{run_id}/tasks/{task_id}",
        "runs",
        "Show one task run with its attempts, inputs and outputs",
        "TaskRunDetail",
        call=lambda o, a: o.task_run(a["run_id"], a["task_id"]),
    ),
    Endpoint(
        "GET",
        "/runs/{run_id}/tasks/{task_id}/log",
        "runs",
        "Read the log of an attempt",
        "Log",
        poll=read_log,
        query=(
            Query("number", int, "The attempt's number; the newest by default", minimum=1),
            AFTER,
            Query("wait", float, "Seconds to wait for more", default=0.0, minimum=0, maximum=LONGEST_WAIT),
        ),
        description="Text from byte `after`, in whole lines. Go on from the answer's `offset` until `ended`.",
    ),
)

ARTIFACTS = (
    Endpoint(
        "GET",
        "/artifacts",
        "artifacts",
        "List artifacts, newest first",
        "ArtifactPage",
        call=lambda o, a: o.artifacts(**_named(a, "run_id", "task_id", "type", "limit", "cursor")),
        query=(
            Query("run_id", str, "Only those that this run wrote"),
            Query("task_id", str, "Only those that this task wrote"),
            Query("type", str, "Only those of this type"),
            _limit(100),
            CURSOR,
        ),
    ),
    Endpoint(
        "GET",
        "/artifacts/{artifact_id}",
        "artifacts",
        "Show one artifact",
        "Artifact",
        call=lambda o, a: o.artifact(a["artifact_id"]),
    ),
    Endpoint(
        "GET",
        "/artifacts/{artifact_id}/lineage",
        "artifacts",
        "Show what an artifact was made from and what was made from it",
        "Lineage",
        call=lambda o, a: o.lineage(a["artifact_id"], depth=a["depth"]),
        query=(Query("depth", int, "Attempts away from the artifact", default=3, minimum=1, maximum=100),),
    ),
)

TRACKING = (
    Endpoint(
        "GET",
        "/experiments",
        "tracking",
        "List the experiments",
        "ExperimentPage",
        call=lambda o, _a: whole(o.experiments()),
    ),
    Endpoint(
        "GET",
        "/experiments/{experiment_id}/runs",
        "tracking",
        "List the tracking runs of an experiment, newest first",
        "TrackingRunPage",
        call=lambda o, a: whole(o.tracking_runs(a["experiment_id"], a["limit"])),
        query=(_limit(100),),
    ),
    Endpoint(
        "GET",
        "/models",
        "models",
        "List the registered models",
        "RegisteredModelPage",
        call=lambda o, _a: whole(o.registered_models()),
    ),
    Endpoint(
        "GET",
        "/models/{name}",
        "models",
        "Show one registered model with its versions",
        "RegisteredModelDetail",
        call=lambda o, a: o.registered_model(a["name"]),
    ),
)

ENDPOINTS: tuple[Endpoint, ...] = (*PIPELINES, *RUNS, *ARTIFACTS, *TRACKING)
