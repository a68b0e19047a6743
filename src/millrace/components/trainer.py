"""Trainer: fits an estimator and saves it, with the transform inside, as a model folder."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import millrace.data as library
from millrace.authoring.tasks import component
from millrace.components.artifact_types import Examples, Schema, TransformGraph
from millrace.components.transform import GRAPH
from millrace.core.errors import DataError, UsageError, did_you_mean
from millrace.core.types import Json, Model, Output
from millrace.interfaces import task_context
from millrace.tracking.fluent import log_metrics, log_params


@component(environment=["millrace", "scikit-learn", "numpy", "polars"])
def Trainer(
    examples: Examples,
    fit: Callable[..., Any],
    model: Output[Model],
    transform_graph: TransformGraph | None = None,
    schema: Schema | None = None,
    hyperparameters: dict[str, Json] | None = None,
    label: str | None = None,
    class_labels: list[str] | None = None,
    train_split: str = "train",
    eval_split: str = "eval",
) -> None:
    """Call `fit(x, y, **hyperparameters)` on the training split and save the scikit-learn estimator it returns.

    `x` is a Polars frame of the features, `y` a series of the label, which is the transform's own unless `label` names
    a column. `class_labels[i]` names class `i` in what the served model answers. The model takes raw columns: the
    transform is saved inside it, and its signature follows from the transform and the schema. Hyperparameters are
    logged as params, and metrics of both splits; randomness is `fit`'s own, so take a seed from the hyperparameters.
    """
    from millrace.components.model_folder import save_trained  # lazy: data and model libraries load when a task runs

    rows = library.Examples.open(examples.path)
    graph = None if transform_graph is None else library.TransformGraph.load(transform_graph.path / GRAPH)
    target = _label(label, rows, graph)
    features = [name for name in rows.column_names if name != target and not (graph and name in graph.label_names)]
    train = rows.read(train_split)
    chosen = dict(hyperparameters or {})
    _check_hyperparameters(fit, chosen)
    estimator = fit(train.select(features), train[target], **chosen)
    if not hasattr(estimator, "predict"):
        raise UsageError(f"fit returned a {type(estimator).__name__}, which has no predict", remedy="Return estimator.")
    metrics = save_trained(
        model,
        estimator,
        splits={name: rows.read(name) for name in (train_split, eval_split) if name in rows.splits and rows.rows(name)},
        features=features,
        label=target,
        class_labels=class_labels,
        transform_graph=transform_graph,
        schema=None if schema is None else library.load_schema(schema.path),
    )
    model.metadata.update(estimator=type(estimator).__name__, metrics=metrics)
    for name, value in metrics.items():
        print(f"{name} {value:.4f}")
    _track(model, chosen, metrics)


def _label(label: str | None, rows: library.Examples, graph: library.TransformGraph | None) -> str:
    if label is not None:
        if label not in rows.column_names:
            raise DataError(f"there is no label column {label!r}", remedy=did_you_mean(label, rows.column_names))
        return label
    labels = [] if graph is None else graph.label_names
    if len(labels) != 1:
        found = ", ".join(labels) or "none"
        raise UsageError(
            f"the transform marks {found} as label, and Trainer needs one",
            remedy="Mark one with t.label(column) in preprocess, or pass label=....",
        )
    return labels[0]


def _check_hyperparameters(fit: Callable[..., Any], given: Mapping[str, Json]) -> None:
    """A misspelt hyperparameter is told from an error inside `fit`, before an hour of training."""
    parameters = inspect.signature(fit).parameters
    known = list(parameters)[2:]
    takes_all = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    for name in given:
        if name not in known and not takes_all:
            raise UsageError(f"fit takes no hyperparameter {name!r}", remedy=did_you_mean(name, known))


def _track(model: Model, hyperparameters: Mapping[str, Json], metrics: Mapping[str, float]) -> None:
    context = task_context.get()
    if context is None:  # called as a plain function: there is no run to log to
        return
    log_params(hyperparameters)
    log_metrics(metrics)
    model.metadata["tracking_run"] = context.services.call("tracking.run", {})["run_id"]
