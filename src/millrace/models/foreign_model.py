"""Python_function models that other tools wrote, through the loader module their MLmodel file names.

These take pandas frames, so pandas is needed here and only here.
"""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import polars as pl

from millrace.core.errors import ModelError


@attrs.frozen
class ForeignModel:
    """An object of a loader module: ``predict(model_input[, params])``."""

    implementation: Any
    predict_function: str = "predict"

    def predict(self, model_input: Any, params: Mapping[str, Any] | None = None) -> Any:
        return _call(getattr(self.implementation, self.predict_function), _to_pandas(model_input), params)

    def scores(
        self, model_input: Any, positive_class: str | None = None, params: Mapping[str, Any] | None = None
    ) -> np.ndarray[Any, Any]:
        """As :meth:`EstimatorModel.scores`, as far as the foreign object offers ``predict_proba``."""
        if positive_class is not None:
            raise ModelError(
                "a model of another tool gives no probabilities by class name",
                remedy="Save it with millrace.models.save_model, or ask for predictions.",
            )
        probability = getattr(self.implementation, "predict_proba", None)
        if probability is not None:
            scores = np.asarray(_call(probability, _to_pandas(model_input), params))
            return np.asarray(scores[:, 1]) if scores.ndim == 2 and scores.shape[1] == 2 else scores
        predictions = np.asarray(self.predict(model_input, params))
        if not np.issubdtype(predictions.dtype, np.number):
            raise ModelError("the model predicts no numbers", remedy="Ask for its predictions instead.")
        return predictions


def load_foreign_model(folder: Path, flavor: Mapping[str, Any]) -> ForeignModel:
    """The model behind a ``python_function`` flavor. Raises ``ModelError`` naming the package that is missing."""
    name = str(flavor.get("loader_module"))
    code = flavor.get("code")
    if code and str(folder / code) not in sys.path:
        sys.path.insert(0, str(folder / code))
    try:
        loader = importlib.import_module(name)
        data = flavor.get("data")
        config = [flavor["config"]] if flavor.get("config") else []
        implementation = loader._load_pyfunc(str(folder / data if data else folder), *config)  # noqa: SLF001 - MLflow's contract
    except ModuleNotFoundError as error:
        package = (error.name or name).partition(".")[0]
        raise ModelError(
            f"the model needs the package {package!r} (its loader is {name})",
            where=str(folder),
            remedy=f"Install it: pip install {package}. The model's requirements.txt has the versions.",
        ) from error
    except AttributeError as error:
        raise ModelError(
            f"the loader module {name} has no _load_pyfunc", where=str(folder), remedy="Save the model again."
        ) from error
    return ForeignModel(implementation, flavor.get("predict_fn", "predict"))


def _call(function: Any, model_input: Any, params: Mapping[str, Any] | None) -> Any:
    takes_params = "params" in inspect.signature(function).parameters
    return function(model_input, params=dict(params or {})) if takes_params else function(model_input)


def _to_pandas(model_input: Any) -> Any:
    if not isinstance(model_input, pl.DataFrame):
        return model_input
    try:
        return model_input.to_pandas()
    except ModuleNotFoundError as error:
        raise ModelError(
            "models of other tools take pandas frames, and pandas is not installed", remedy="pip install pandas"
        ) from error
