"""The MLmodel file: MLflow's description of a model folder, read and written.

Invariant: keys that Millrace does not know are kept, so a file written by another tool survives a round trip.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import yaml

from millrace.core.errors import ModelError
from millrace.models.signature import ModelSignature

FILE_NAME = "MLmodel"
PYFUNC = "python_function"
SKLEARN = "sklearn"
MILLRACE = "millrace"


@attrs.frozen
class ModelMetadata:
    """What an MLmodel file says. ``others`` holds the keys that have no attribute here."""

    flavors: Mapping[str, Mapping[str, Any]]
    signature: ModelSignature | None = None
    model_uuid: str | None = None
    run_id: str | None = None
    utc_time_created: str | None = None
    metadata: Mapping[str, Any] | None = None
    saved_input_example_info: Mapping[str, Any] | None = None
    others: Mapping[str, Any] = attrs.field(factory=dict)

    def to_dict(self) -> dict[str, Any]:
        known = {
            "flavors": {name: dict(flavor) for name, flavor in self.flavors.items()},
            "metadata": None if self.metadata is None else dict(self.metadata),
            "model_uuid": self.model_uuid,
            "run_id": self.run_id,
            "saved_input_example_info": self.saved_input_example_info and dict(self.saved_input_example_info),
            "signature": None if self.signature is None else self.signature.to_dict(),
            "utc_time_created": self.utc_time_created,
        }
        return {**self.others, **{key: value for key, value in known.items() if value is not None}}

    def to_yaml(self) -> str:
        return yaml.safe_dump(self.to_dict(), sort_keys=True, allow_unicode=True)

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> ModelMetadata:
        names = {field.name for field in attrs.fields(cls)} - {"signature", "others"}
        signature = document.get("signature")
        return cls(
            **{name: document[name] for name in names if name in document},
            signature=ModelSignature.from_dict(signature) if signature else None,
            others={key: value for key, value in document.items() if key not in {*names, "signature"}},
        )


def read_metadata(folder: Path) -> ModelMetadata:
    """The MLmodel file of ``folder``. Raises ``ModelError`` when there is none or it cannot be understood."""
    file = folder / FILE_NAME
    remedy = "Give the folder that save_model (or mlflow) wrote; save the model again if it is damaged."
    try:
        document = yaml.safe_load(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ModelError(
            "there is no MLmodel file: this is no model folder", where=str(folder), remedy=remedy
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"the file cannot be read: {error}", where=str(file), remedy=remedy) from error
    except yaml.YAMLError as error:
        reason = str(error).replace("\n", " ")
        raise ModelError(f"the file is not YAML: {reason}", where=str(file), remedy=remedy) from error
    if not isinstance(document, dict) or not isinstance(document.get("flavors"), dict):
        raise ModelError("the file names no flavors", where=str(file), remedy=remedy)
    if not all(isinstance(flavor, dict) for flavor in document["flavors"].values()):
        raise ModelError("a flavor of the file is not a mapping", where=str(file), remedy=remedy)
    try:
        return ModelMetadata.from_dict(document)
    except ModelError as error:
        raise ModelError(error.message, where=str(file), remedy=error.remedy) from error
