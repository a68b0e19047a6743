"""The standard components of a machine-learning pipeline, under the names that TFX gives them.

    CsvExampleGen -> StatisticsGen -> SchemaGen -> ExampleValidator -> Transform -> Trainer -> Evaluator -> Pusher

Each is a function: called in a pipeline it adds a task, called anywhere else it does its work on the artifacts it is
given. Importing them loads no data library; that happens when one runs.
"""

from millrace.components.artifact_types import (
    Anomalies,
    Evaluation,
    Examples,
    ModelBlessing,
    PushedModel,
    Schema,
    Statistics,
    TransformGraph,
)
from millrace.components.evaluator import Evaluator
from millrace.components.example_gen import CsvExampleGen
from millrace.components.example_validator import ExampleValidator
from millrace.components.pusher import Pusher
from millrace.components.schema_gen import ImportSchemaGen, SchemaGen
from millrace.components.statistics_gen import StatisticsGen
from millrace.components.trainer import Trainer
from millrace.components.transform import Transform

__all__ = [
    "Anomalies",
    "CsvExampleGen",
    "Evaluation",
    "Evaluator",
    "ExampleValidator",
    "Examples",
    "ImportSchemaGen",
    "ModelBlessing",
    "PushedModel",
    "Pusher",
    "Schema",
    "SchemaGen",
    "Statistics",
    "StatisticsGen",
    "Trainer",
    "Transform",
    "TransformGraph",
]
