"""Evaluator: measures a model against thresholds and against the last blessed one, and blesses it or not."""

from __future__ import annotations

from typing import Annotated

import millrace.data as library
from millrace.authoring.tasks import component
from millrace.components.artifact_types import Evaluation, Examples, ModelBlessing
from millrace.core.errors import FailWithoutRetry
from millrace.core.types import FromEarlierRun, Json, Model, Output
from millrace.tracking.fluent import in_task, log_metrics, set_tag


@component(environment=["millrace", "scikit-learn", "numpy", "polars"])
def Evaluator(
    examples: Examples,
    model: Model,
    evaluation: Output[Evaluation],
    blessing: Output[ModelBlessing],
    baseline: Annotated[
        Model | None, FromEarlierRun("model", where="blessing", flag="blessed", other_than="model")
    ] = None,
    thresholds: dict[str, Json] | None = None,
    slices: list[Json] | None = None,
    split: str = "eval",
    positive_class: str | None = None,
    label: str | None = None,
    blocking: bool = False,
) -> None:
    """Evaluate on a split of the raw examples, overall and by slice, and bless the model if every threshold holds.

    `baseline` comes by itself: the newest other model that this task blessed. `thresholds` maps a metric to bounds:
    `{"auc": {"lower_bound": 0.9, "change_absolute": -0.01}}`, where the change is the one from the baseline, left
    out while there is none; `slices` is a list of columns, or of lists of columns. Classes and metrics follow from the
    estimator: regression, binary (the positive class is the second unless named), or multiclass. A model that is not
    blessed ends the run here with `blocking`; without it the run goes on and Pusher skips.
    """
    from millrace.components.model_evaluation import evaluate_model, write_blessing  # lazy: numpy and scikit-learn

    rows = library.Examples.open(examples.path).read(split)
    settings = {"thresholds": thresholds or {}, "slices": slices or []}
    result = evaluate_model(model, baseline, rows, settings, positive_class=positive_class, label=label)
    for verdict in result.verdicts:
        print(f"{'passed' if verdict.passed else 'FAILED'}: {verdict.description}")
    reasons = [verdict.description for verdict in result.failures]
    print("blessed" if result.blessed else "not blessed")
    if blocking and not result.blessed:
        raise FailWithoutRetry("the model is not blessed: " + "; ".join(reasons))
    metrics = write_blessing(result, model, baseline, evaluation, blessing)
    if in_task():
        log_metrics(metrics)
        set_tag("blessed", str(result.blessed).lower())
