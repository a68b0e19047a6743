"""The folder that a model is pushed to: which version comes next, and what is said of a push."""

from __future__ import annotations

from pathlib import Path

import orjson

from millrace.components.artifact_types import PushedModel
from millrace.components.model_evaluation import BLESSING_NAME, digest_of
from millrace.core.errors import DataError
from millrace.core.types import Json, Model
from millrace.data.atomic_output import json_bytes, storage_errors, write_file
from millrace.models import folder_digest
from millrace.serving.push import latest_pushed, push_model

PUSHED_NAME = "pushed.json"


def read_blessing(folder: Path) -> Json:
    """The document that Evaluator wrote; DataError where there is none."""
    path = folder / BLESSING_NAME
    try:
        document = orjson.loads(path.read_bytes())
        return {"blessed": bool(document["blessed"]), "reasons": [str(one) for one in document["reasons"]]}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"the blessing cannot be read: {error}", where=str(path)) from error


def prepare(destination: Path) -> None:
    """Make the folder that versions are pushed to, before anything is registered; StorageError if that cannot be."""
    with storage_errors(destination):
        destination.mkdir(parents=True, exist_ok=True)


def next_version(model: Path, destination: Path) -> str:
    """One more than the highest number there; the newest itself when it holds the same model already."""
    newest = latest_pushed(destination)
    if newest is not None and folder_digest(newest) == folder_digest(model):
        return newest.name
    folders = destination.iterdir() if destination.is_dir() else ()
    taken = [int(one.name) for one in folders if one.name.isascii() and one.name.isdecimal()]
    return str(max(taken, default=0) + 1)


def push(model: Path, destination: Path, version: str) -> Path:
    return push_model(model, destination, version=version)


def write_pushed(
    pushed: PushedModel, folder: Path, model: Model, version: str, model_name: str | None, alias: str | None
) -> None:
    document = {
        "destination": str(folder),
        "version": version,
        "model": digest_of(model),
        "registered_model": model_name,
        "alias": alias if model_name is not None else None,
    }
    pushed.path.mkdir(parents=True, exist_ok=True)
    write_file(pushed.path / PUSHED_NAME, json_bytes(document))
    pushed.metadata.update(pushed=True, **document)
