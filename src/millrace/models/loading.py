"""Load a model folder: ours, scikit-learn models saved by mlflow, and any python_function whose loader is installed.

Invariant: whatever wrote the folder, the caller sees one ``LoadedModel`` that checks its input against the
signature before the model sees it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import attrs
import numpy as np

from millrace.core.errors import DataError, ModelError
from millrace.models.enforcement import enforce_signature
from millrace.models.estimator_model import EstimatorModel
from millrace.models.foreign_model import load_foreign_model
from millrace.models.mlmodel import MILLRACE, PYFUNC, SKLEARN, ModelMetadata, read_metadata
from millrace.models.parameters import enforce_params
from millrace.models.signature import ModelSignature
from millrace.models.skops_files import load_estimator

OWN_LOADER = "millrace.models.pyfunc"


class Predictor(Protocol):
    """What a loaded flavor offers: predictions, and scores where it has them."""

    def predict(self, model_input: Any, params: Mapping[str, Any] | None = None) -> Any: ...

    def scores(
        self, model_input: Any, positive_class: str | None = None, params: Mapping[str, Any] | None = None
    ) -> np.ndarray[Any, Any]: ...


@attrs.frozen
class LoadedModel:
    """A model ready to predict. ``model`` is the flavor behind it."""

    path: Path
    metadata: ModelMetadata
    model: Predictor

    @property
    def signature(self) -> ModelSignature | None:
        return self.metadata.signature

    @property
    def class_names(self) -> tuple[str, ...]:
        """A classifier's classes in the order of its probabilities; empty for a regressor or a foreign model."""
        return self.model.class_names if isinstance(self.model, EstimatorModel) else ()

    def predict(self, frame_or_records: Any, params: Mapping[str, Any] | None = None) -> Any:
        """Predictions for a frame, an array, a dict of columns or a list of records, one a row.

        Raises ``ModelError`` naming the column and the value when the input does not fit the signature.
        """
        model_input = enforce_signature(frame_or_records, self.signature)
        return self.model.predict(model_input, enforce_params(params, self.signature))

    def predict_scores(self, frame: Any, positive_class: str | None = None) -> np.ndarray[Any, Any]:
        """Probability of the positive class (binary: the second class unless named), or the regression value."""
        model_input = enforce_signature(frame, self.signature)
        return self.model.scores(model_input, positive_class, enforce_params(None, self.signature))


def load_model(path: str | Path, *, trusted: Sequence[str] = ()) -> LoadedModel:
    """The model in the folder ``path``.

    ``trusted`` names types beyond scikit-learn's that the estimator file may hold; read what they do first.
    Checking types keeps a file from running code of its choice. It does not prove the numbers in it: a tree with
    forged node indices can crash the process, so serve models whose source you know. Models of other tools run
    their own loader, which may unpickle.

    Raises ``ModelError`` with the remedy when the folder is incomplete, damaged or needs a missing package.
    """
    path = Path(path)
    metadata = read_metadata(path)
    pyfunc = metadata.flavors.get(PYFUNC)
    if pyfunc is None:
        raise ModelError(
            f"the model has no python_function flavor, only {', '.join(metadata.flavors) or 'none'}",
            where=str(path),
            remedy="Save it with a flavor that can predict from Python.",
        )
    sklearn = metadata.flavors.get(SKLEARN, {})
    if pyfunc.get("loader_module") == OWN_LOADER:
        flavor = metadata.flavors.get(MILLRACE)
        if flavor is None or "estimator" not in flavor:
            raise ModelError("the millrace flavor is missing", where=str(path), remedy="Save the model again.")
        return LoadedModel(path, metadata, load_estimator_model(path, flavor, trusted=trusted))
    if pyfunc.get("loader_module") == "mlflow.sklearn" and sklearn.get("serialization_format") == "skops":
        flavor = {
            "estimator": sklearn.get("pickled_model"),
            "predict": pyfunc.get("predict_fn", "predict"),
            "skops_trusted_types": sklearn.get("skops_trusted_types"),
        }
        return LoadedModel(path, metadata, load_estimator_model(path, flavor, trusted=trusted))
    return LoadedModel(path, metadata, load_foreign_model(path, pyfunc))


def load_estimator_model(folder: Path, flavor: Mapping[str, Any], *, trusted: Sequence[str] = ()) -> EstimatorModel:
    """The estimator that a ``millrace`` flavor describes, with its transform graph."""
    names, labels = flavor.get("feature_names"), flavor.get("class_labels")
    return EstimatorModel(
        estimator=load_estimator(
            inside(folder, flavor["estimator"]), listed=flavor.get("skops_trusted_types") or (), trusted=trusted
        ),
        transform=_load_transform(folder, flavor.get("transform")),
        feature_names=None if names is None else tuple(names),
        class_labels=None if labels is None else tuple(labels),
        predict_function=flavor.get("predict", "predict"),
    )


def inside(folder: Path, name: Any) -> Path:
    """The path of a file that the MLmodel file names; one outside the folder is refused."""
    path = folder / str(name)
    if not path.resolve().is_relative_to(folder.resolve()):
        raise ModelError(
            f"the model refers to {name!r}, outside its folder", where=str(folder), remedy="Do not use it."
        )
    return path


def _load_transform(folder: Path, name: str | None) -> Any:
    if name is None:
        return None
    from millrace.data.transform import TransformGraph  # lazy: models without a transform graph need no Polars

    path = inside(folder, name)
    if not path.is_dir():
        raise ModelError("the transform graph is missing", where=str(path), remedy="Save the model again.")
    try:
        return TransformGraph.load(path)
    except DataError as error:
        raise ModelError(error.message, where=error.where or str(path), remedy="Save the model again.") from error
