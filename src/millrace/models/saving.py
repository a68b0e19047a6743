"""Write a model folder that Millrace and an installed mlflow both load.

Invariant: the folder appears whole or not at all, and equal content gives equal bytes; only ``model_uuid``
(derived from the content) and ``utc_time_created`` (given by the caller) name the occasion.
"""

from __future__ import annotations

import platform
import shutil
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import attrs
import polars as pl

from millrace.core.errors import ModelError
from millrace.models.environment import CONDA, PYTHON_ENV, environment_files, pinned
from millrace.models.estimator_model import EstimatorModel
from millrace.models.examples import write_example
from millrace.models.folders import folder_digest, published_folder
from millrace.models.inference import infer_signature
from millrace.models.loading import load_estimator_model
from millrace.models.mlmodel import FILE_NAME, MILLRACE, PYFUNC, SKLEARN, ModelMetadata
from millrace.models.signature import ModelSignature
from millrace.models.skops_files import dump_estimator, untrusted_types

ESTIMATOR_FILE = "model.skops"
TRANSFORM_FOLDER = "transform"


def save_model(
    path: Path,
    estimator: Any,
    *,
    transform: Path | None = None,
    feature_names: Sequence[str] | None = None,
    label: str | None = None,
    signature: ModelSignature | None = None,
    input_example: pl.DataFrame | None = None,
    class_labels: Sequence[str] | None = None,
    predict: Literal["predict", "predict_proba"] = "predict",
    metadata: Mapping[str, Any] | None = None,
    run_id: str | None = None,
    model_uuid: str | None = None,
    created: datetime | None = None,
) -> None:
    """Save a fitted scikit-learn ``estimator`` at ``path``, which must not exist yet.

    ``transform`` is the folder of a fitted transform graph; it is copied in and applied before every
    prediction. ``feature_names`` are the (transformed) columns in the order the estimator was fitted on.
    ``class_labels[i]`` names class ``i``. Of ``input_example`` the columns that a prediction rests on are kept;
    without ``signature`` one is inferred from them.
    ``created`` is written as given (UTC); without it the file has no time.

    Raises ``ModelError`` when the estimator cannot be saved or would not load again, ``ConflictError`` when
    ``path`` exists.
    """
    if created is not None and created.tzinfo is None:
        raise ModelError("`created` has no time zone", remedy="Pass datetime.now(UTC).")
    if transform is not None and not transform.is_dir():
        raise ModelError("there is no transform graph", where=str(transform), remedy="Fit and save it first.")
    with published_folder(path) as folder:
        data = dump_estimator(estimator)
        (folder / ESTIMATOR_FILE).write_bytes(data)
        if transform is not None:
            shutil.copytree(transform, folder / TRANSFORM_FOLDER)
        for name, text in environment_files(pinned()).items():
            (folder / name).write_text(text, encoding="utf-8")
        flavor = {
            "class_labels": None if class_labels is None else list(class_labels),
            "estimator": ESTIMATOR_FILE,
            "estimator_class": f"{type(estimator).__module__}.{type(estimator).__qualname__}",
            "feature_names": None if feature_names is None else list(feature_names),
            "label": label,
            "predict": predict,
            "skops_trusted_types": untrusted_types(data),
            "transform": None if transform is None else TRANSFORM_FOLDER,
        }
        model = _load_again(path, folder, flavor)
        if input_example is not None and (needed := model.input_columns):
            input_example = input_example.select(name for name in input_example.columns if name in needed)
        if input_example is not None and signature is None:
            signature = infer_signature(input_example, model.predict(input_example))
        document = ModelMetadata(
            flavors=_flavors(flavor),
            signature=signature,
            run_id=run_id,
            metadata=metadata,
            saved_input_example_info=None if input_example is None else write_example(folder, input_example),
            others={"model_size_bytes": sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())},
        )
        _write_metadata(folder, document, model_uuid, created)


def _load_again(path: Path, folder: Path, flavor: Mapping[str, Any]) -> EstimatorModel:
    """A model that would not load is refused now, not in production."""
    try:
        return load_estimator_model(folder, flavor)
    except ModelError as error:
        raise ModelError(
            error.message,
            where=str(path),
            remedy="Build the estimator from classes and functions that scikit-learn, NumPy or SciPy define.",
        ) from error


def _flavors(flavor: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    flavors: dict[str, dict[str, Any]] = {
        MILLRACE: dict(flavor),
        PYFUNC: {
            "env": {"conda": CONDA, "virtualenv": PYTHON_ENV},
            "loader_module": "millrace.models.pyfunc",
            "python_version": platform.python_version(),
        },
    }
    if flavor["transform"] is None:  # the estimator alone is the whole model, so plain scikit-learn users get it too
        import sklearn  # lazy: takes a second, and only saving needs it

        flavors[SKLEARN] = {
            "code": None,
            "pickled_model": ESTIMATOR_FILE,
            "serialization_format": "skops",
            "sklearn_version": sklearn.__version__,
            "skops_trusted_types": list(flavor["skops_trusted_types"]) or None,
        }
    return flavors


def _write_metadata(folder: Path, document: ModelMetadata, model_uuid: str | None, created: datetime | None) -> None:
    file = folder / FILE_NAME
    file.write_text(document.to_yaml(), encoding="utf-8")  # the digest covers it, without uuid and time
    stamped = attrs.evolve(
        document,
        model_uuid=model_uuid or folder_digest(folder)[:32],
        utc_time_created=None if created is None else created.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f"),
    )
    file.write_text(stamped.to_yaml(), encoding="utf-8")
