"""Estimators as skops files: written byte for byte the same for equal content, read without running code.

Invariant: nothing is constructed from a file before every type in it is trusted. Trusted are the types that
skops itself vouches for (builtins, NumPy, SciPy, scikit-learn's estimators), classes that scikit-learn defines
and the model's MLmodel file lists, and what the caller names.
"""

from __future__ import annotations

import importlib
import io
import json
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from millrace.core.errors import ModelError

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time a zip entry can have
_MALFORMED = (zipfile.BadZipFile, KeyError, ValueError, TypeError, AttributeError, ImportError, OSError)


def dump_estimator(estimator: Any) -> bytes:
    """The skops file. Raises ``ModelError`` for an estimator that skops cannot write."""
    from skops import io as skops_io  # lazy: takes scikit-learn with it

    try:
        return _canonical(skops_io.dumps(estimator))
    except (TypeError, AttributeError, RecursionError) as error:
        raise ModelError(
            f"{type(estimator).__name__} cannot be saved: {error}",
            remedy="Use estimators and functions of scikit-learn, NumPy and SciPy, defined in modules, not lambdas.",
        ) from error


def untrusted_types(data: bytes) -> list[str]:
    """The types in a skops file that skops does not vouch for."""
    from skops import io as skops_io  # lazy: takes scikit-learn with it

    return list(skops_io.get_untrusted_types(data=data))


def load_estimator(file: Path, *, listed: Iterable[str] = (), trusted: Sequence[str] = ()) -> Any:
    """The estimator in ``file``. ``listed`` is the model's own claim, ``trusted`` the caller's decision."""
    from skops import io as skops_io  # lazy: takes scikit-learn with it

    try:
        data = file.read_bytes()
    except OSError as error:
        raise ModelError(
            f"the estimator cannot be read: {error.strerror}", where=str(file), remedy="Save the model again."
        ) from error
    try:
        needed = untrusted_types(data)
    except _MALFORMED as error:
        raise ModelError(
            f"the file is not a whole skops file: {error}", where=str(file), remedy="Save the model again."
        ) from error
    claimed = set(listed)
    refused = [name for name in needed if name not in trusted and not (name in claimed and _is_sklearn_class(name))]
    if refused:
        raise ModelError(
            f"the model holds types that are not trusted: {', '.join(refused)}",
            where=str(file),
            remedy="If you know where the model comes from and what these types do, load it with "
            f"load_model(path, trusted={refused!r}).",
        )
    try:
        return skops_io.loads(data, trusted=needed)
    except _MALFORMED as error:
        raise ModelError(
            f"the estimator cannot be built: {error}",
            where=str(file),
            remedy="Install the versions that the model's requirements.txt names, or train the model again.",
        ) from error


def _is_sklearn_class(name: str) -> bool:
    """Whether ``name`` is a class that scikit-learn defines.

    The prefix alone would let a file name whatever a scikit-learn module happens to import.
    """
    module_name, _, class_name = name.rpartition(".")
    if not module_name.startswith("sklearn."):
        return False
    try:
        found = getattr(importlib.import_module(module_name), class_name, None)
    except ImportError:
        return False
    return isinstance(found, type) and found.__module__.startswith("sklearn.")


def _canonical(data: bytes) -> bytes:
    """Number objects and files by their order instead of by memory address, and drop the entries' times.

    skops uses ``id()`` to tell one object met twice from two equal ones; any injective renaming keeps that.
    """
    with zipfile.ZipFile(io.BytesIO(data)) as source:
        schema = json.loads(source.read("schema.json"))
        ids: dict[int, int] = {}
        files: dict[str, str] = {}
        _renumber(schema, ids, files)
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as target:
            for old, new in files.items():
                target.writestr(_entry(new), source.read(old))
            target.writestr(_entry("schema.json"), json.dumps(schema))
    return buffer.getvalue()


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _EPOCH)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.create_system = 3  # the same bytes on every platform
    entry.external_attr = 0o644 << 16
    return entry


def _renumber(node: Any, ids: dict[int, int], files: dict[str, str]) -> None:
    """Rename in place. The content of a node comes before its own id, so a loop, not recursion, keeps an order."""
    pending = [node]
    while pending:
        current = pending.pop()
        if isinstance(current, list):
            pending.extend(reversed(current))
        elif isinstance(current, dict):
            if isinstance(current.get("__id__"), int):
                current["__id__"] = ids.setdefault(current["__id__"], len(ids) + 1)
            if "__loader__" in current and isinstance(current.get("file"), str):
                old = current["file"]
                current["file"] = files.setdefault(old, f"{len(files) + 1}{Path(old).suffix}")
            pending.extend(reversed(current.values()))
