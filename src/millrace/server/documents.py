"""What every answer of the API looks like, as pydantic models: the source of the OpenAPI document's schemas.

They describe; they do not convert. The verbs already give plain JSON, and a test holds each answer against its model.
A model forbids fields that it does not name, so a field that is new in an answer has to be written down here.
"""

from __future__ import annotations

from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from millrace.core.states import AttemptState, RunState, RunTrigger, TaskState

Time = Annotated[
    str,
    Field(
        pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$",
        description="UTC, to the microsecond",
        json_schema_extra={"format": "date-time", "example": "2026-11-22T14:10:30.123456Z"},
    ),
]
Milliseconds = Annotated[int, Field(description="Epoch milliseconds, as MLflow's")]
JsonValue = Annotated[Any, Field(description="Any JSON")]


class Document(BaseModel):
    model_config = ConfigDict(extra="forbid")


T = TypeVar("T", bound=Document)


class Page(Document, Generic[T]):
    """One page of a listing."""

    items: list[T]
    next_cursor: Annotated[str | None, Field(description="The next page's cursor; null at the end")]


class ErrorDetail(Document):
    type: Annotated[str, Field(description="The error's class, for example ParameterError")]
    message: str
    where: Annotated[str | None, Field(description="The file and line, row, column or task")]
    remedy: Annotated[str | None, Field(description="What to do about it")]


class Error(Document):
    """Why a request was refused, or failed."""

    error: ErrorDetail


# --- pipelines -----------------------------------------------------------------------------------------------------


class Pipeline(Document):
    name: str
    paused: bool
    version: Annotated[str, Field(description="The latest version: a hash of the graph and of the code it uses")]
    source: Annotated[str, Field(description="The file it came from")]
    description: str
    tags: list[str]
    schedule: Annotated[Any, Field(description="A timetable, or null for a pipeline that is triggered only")]
    next_due_at: Time | None
    created_at: Time
    updated_at: Time


class Parameter(Document):
    name: str
    type: Literal["int", "float", "str", "bool", "list", "dict", "json"]
    required: bool
    default: JsonValue


class TaskInput(Document):
    name: str
    kind: Literal["value", "artifact", "function"]
    type: str
    optional: bool
    default: JsonValue
    many: bool


class TaskOutput(Document):
    name: str
    kind: Literal["value", "artifact"]
    type: str
    lineage: Annotated[list[str], Field(description="The type's name and its bases'")]


class Retry(Document):
    """Delays in microseconds."""

    retries: int
    delay: int
    exponential: bool
    max_delay: int


class TaskNode(Document):
    task_id: str
    component: str
    code: str
    inputs: list[TaskInput]
    outputs: list[TaskOutput]
    bindings: Annotated[dict[str, dict[str, Any]], Field(description="Input name to where its value comes from")]
    upstream: list[str]
    trigger_rule: str
    retry: Retry
    execution_timeout: Annotated[int | None, Field(description="Microseconds")]
    cache: bool
    environment: list[str]
    doc: str


class Graph(Document):
    name: str
    tasks: list[TaskNode]
    parameters: list[Parameter]
    description: str
    schedule: JsonValue
    start_date: str | None
    end_date: str | None
    timezone: str
    catchup: bool
    max_active_runs: int
    run_timeout: Annotated[int | None, Field(description="Microseconds")]
    tags: list[str]
    source_lines: Annotated[
        dict[str, tuple[str, int]], Field(description="Task id (empty: the pipeline) to file and line")
    ]


class PipelineDetail(Pipeline):
    graph: Graph
    parameters: list[Parameter]


class PipelineChange(Document):
    paused: bool


class ImportFailure(Document):
    file: str
    message: str
    traceback: Annotated[str, Field(description="The user's own frames")]
    at: Time


# --- runs ----------------------------------------------------------------------------------------------------------


class NewRun(Document):
    params: Annotated[dict[str, Any], Field(description="Parameter name to value", default_factory=dict)]


class Run(Document):
    run_id: str
    pipeline: str
    version: str
    trigger: RunTrigger
    params: dict[str, Any]
    state: RunState
    queued_at: Time
    started_at: Time | None
    ended_at: Time | None
    logical_date: Time | None
    data_interval_start: Time | None
    data_interval_end: Time | None
    reason: str
    cancel_requested: bool


class Attempt(Document):
    attempt_id: str
    number: int
    state: AttemptState
    executor: str
    worker: str
    launched_at: Time
    started_at: Time | None
    ended_at: Time | None
    kind: Annotated[str | None, Field(description="How it ended")]
    reason: str
    detail: str
    exit_code: int | None
    cpu_seconds: float | None
    peak_bytes: int | None


class TaskRun(Document):
    task_id: str
    component: str
    state: TaskState
    tries: int
    queued_at: Time | None
    started_at: Time | None
    ended_at: Time | None
    due_at: Annotated[Time | None, Field(description="When a retry is due")]
    reason: str
    cached_from: Annotated[str | None, Field(description="The task run whose outputs this one took")]
    upstream: list[str]
    attempts: list[Attempt]


