"""The loader that an MLmodel file names, so that an installed mlflow can load our model folders.

``mlflow.pyfunc.load_model(folder).predict(frame)`` gives what ``load_model(folder).predict(frame)`` gives.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from millrace.models.loading import LoadedModel, load_model


@attrs.frozen
class PyfuncModel:
    """MLflow's contract: ``predict(model_input, params=None)`` over pandas, polars, NumPy, dicts and lists."""

    loaded: LoadedModel

    def predict(self, model_input: Any, params: Mapping[str, Any] | None = None) -> Any:
        return self.loaded.predict(model_input, params)


def _load_pyfunc(path: str) -> PyfuncModel:
    return PyfuncModel(load_model(Path(path)))
