"""A trained estimator as a model folder: signature, input example, transform; and its metrics on each split."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import polars as pl

import millrace.data as library
from millrace.components.artifact_types import TransformGraph
from millrace.components.scoring import score_rows
from millrace.components.transform import GRAPH, INPUT_EXAMPLE, feature_inputs
from millrace.core.types import Model
from millrace.models import ColumnSpec, EstimatorModel, ModelSignature, infer_signature, save_model
from millrace.models import Schema as SignatureSchema

_KEPT = {
    "binary": ("auc", "binary_accuracy", "f1", "log_loss"),
    "multiclass": ("accuracy", "macro_f1"),
    "regression": ("root_mean_squared_error", "mean_absolute_error", "r2"),
}
_MODEL_TYPES = {"int64": "long", "double": "double", "string": "string"}


def save_trained(
    model: Model,
    estimator: Any,
    *,
    splits: Mapping[str, pl.DataFrame],
    features: Sequence[str],
    label: str,
    class_labels: Sequence[str] | None,
    transform_graph: TransformGraph | None,
    schema: library.Schema | None,
) -> dict[str, float]:
    """Write the model folder to `model.path`; gives the metrics by split, as ``eval_auc``."""
    folder = None if transform_graph is None else transform_graph.path / GRAPH
    example = _input_example(transform_graph, splits, features)
    wrapped = EstimatorModel(
        estimator,
        transform=None if folder is None else library.TransformGraph.load(folder),
        feature_names=tuple(features),
        class_labels=None if class_labels is None else tuple(class_labels),
    )
    save_model(
        model.path,
        estimator,
        transform=folder,
        feature_names=features,
        label=label,
        class_labels=class_labels,
        signature=_signature(wrapped, example, folder, schema),
        input_example=example,
    )
    return _metrics(wrapped, splits, features, label)


def _input_example(
    transform_graph: TransformGraph | None, splits: Mapping[str, pl.DataFrame], features: Sequence[str]
) -> pl.DataFrame:
    if transform_graph is not None:
        return pl.read_parquet(transform_graph.path / INPUT_EXAMPLE, glob=False)
    return next(iter(splits.values())).select(features).head(5)


def _signature(
    model: EstimatorModel, example: pl.DataFrame, folder: Path | None, schema: library.Schema | None
) -> ModelSignature:
    """Inputs as the transform was fitted on them, optional where the schema lets them be missing."""
    inferred = infer_signature(example, model.predict(example))
    if folder is None:
        return inferred
    graph = library.TransformGraph.load(folder)
    types = {column.name: column.type for column in graph.inputs}
    specs = [_column_spec(name, types[name], schema) for name in feature_inputs(graph)]
    return attrs.evolve(inferred, inputs=SignatureSchema(tuple(specs)))


def _column_spec(name: str, column_type: str, schema: library.Schema | None) -> ColumnSpec:
    feature = None if schema is None else schema.get(name)
    required = feature is None or (feature.presence is not None and feature.presence.min_fraction >= 1)
    kind = _MODEL_TYPES[column_type]
    if kind == "long" and not required:
        kind = "double"  # a signature's integers cannot be missing
    return ColumnSpec(kind, name, required)


def _metrics(
    model: EstimatorModel, splits: Mapping[str, pl.DataFrame], features: Sequence[str], label: str
) -> dict[str, float]:
    fitted = attrs.evolve(model, transform=None)  # these rows are transformed already
    found = {}
    for split, frame in splits.items():
        rows = frame.filter(pl.col(label).is_not_null())
        scored = score_rows(fitted, rows.select(features), rows[label].to_numpy())
        measured = scored.metrics()
        names = [name for name in _KEPT[scored.problem] if math.isfinite(measured.get(name, math.nan))]
        found.update({f"{split}_{name}": float(measured[name]) for name in names})
    return found
