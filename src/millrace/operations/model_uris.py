"""Model URIs: ``models:/name/3``, ``models:/name@alias``, ``models:/name/latest``, or the path of a model folder."""

from __future__ import annotations

import re
from pathlib import Path

import attrs

from millrace.core.errors import NotFoundError, UsageError
from millrace.core.records import ModelVersion
from millrace.interfaces import ArtifactStore, RegistryStore

_MODELS = re.compile(r"models:/+(?P<name>[^/:@]+)(?:@(?P<alias>[\w-]+)|/(?P<version>\d+|latest))")
_FORMS = "Use models:/NAME/VERSION, models:/NAME@ALIAS, models:/NAME/latest, or the path of a model folder."


@attrs.frozen
class FoundModel:
    path: Path
    version: ModelVersion | None
    """None for a plain folder."""


def find_model(uri: str, registry: RegistryStore, artifacts: ArtifactStore) -> FoundModel:
    """The folder that ``uri`` names, local to read."""
    if not uri.startswith("models:"):
        path = Path(uri)
        if "://" in uri or not path.is_dir():
            raise NotFoundError("model folder", uri, remedy=_FORMS)
        return FoundModel(path, None)
    version = find_version(uri, registry)
    return FoundModel(artifacts.fetch(version.source), version)


def find_version(uri: str, registry: RegistryStore) -> ModelVersion:
    """The registered version that a ``models:/`` URI names."""
    match = _MODELS.fullmatch(uri)
    if match is None:
        raise UsageError(f"{uri!r} is not a model URI", remedy=_FORMS)
    name, alias, version = match["name"], match["alias"], match["version"]
    if alias is not None:
        return registry.model_version_by_alias(name, alias)
    if version == "latest":
        versions = registry.model_versions(name)
        if not versions:
            raise NotFoundError("model version", uri, where=f"registered model {name!r}")
        return versions[0]
    return registry.model_version(name, int(version))
