"""The artifact store that a setting names."""

from __future__ import annotations

from pathlib import Path

from millrace.interfaces import ArtifactStore
from millrace.storage.artifacts import LocalArtifactStore


def open_artifacts(root: str, home: Path) -> ArtifactStore:
    """A folder, or any other fsspec URL through its own driver; what is fetched from there is kept in ``home``."""
    if "://" not in root:
        return LocalArtifactStore(Path(root))
    from millrace.storage.object_artifacts import FsspecArtifactStore  # lazy: fsspec, and only for object stores

    return FsspecArtifactStore(root, cache=home / "cache")
