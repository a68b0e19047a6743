"""Push a model into a serving folder, one sub-folder a version, as TFX's Pusher lays them out.

Invariant: a version is visible only when it is whole, and never changes afterwards.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from millrace.core.errors import ConflictError, ModelError
from millrace.models import folder_digest, published_folder, read_metadata
from millrace.models.mlmodel import FILE_NAME

_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


def push_model(model_dir: Path, destination: Path, *, version: str) -> Path:
    """Copy the model to ``<destination>/<version>/`` and return that path.

    Pushing the same content again changes nothing. Raises ``ModelError`` when ``model_dir`` is no model folder or
    ``version`` no plain name, ``ConflictError`` when the version exists with other content.
    """
    if not _VERSION.fullmatch(version):
        raise ModelError(f"{version!r} is no version", remedy="Use letters, digits, '.', '_' and '-'.")
    read_metadata(model_dir)
    target = destination / version
    if target.is_dir() and any(target.iterdir()):
        if folder_digest(target) == folder_digest(model_dir):
            return target
        raise ConflictError(
            f"version {version} is pushed already, with other content", where=str(target), remedy="Use a new version."
        )
    with published_folder(target) as folder:
        shutil.copytree(model_dir, folder, dirs_exist_ok=True)
        os.utime(folder)  # copytree gave it the model's time; `latest_pushed` wants the push's
    return target


def latest_pushed(base: Path) -> Path | None:
    """The newest version under ``base``: the highest number; among names that are no numbers, the last pushed."""
    if not base.is_dir():
        return None
    pushed = [folder for folder in base.iterdir() if not folder.name.startswith(".") and (folder / FILE_NAME).is_file()]
    return max(pushed, key=_age, default=None)


def _age(folder: Path) -> tuple[bool, int, int, str]:
    number = folder.name.isascii() and folder.name.isdecimal()
    return number, int(folder.name) if number else 0, folder.stat().st_mtime_ns, folder.name
