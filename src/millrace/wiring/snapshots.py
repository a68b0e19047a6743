"""Reads code snapshots for loaders.

Invariant: code that runs is the code that was registered: a snapshot's name is the digest of its bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import PurePosixPath

from millrace.core.errors import ArtifactCorrupt
from millrace.interfaces import ArtifactStore


def snapshot_reader(artifacts: ArtifactStore) -> Callable[[str], bytes]:
    """The bytes of a snapshot's URI. ArtifactCorrupt when they are not those that were published."""

    def read(uri: str) -> bytes:
        content = artifacts.fetch(uri).read_bytes()
        if hashlib.sha256(content).hexdigest() != PurePosixPath(uri).stem:
            raise ArtifactCorrupt(
                f"the code snapshot {uri} is damaged",
                remedy="Restore it from a backup, or restart `millrace up`: it is written anew from the file as it is.",
            )
        return content

    return read
