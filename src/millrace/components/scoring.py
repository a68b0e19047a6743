"""Labels beside predictions, in the form that the metrics take: what Trainer and Evaluator measure alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np
import numpy.typing as npt

import millrace.data as library
from millrace.core.errors import DataError

if TYPE_CHECKING:
    from millrace.models import EstimatorModel


@attrs.frozen(eq=False)
class Scored:
    """`problem` is binary, multiclass or regression. Binary: labels 0 and 1, and scores of the positive class."""

    problem: str
    labels: npt.NDArray[Any]
    predictions: npt.NDArray[Any]

    def metrics(self) -> Mapping[str, float]:
        if self.problem == "binary":
            return library.binary_metrics(self.labels, self.predictions)
        if self.problem == "regression":
            return library.regression_metrics(self.labels, self.predictions)
        return library.multiclass_metrics(self.labels, self.predictions)


def score_rows(model: EstimatorModel, rows: Any, truth: npt.NDArray[Any], positive_class: str | None = None) -> Scored:
    """`truth` holds what the estimator was fitted to predict, one a row. `positive_class`: else the second."""
    names = model.class_names
    if not names:
        return Scored("regression", truth, model.scores(rows))
    classes = np.asarray(model.estimator.classes_)
    strange = ~np.isin(truth, classes)
    if strange.any():
        raise DataError(
            f"the label {truth[strange][0]!r} ({int(strange.sum())} rows) is none of the model's classes",
            remedy=f"The model was fitted on: {', '.join(names)}.",
        )
    if len(names) == 2:
        place = 1 if positive_class is None else _place(positive_class, names)
        labels = (truth == classes[place]).astype(np.int64)
        return Scored("binary", labels, model.scores(rows, names[place]))
    by_class = dict(zip(classes.tolist(), names, strict=True))
    return Scored("multiclass", np.array([by_class[one] for one in truth.tolist()]), model.predict(rows).astype(str))


def _place(positive_class: str, names: tuple[str, ...]) -> int:
    if positive_class not in names:
        raise DataError(f"the model has no class {positive_class!r}", remedy=f"It has: {', '.join(names)}.")
    return names.index(positive_class)
