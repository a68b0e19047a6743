"""One model, and the baseline beside it, on the same raw rows, through the same code that serves them."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import polars as pl

import millrace.data as library
from millrace.components.artifact_types import Evaluation, ModelBlessing
from millrace.components.scoring import Scored, score_rows
from millrace.core.errors import DataError, ModelError, did_you_mean
from millrace.core.types import Json, Model
from millrace.data.atomic_output import json_bytes, write_file
from millrace.models import EstimatorModel, LoadedModel, enforce_signature, folder_digest, load_model
from millrace.models.mlmodel import MILLRACE

BLESSING_NAME = "blessing.json"
LABEL, PREDICTION = "true_label", "prediction"


def evaluate_model(
    model: Model,
    baseline: Model | None,
    rows: pl.DataFrame,
    settings: Mapping[str, Json],
    *,
    positive_class: str | None,
    label: str | None,
) -> library.Evaluation:
    """`settings` are the thresholds and slices of `millrace.data.EvalConfig`."""
    scored = _score(model, rows, positive_class, label)
    config = library.EvalConfig(label=LABEL, prediction=PREDICTION, problem=scored.problem, **settings)
    sliced = _slice_columns(rows, config)
    before = None
    if baseline is not None:
        try:
            before = _table(sliced, _score(baseline, rows, positive_class, label))
        except (DataError, ModelError) as error:
            raise type(error)(
                f"the baseline, the last blessed model, cannot be evaluated on this data: {error.message}",
                where=error.where,
                remedy="Pass baseline=None to Evaluator to judge this model by itself.",
            ) from error
    return library.evaluate(_table(sliced, scored), config, before)


def write_blessing(
    result: library.Evaluation, model: Model, baseline: Model | None, evaluation: Evaluation, blessing: ModelBlessing
) -> dict[str, float]:
    """Write both outputs; gives the overall metrics that are numbers.

    The baseline's digest is in the blessing: to be better than one model is another finding than to be better than
    another, so it is another input to whoever pushes.
    """
    reasons = [verdict.description for verdict in result.verdicts if verdict.passed == result.blessed]
    against = None if baseline is None else digest_of(baseline)
    document = {"blessed": result.blessed, "reasons": reasons, "model": digest_of(model), "baseline": against}
    evaluation.path.mkdir(parents=True, exist_ok=True)
    library.save_evaluation(result, evaluation.path)
    blessing.path.mkdir(parents=True, exist_ok=True)
    write_file(blessing.path / BLESSING_NAME, json_bytes(document))
    metrics = {name: float(value) for name, value in result.overall.items() if math.isfinite(value)}
    evaluation.metadata.update(metrics=metrics, slices=len(result.slices), baseline=against)
    blessing.metadata.update(blessed=result.blessed, reasons=reasons)
    return metrics


def digest_of(model: Model) -> str:
    """The artifact's digest; outside a task, that of the folder."""
    return model.digest or folder_digest(model.path)


def _score(model: Model, rows: pl.DataFrame, positive_class: str | None, label: str | None) -> Scored:
    loaded = load_model(model.path)
    estimator = loaded.model
    if not isinstance(estimator, EstimatorModel):
        raise ModelError(
            f"Evaluator evaluates scikit-learn models, not a {type(estimator).__name__}", where=str(model.path)
        )
    truth = _truth(loaded, estimator, rows, label)
    there = truth.is_not_null()
    if not there.any():
        raise DataError("no row has a label to evaluate on", remedy="Evaluate on a split whose rows are labelled.")
    if not there.all():
        raise DataError(
            f"{int((~there).sum())} of {rows.height} rows have no label to evaluate on",
            remedy="Leave rows without a label out of the data.",
        )
    return score_rows(estimator, enforce_signature(rows, loaded.signature), truth.to_numpy(), positive_class)


def _truth(loaded: LoadedModel, model: EstimatorModel, rows: pl.DataFrame, label: str | None) -> pl.Series:
    """What the estimator should have said: the label as its transform makes it, or the raw column."""
    name = label or loaded.metadata.flavors.get(MILLRACE, {}).get("label")
    if name is None:
        raise DataError("the model does not say what its label is", remedy="Pass label=... to Evaluator.")
    graph = model.transform
    if graph is not None and name in graph.output_names:
        needed = [column for column in graph.inputs_of(name) if column in rows.columns]
        return graph.apply(rows.select(needed), skip_missing_outputs=True)[name]
    if name not in rows.columns:
        raise DataError(f"there is no label column {name!r}", remedy=did_you_mean(name, rows.columns))
    return rows[name]


def _slice_columns(rows: pl.DataFrame, config: library.EvalConfig) -> pl.DataFrame:
    names = dict.fromkeys(column for columns in config.slices for column in columns)
    for name in names:
        if name not in rows.columns:
            raise DataError(f"there is no column {name!r} to slice by", remedy=did_you_mean(name, rows.columns))
    return rows.select(list(names))


def _table(sliced: pl.DataFrame, scored: Scored) -> pl.DataFrame:
    columns: dict[str, npt.NDArray[np.generic]] = {LABEL: scored.labels, PREDICTION: scored.predictions}
    table = pl.DataFrame(columns)
    return table if sliced.width == 0 else sliced.hstack(table)
