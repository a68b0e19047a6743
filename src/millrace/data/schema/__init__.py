"""Schemas: what data is expected to look like; inferred, reviewed in YAML, kept, widened when data changes."""

from millrace.data.schema.inference import infer_schema
from millrace.data.schema.model import (
    BoolDomain,
    DatasetConstraints,
    DistributionConstraints,
    Feature,
    FeatureComparator,
    FloatDomain,
    IntDomain,
    NumExamplesComparator,
    Presence,
    Schema,
    StringDomain,
    UniqueConstraints,
    ValueCount,
)
from millrace.data.schema.update import update_schema
from millrace.data.schema.yaml_file import load_schema, save_schema, schema_from_yaml, schema_to_yaml

__all__ = [
    "BoolDomain",
    "DatasetConstraints",
    "DistributionConstraints",
    "Feature",
    "FeatureComparator",
    "FloatDomain",
    "IntDomain",
    "NumExamplesComparator",
    "Presence",
    "Schema",
    "StringDomain",
    "UniqueConstraints",
    "ValueCount",
    "infer_schema",
    "load_schema",
    "save_schema",
    "schema_from_yaml",
    "schema_to_yaml",
    "update_schema",
]
