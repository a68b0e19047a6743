"""The artifact types that the components exchange. A model is `millrace.core.types.Model`."""

from __future__ import annotations

from millrace.core.types import Artifact, Dataset


class Examples(Dataset):
    """Rows in Parquet shards, one folder a split: `millrace.data.Examples.open(artifact.path)`."""


class Statistics(Artifact):
    """Statistics of each split: `millrace.data.load_statistics(artifact.path)`."""


class Schema(Artifact):
    """What the data is expected to look like, as `schema.yaml`: `millrace.data.load_schema(artifact.path)`."""


class Anomalies(Artifact):
    """Where data departs from its schema: `millrace.data.load_anomalies(artifact.path)`."""


class TransformGraph(Artifact):
    """A fitted transform, in `graph`, and a few raw rows, in `input_example.parquet`."""


class Evaluation(Artifact):
    """Metrics by slice and the verdicts on them: `millrace.data.load_evaluation(artifact.path)`."""


class ModelBlessing(Artifact):
    """Whether a model may be pushed, and why, as `blessing.json`; `metadata["blessed"]` says it too."""


class PushedModel(Artifact):
    """Where a model was pushed to, and as which version, as `pushed.json`."""
