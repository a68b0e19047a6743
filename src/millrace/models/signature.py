"""A model's signature: what columns or arrays it takes and gives, read and written as MLflow's JSON.

Invariant: ``ModelSignature.from_dict(s.to_dict()) == s``, nested types that Millrace does not interpret
(``object``, ``map``, ``any``) included.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from millrace.core.errors import ModelError

SCALAR_TYPES = ("boolean", "integer", "long", "float", "double", "string", "binary", "datetime")
NESTED_TYPES = ("array", "object", "map", "any")
_NESTED_KEYS = {"array": "items", "object": "properties", "map": "values"}


@attrs.frozen
class ColumnSpec:
    """One column. ``nested`` holds MLflow's description of the elements of array, object and map columns."""

    type: str = attrs.field()
    name: str | None = None
    required: bool = True
    nested: Any = None

    @type.validator
    def _known(self, _attribute: object, value: str) -> None:
        if value not in SCALAR_TYPES and value not in NESTED_TYPES:
            raise ModelError(
                f"the signature has the unknown column type {value!r}",
                remedy=f"Types are: {', '.join((*SCALAR_TYPES, *NESTED_TYPES))}.",
            )

    def to_json(self) -> dict[str, Any]:
        spec: dict[str, Any] = {"type": self.type}
        if self.nested is not None:
            spec[_NESTED_KEYS[self.type]] = self.nested
        if self.name is not None:
            spec["name"] = self.name
        return {**spec, "required": self.required}


@attrs.frozen
class TensorSpec:
    """One array: a NumPy dtype and a shape in which -1 stands for any length."""

    dtype: str
    shape: tuple[int, ...]
    name: str | None = None

    def to_json(self) -> dict[str, Any]:
        spec: dict[str, Any] = {"type": "tensor"}
        if self.name is not None:
            spec["name"] = self.name
        return {**spec, "tensor-spec": {"dtype": self.dtype, "shape": list(self.shape)}}


@attrs.frozen
class Schema:
    """The inputs or the outputs: columns only, or tensors only."""

    specs: tuple[ColumnSpec | TensorSpec, ...]

    @property
    def columns(self) -> tuple[ColumnSpec, ...]:
        return tuple(spec for spec in self.specs if isinstance(spec, ColumnSpec))

    @property
    def tensors(self) -> tuple[TensorSpec, ...]:
        return tuple(spec for spec in self.specs if isinstance(spec, TensorSpec))

    @property
    def names(self) -> tuple[str, ...]:
        """The names in order; empty when the specs have none."""
        return tuple(spec.name for spec in self.specs if spec.name is not None)

    def to_json(self) -> str:
        return json.dumps([spec.to_json() for spec in self.specs])

    @classmethod
    def from_json(cls, text: str) -> Schema:
        schema = cls(tuple(_spec(item) for item in _json_list(text)))
        if schema.columns and schema.tensors:
            raise ModelError("the signature mixes columns and tensors", remedy="Use one or the other.")
        return schema


@attrs.frozen
class ParamSpec:
    """An inference parameter. ``shape`` is None for a scalar and ``(-1,)`` for a list."""

    name: str
    type: str
    default: Any = None
    shape: tuple[int, ...] | None = None

    def to_json(self) -> dict[str, Any]:
        shape = None if self.shape is None else list(self.shape)
        return {"name": self.name, "type": self.type, "default": self.default, "shape": shape}


@attrs.frozen
class ModelSignature:
    inputs: Schema | None = None
    outputs: Schema | None = None
    params: tuple[ParamSpec, ...] | None = None

    def to_dict(self) -> dict[str, str | None]:
        """As the ``signature`` key of an MLmodel file: each part is a JSON string or None."""
        params = None if self.params is None else json.dumps([param.to_json() for param in self.params])
        return {
            "inputs": None if self.inputs is None else self.inputs.to_json(),
            "outputs": None if self.outputs is None else self.outputs.to_json(),
            "params": params,
        }

    @classmethod
    def from_dict(cls, parts: Mapping[str, Any]) -> ModelSignature:
        inputs, outputs, params = parts.get("inputs"), parts.get("outputs"), parts.get("params")
        return cls(
            inputs=Schema.from_json(inputs) if inputs else None,
            outputs=Schema.from_json(outputs) if outputs else None,
            params=tuple(_param(item) for item in _json_list(params)) if params else None,
        )


def _json_list(text: str) -> Sequence[Mapping[str, Any]]:
    try:
        items = json.loads(text)
    except (TypeError, ValueError) as error:
        raise ModelError(f"the signature is not JSON: {error}", remedy="Save the model again.") from error
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise ModelError("the signature is not a JSON list of objects", remedy="Save the model again.")
    return items


def _spec(item: Mapping[str, Any]) -> ColumnSpec | TensorSpec:
    kind, name = item.get("type"), item.get("name")
    if kind == "tensor":
        tensor = item.get("tensor-spec")
        if not isinstance(tensor, dict) or not {"dtype", "shape"} <= tensor.keys():
            raise ModelError("a tensor of the signature has no dtype and shape", remedy="Save the model again.")
        return TensorSpec(str(tensor["dtype"]), tuple(int(length) for length in tensor["shape"]), name)
    # older files wrote "optional": true where newer ones write "required": false
    required = bool(item.get("required", not item.get("optional", False)))
    return ColumnSpec(str(kind), name, required, item.get(_NESTED_KEYS.get(str(kind), "")))


def _param(item: Mapping[str, Any]) -> ParamSpec:
    shape = item.get("shape")
    kind = str(item.get("type", item.get("dtype")))
    return ParamSpec(str(item.get("name")), kind, item.get("default"), None if shape is None else tuple(shape))
