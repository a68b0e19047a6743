"""What the result of a task depends on, kept part by part so that a miss can be explained.

The invariant: two keys are equal exactly when no part differs, and `explain` names every part that does.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from functools import cached_property
from typing import Any, Literal

from attrs import field, frozen

from millrace.core.canonical_json import canonical_json, digest_json

Part = Literal["interface", "parameter", "input", "code", "environment"]
_SHOWN = 60
_CONTEXT = 12


@frozen
class Change:
    """One difference between two cache keys. ``old`` is None where the part is new, ``new`` where it is gone."""

    part: Part
    name: str
    old: Any
    new: Any
    kind: Literal["changed", "added", "removed"] = "changed"

    def sentence(self) -> str:
        """The change in plain words, for a plan."""
        if self.part == "interface":
            return "the task's interface changed (its inputs, outputs, parameters or their types)"
        if self.part == "code":
            return self._code_sentence()
        name = f"{self.part} {self.name}"
        old, new = (self._shown(self.old), self._shown(self.new))
        if self.kind == "added":
            return f"{name} is new ({new})"
        if self.kind == "removed":
            return f"{name} was removed (it was {old})"
        if self.part == "input":
            return f"{name} changed (sha256 {_short(self.old)} -> {_short(self.new)})"
        if old == new:  # both are cut before they differ
            old, new = _from_where_they_differ(self.old, self.new)
        return f"{name} changed from {old} to {new}"

    def _code_sentence(self) -> str:
        noun = str(self.new if self.old is None else self.old).partition(":")[0]
        name = self.name
        if noun == "module":
            name = name.removesuffix(":*")
        if self.kind == "added":
            return f"code: {noun} {name} is new"
        if self.kind == "removed":
            return f"code: {noun} {name} is no longer used"
        return f"code: {noun} {name} changed"

    def _shown(self, value: Any) -> str:
        if self.part == "input":
            return f"sha256 {_short(value)}"
        if self.part == "environment" and isinstance(value, str):
            return value
        return _cut(json.dumps(value, ensure_ascii=False))


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"


def _from_where_they_differ(old: Any, new: Any) -> tuple[str, str]:
    """Two long values, each from a little before the first difference."""
    texts = [json.dumps(value, ensure_ascii=False) for value in (old, new)]
    alike = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(*texts, strict=False))
    start = max(0, sum(1 for _ in alike) - _CONTEXT)
    return _cut(f"…{texts[0][start:]}"), _cut(f"…{texts[1][start:]}")


def _short(digest: object) -> str:
    return f"{str(digest).removeprefix('sha256:')[:8]}…"


def _texts(value: Mapping[str, str]) -> dict[str, str]:
    return dict(value)


def _values(value: Mapping[str, Any]) -> dict[str, Any]:
    return dict(value)


@frozen
class CacheKey:
    """What the result of a task depends on, part by part, and the digest over all of it.

    ``interface``: digest of the task's spec. ``code``: what `code_closure` gives. ``parameters``: JSON values.
    ``inputs``: digest of each input artifact by input name. ``environment``: what the task declares, such as
    the Python version or a package's version.
    """

    interface: str
    code: Mapping[str, str] = field(factory=dict, converter=_texts)
    parameters: Mapping[str, Any] = field(factory=dict, converter=_values)
    inputs: Mapping[str, str] = field(factory=dict, converter=_texts)
    environment: Mapping[str, str] = field(factory=dict, converter=_texts)

    @cached_property
    def key(self) -> str:
        """sha256 hex over all parts."""
        return digest_json(self.to_json())

    def to_json(self) -> dict[str, Any]:
        return {
            "interface": self.interface,
            "code": dict(self.code),
            "parameters": dict(self.parameters),
            "inputs": dict(self.inputs),
            "environment": dict(self.environment),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> CacheKey:
        return cls(
            interface=value["interface"],
            code=value["code"],
            parameters=value["parameters"],
            inputs=value["inputs"],
            environment=value["environment"],
        )


def explain(old: CacheKey, new: CacheKey) -> list[Change]:
    """Every difference, in the order in which a person looks: parameters, inputs, code, interface, environment."""
    changes = _differences("parameter", old.parameters, new.parameters)
    changes += _differences("input", old.inputs, new.inputs)
    changes += _differences("code", old.code, new.code)
    if old.interface != new.interface:
        changes.append(Change("interface", "interface", old.interface, new.interface))
    return changes + _differences("environment", old.environment, new.environment)


def _differences(part: Part, old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Change]:
    changes = []
    for name in sorted(old.keys() | new.keys()):
        if name not in old:
            changes.append(Change(part, name, None, new[name], "added"))
        elif name not in new:
            changes.append(Change(part, name, old[name], None, "removed"))
        elif canonical_json(old[name]) != canonical_json(new[name]):
            changes.append(Change(part, name, old[name], new[name]))
    return changes
