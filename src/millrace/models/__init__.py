"""Models as MLflow's model folders: save, load, sign, check requests against the signature.

The model format is MLmodel; there is no second one. Estimators are skops files, never pickles.
"""

from millrace.models.enforcement import enforce_signature
from millrace.models.estimator_model import EstimatorModel
from millrace.models.folders import folder_digest, published_folder
from millrace.models.inference import infer_signature
from millrace.models.loading import LoadedModel, load_model
from millrace.models.mlmodel import ModelMetadata, read_metadata
from millrace.models.saving import save_model
from millrace.models.signature import ColumnSpec, ModelSignature, ParamSpec, Schema, TensorSpec

__all__ = [
    "ColumnSpec",
    "EstimatorModel",
    "LoadedModel",
    "ModelMetadata",
    "ModelSignature",
    "ParamSpec",
    "Schema",
    "TensorSpec",
    "enforce_signature",
    "folder_digest",
    "infer_signature",
    "load_model",
    "published_folder",
    "read_metadata",
    "save_model",
]