class RunDetail(Run):
    tasks: list[TaskRun]


class RunEvent(Document):
    seq: int
    at: Time
    kind: str
    task_id: str
    payload: JsonValue


class Log(Document):
    text: Annotated[str, Field(description="Whole lines")]
    offset: Annotated[int, Field(description="The `after` of the next request")]
    ended: Annotated[bool, Field(description="Nothing more will come")]


# --- artifacts -----------------------------------------------------------------------------------------------------


class Artifact(Document):
    artifact_id: str
    type: str
    uri: str
    digest: str
    size: Annotated[int, Field(description="Bytes")]
    metadata: dict[str, Any]
    pipeline: str | None
    run_id: str | None
    task_id: str | None
    output: str
    producer: Annotated[str | None, Field(description="The attempt that wrote it")]
    state: Literal["pending", "live", "deleted"]
    created_at: Time


class OutputValue(Document):
    value: JsonValue


class OutputArtifact(Document):
    artifact: Artifact


class LineageNode(BaseModel):
    """An artifact or an attempt, with what is shown of it."""

    model_config = ConfigDict(extra="allow")
    kind: Literal["artifact", "attempt"]
    id: str


class LineageEdge(Document):
    model_config = ConfigDict(extra="forbid", serialize_by_alias=True)
    source: Annotated[str, Field(alias="from")]
    target: Annotated[str, Field(alias="to")]
    name: Annotated[str, Field(description="The input's or output's name")]


class Lineage(Document):
    nodes: list[LineageNode]
    edges: list[LineageEdge]


# --- tracking and models, in MLflow's words ------------------------------------------------------------------------


class Tag(Document):
    key: str
    value: str


class Experiment(Document):
    experiment_id: str
    name: str
    artifact_location: str
    lifecycle_stage: str
    creation_time: Milliseconds
    last_update_time: Milliseconds
    tags: list[Tag]


class Metric(Document):
    key: str
    value: Annotated[float | None, Field(description="null for NaN and the infinities, which JSON lacks")]
    timestamp: Milliseconds
    step: int


class TrackingRunInfo(Document):
    run_id: str
    experiment_id: str
    run_name: str
    status: Literal["RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED"]
    start_time: Milliseconds
    end_time: Milliseconds | None
    artifact_uri: str
    lifecycle_stage: str
    user_id: str


class TrackingRunData(Document):
    metrics: Annotated[list[Metric], Field(description="The latest of each key")]
    params: list[Tag]
    tags: list[Tag]


class TrackingRun(Document):
    info: TrackingRunInfo
    data: TrackingRunData
    task_run_id: str | None


class Alias(Document):
    alias: str
    version: str


class RegisteredModel(Document):
    name: str
    creation_timestamp: Milliseconds
    last_updated_timestamp: Milliseconds
    description: str
    aliases: list[Alias]
    tags: list[Tag]
    latest_version: str | None


class ModelVersion(Document):
    name: str
    version: str
    source: Annotated[str, Field(description="URI of the model's folder")]
    run_id: Annotated[str | None, Field(description="The tracking run")]
    status: str
    creation_timestamp: Milliseconds
    last_updated_timestamp: Milliseconds
    artifact_id: str | None
    description: str
    aliases: list[str]
    tags: list[Tag]


class RegisteredModelDetail(RegisteredModel):
    versions: list[ModelVersion]


class TaskRunDetail(TaskRun):
    inputs: Annotated[dict[str, list[Artifact]], Field(description="Input name to the artifacts that were read")]
    outputs: dict[str, OutputValue | OutputArtifact]
    tracking_runs: list[TrackingRun]


# --- service -------------------------------------------------------------------------------------------------------


class Health(Document):
    status: Literal["ok", "starting", "failing"]
    parts: dict[str, dict[str, Any]]
    version: str


class Version(Document):
    version: str
    api: Literal["v1"]


class PipelinePage(Page[Pipeline]):
    pass


class ImportFailurePage(Page[ImportFailure]):
    pass


class RunPage(Page[Run]):
    pass


class RunEventPage(Page[RunEvent]):
    pass


class ArtifactPage(Page[Artifact]):
    pass


class ExperimentPage(Page[Experiment]):
    pass


class TrackingRunPage(Page[TrackingRun]):
    pass


class RegisteredModelPage(Page[RegisteredModel]):
    pass


MODELS: dict[str, type[BaseModel]] = {
    model.__name__: model
    for model in (
        *(Error, Health, Version, NewRun, PipelineChange, Pipeline, PipelineDetail, PipelinePage, ImportFailurePage),
        *(Run, RunDetail, RunPage, RunEventPage, TaskRunDetail, Log, Artifact, ArtifactPage, Lineage),
        *(ExperimentPage, TrackingRunPage, RegisteredModelPage, RegisteredModelDetail),
    )
}
"""Every document that a route names."""
