"""A fitted estimator with what surrounds it: the transform graph before it, the label names after it.

Invariant: training, evaluation and serving turn raw columns into features by the same fitted graph, and hand
the estimator its columns in the order it was fitted on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np
import polars as pl

from millrace.core.errors import DataError, ModelError, did_you_mean
from millrace.models.inputs import as_frame

if TYPE_CHECKING:
    from millrace.data.transform import TransformGraph

PREDICT_FUNCTIONS = ("predict", "predict_proba")


@attrs.frozen
class EstimatorModel:
    """``class_labels[i]`` names the class that the estimator knows as the number ``i``."""

    estimator: Any
    transform: TransformGraph | None = None
    feature_names: tuple[str, ...] | None = None
    class_labels: tuple[str, ...] | None = None
    predict_function: str = "predict"

    def predict(self, model_input: Any, params: Mapping[str, Any] | None = None) -> np.ndarray[Any, Any]:
        """One value (or, for ``predict_proba``, one row of class probabilities) a row."""
        del params  # an estimator has none
        function = getattr(self.estimator, self.predict_function, None)
        if function is None:
            raise ModelError(
                f"{type(self.estimator).__name__} has no {self.predict_function}",
                remedy='Save the model with predict="predict".',
            )
        raw = np.asarray(function(self.features(model_input)))
        return self._named(raw) if self.predict_function == "predict" else raw

    def scores(
        self, model_input: Any, positive_class: str | None = None, params: Mapping[str, Any] | None = None
    ) -> np.ndarray[Any, Any]:
        """Probability of one class for each row, or the predicted value of a regressor.

        ``positive_class`` names the class; without it a binary classifier gives its second class, and one of
        more classes gives a column for each, in the order of :attr:`class_names`.
        """
        del params  # an estimator has none
        if not hasattr(self.estimator, "classes_"):
            return np.asarray(self.estimator.predict(self.features(model_input)))
        if not hasattr(self.estimator, "predict_proba"):
            raise ModelError(
                f"{type(self.estimator).__name__} gives no probabilities",
                remedy="Wrap it in sklearn.calibration.CalibratedClassifierCV before fitting.",
            )
        probabilities = np.asarray(self.estimator.predict_proba(self.features(model_input)))
        names = self.class_names
        if positive_class is not None:
            if positive_class not in names:
                raise ModelError(
                    f"the model has no class {positive_class!r}", remedy=did_you_mean(positive_class, names)
                )
            return np.asarray(probabilities[:, names.index(positive_class)])
        return np.asarray(probabilities[:, 1]) if len(names) == 2 else probabilities

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes in the order of the columns of ``predict_proba``; empty for a regressor."""
        classes = np.asarray(getattr(self.estimator, "classes_", ()))
        return tuple(str(name) for name in self._named(classes))

    def features(self, model_input: Any) -> Any:
        """The estimator's own input: a named frame when it was fitted on one, else an array."""
        fitted_on = getattr(self.estimator, "feature_names_in_", None)
        names = self.feature_names or (() if fitted_on is None else tuple(fitted_on))
        data = as_frame(model_input, self.input_columns or names)
        if self.transform is not None:
            data = self._transformed(data, self.transform)
        if isinstance(data, np.ndarray):
            return data
        if names:
            data = _selected(data, names)
        return data.to_numpy() if fitted_on is None else data

    @property
    def input_columns(self) -> tuple[str, ...]:
        """The raw columns that a prediction rests on; empty when neither transform nor feature names tell."""
        if self.transform is None:
            return self.feature_names or ()
        needed = {raw for name in self._outputs(self.transform) for raw in self.transform.inputs_of(name)}
        return tuple(name for name in self.transform.input_columns if name in needed)

    def _outputs(self, transform: TransformGraph) -> Sequence[str]:
        return self.feature_names or transform.feature_names

    def _transformed(self, frame: pl.DataFrame | np.ndarray[Any, Any], transform: TransformGraph) -> pl.DataFrame:
        assert isinstance(frame, pl.DataFrame), "named data is a frame"
        if missing := [name for name in self.input_columns if name not in frame.columns]:
            raise ModelError(
                f"the column {missing[0]!r} is missing ({len(missing)} of {len(self.input_columns)})",
                remedy=did_you_mean(missing[0], set(frame.columns) - set(self.input_columns)),
            )
        try:
            # the label is usually absent in serving, and the estimator has no use for it
            outputs = transform.apply(frame.select(self.input_columns), skip_missing_outputs=True)
        except DataError as error:
            raise ModelError(error.message, where=error.where, remedy=error.remedy) from error
        return outputs.select(self._outputs(transform))

    def _named(self, classes: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        labels = self.class_labels
        if labels is None or not np.issubdtype(classes.dtype, np.number):
            return classes
        return np.asarray(np.array(labels, dtype=object)[classes.astype(np.int64)])


def _selected(frame: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
    missing = [name for name in names if name not in frame.columns]
    if missing:
        raise ModelError(
            f"the estimator's column {missing[0]!r} is missing ({len(missing)} of {len(names)})",
            remedy=did_you_mean(missing[0], frame.columns),
        )
    return frame.select(names)
