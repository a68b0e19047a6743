"""Versions of installed distributions; on its own, because importlib.metadata loads an e-mail parser."""

from __future__ import annotations

import importlib.metadata
import sys
from collections.abc import Iterable, Mapping
from functools import cache

from millrace.core.errors import GraphError


def versions_of(distributions: Mapping[str, str | None]) -> dict[str, str]:
    """Installed versions of ``distributions`` (name -> the line that declares it); GraphError for one that is not."""
    found = {}
    for name, where in distributions.items():
        version = _version(name)
        if version is None:
            raise GraphError(
                f"the environment names {name!r}, which is not installed", where=where, remedy=f"pip install {name}"
            )
        found[name] = version
    return dict(sorted(found.items()))


def version_of_module(module: str) -> str:
    """``"numpy 2.1.0"`` for a module of that distribution, ``"python 3.11"`` for one of the standard library."""
    top = module.partition(".")[0]
    if top in sys.stdlib_module_names:
        return f"python {sys.version_info.major}.{sys.version_info.minor}"
    names: Iterable[str] = [top] if _version(top) else _distributions_of_modules().get(top, [top])
    return ", ".join(f"{name} {_version(name) or 'of unknown version'}" for name in sorted(names))


@cache
def _version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


@cache
def _distributions_of_modules() -> Mapping[str, list[str]]:
    return importlib.metadata.packages_distributions()
