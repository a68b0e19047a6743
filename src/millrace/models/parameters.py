"""Inference parameters of a request: defaults filled in, types checked against the signature."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from millrace.core.errors import ModelError, did_you_mean
from millrace.models.signature import ModelSignature, ParamSpec

logger = logging.getLogger(__name__)

_PYTHON_TYPES: Mapping[str, type | tuple[type, ...]] = {
    "boolean": bool,
    "integer": int,
    "long": int,
    "float": (int, float),
    "double": (int, float),
    "string": str,
    "object": dict,
}


def enforce_params(params: Mapping[str, Any] | None, signature: ModelSignature | None) -> dict[str, Any]:
    """The parameters the signature names, with its defaults.

    As with MLflow, a parameter that the signature does not name is left out, with a warning in the log.
    """
    specs = (signature.params if signature else None) or ()
    given = dict(params or {})
    known = [spec.name for spec in specs]
    for name in given.keys() - set(known):
        logger.warning("the model takes no parameter %r; it is ignored. %s", name, did_you_mean(name, known) or "")
    return {spec.name: _value(given.get(spec.name, spec.default), spec) for spec in specs}


def _value(value: Any, spec: ParamSpec) -> Any:
    if value is None:
        return None
    wanted = _PYTHON_TYPES.get(spec.type)
    items = value if spec.shape is not None else [value]
    if not isinstance(items, list | tuple):
        raise ModelError(f"the parameter {spec.name!r} takes a list, not {value!r}", remedy="Send a list.")
    for item in items:
        mistaken_bool = isinstance(item, bool) and spec.type not in {"boolean", "any"}
        if wanted is not None and (mistaken_bool or not isinstance(item, wanted)):
            raise ModelError(f"the parameter {spec.name!r} takes {spec.type}, not {item!r}", remedy="Mend its type.")
    return value
