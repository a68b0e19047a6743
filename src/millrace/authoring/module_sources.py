"""Where the source text of a project's modules comes from: its folder, or the snapshot of a pipeline version.

Invariant: a module's text is read once and then stays, so what is executed, fingerprinted and kept in a snapshot is
the same text, however the files change meanwhile.
"""

from __future__ import annotations

import hashlib
import importlib.util
import keyword
import os
import re
import sys
from collections.abc import Iterable, Mapping
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Protocol

from millrace.core.fingerprint import ModuleSource
from millrace.core.types import Json

INSTALLED_FOLDERS = frozenset({"site-packages", "dist-packages"})
_STANDARD_LIBRARY = Path(os.__file__).parent
_PROJECT_MARKERS = ("pyproject.toml", "millrace.toml", "setup.py", "setup.cfg", ".git")


class ModuleSources(Protocol):
    """Source text by module name; ``path`` of a source is relative to ``root``, with forward slashes."""

    root: Path

    def find(self, name: str) -> ModuleSource | None:
        """The project's module of that name; None if it is not the project's."""

    def is_namespace(self, name: str) -> bool:
        """Whether ``name`` is a package only by having modules below it."""

    def owns(self, place: str) -> bool:
        """Whether a folder in which Python looks for submodules is the project's."""

    def name_of(self, relative: str) -> str:
        """The name under which the file is imported."""

    def known(self) -> Iterable[str]:
        """Names that mean the project's modules whatever else is loaded under them."""


class FileSources:
    """Modules of folders, searched in order: the root, ``folders``, and what Python's own path has of the same project.

    The last are packages such as ``src/mylib``, installed so that they can be edited: the project's code too.
    """

    def __init__(self, root: Path, folders: Iterable[Path] = ()) -> None:
        self.root = root
        self._folders = list(dict.fromkeys([root, *folders, *_on_pythons_path(root)]))
        self._found: dict[str, ModuleSource] = {}
        self._named: dict[str, str] = {}

    def find(self, name: str) -> ModuleSource | None:
        if name in self._found:
            return self._found[name]
        if name in self._named:
            return self._keep(name, self.root / self._named[name])
        parts = name.split(".")
        if not all(parts) or not may_be_project(parts[0]):
            return None
        for folder in self._folders:
            stem = folder.joinpath(*parts)
            for file in (stem / "__init__.py", stem.with_name(f"{parts[-1]}.py")):
                if file.is_file() and self.owns(str(file.parent)):
                    return self._keep(name, file)
        return None

    def is_namespace(self, name: str) -> bool:  # noqa: ARG002 - Python finds those by itself: the root is on sys.path
        return False

    def owns(self, place: str) -> bool:
        return any(_is_below(Path(place), folder) for folder in self._folders)

    def name_of(self, relative: str) -> str:
        """The dotted path if that is importable and nothing installed has it, else a name made of the path."""
        parts = Path(relative).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)
        if _importable(parts) and not self._is_installed(parts[0]):
            found = self.find(name)
            if found is not None and found.path == relative:
                return name
        digest = hashlib.sha256(relative.encode()).hexdigest()[:8]
        unique: str = f"pipeline_file_{digest}_{re.sub(r'[^0-9A-Za-z_]', '_', parts[-1])}"
        self._named[unique] = relative
        return unique

    def known(self) -> Iterable[str]:
        return self._named

    def call_it(self, name: str, relative: str) -> None:
        """Let ``name`` mean the file, as the name of a script does."""
        self._named[name] = relative

    def _keep(self, name: str, file: Path) -> ModuleSource:
        text = importlib.util.decode_source(file.read_bytes())
        relative = Path(os.path.relpath(file, self.root)).as_posix()
        source = ModuleSource(name, relative, text)
        self._found[name] = source
        return source

    def _is_installed(self, top: str) -> bool:
        """Whether a top-level name means something outside of the project."""
        elsewhere = [place for place in sys.path if place and not self.owns(place)]
        spec = PathFinder.find_spec(top, elsewhere)
        return spec is not None and spec.origin is not None


class SnapshotSources:
    """Modules of a snapshot document (see :class:`millrace.core.attempts.CodeLocation`)."""

    def __init__(self, root: Path, document: Mapping[str, Json]) -> None:
        self.root = root
        self._found: dict[str, ModuleSource] = {
            name: ModuleSource(name, module["path"], module["text"]) for name, module in document["modules"].items()
        }
        self._by_path: dict[str, str] = {source.path: name for name, source in self._found.items()}
        parents = (name.rpartition(".")[0] for name in self._found if "." in name)
        self._namespaces = {p for parent in parents for p in _with_parents(parent)} - self._found.keys()
        files = [file_of(root, source) for source in self._found.values()]
        self._folders = {str(folder) for file in files for folder in file.parents}

    def find(self, name: str) -> ModuleSource | None:
        return self._found.get(name)

    def is_namespace(self, name: str) -> bool:
        return name in self._namespaces

    def owns(self, place: str) -> bool:
        return place in self._folders or _is_below(Path(place), self.root)

    def known(self) -> Iterable[str]:
        return self._found

    def name_of(self, relative: str) -> str:
        return self._by_path.get(relative, "")


def may_be_project(top: str) -> bool:
    """Whether a top-level name can be a project's: the standard library's and millrace's own cannot be replaced."""
    return top not in sys.stdlib_module_names and top not in {"millrace", "__main__"}


def file_of(root: Path, source: ModuleSource) -> Path:
    """The absolute file name; a package beside the root has a path that begins with ``..``."""
    return Path(os.path.normpath(root / source.path))


def _on_pythons_path(root: Path) -> list[Path]:
    """Places on ``sys.path`` that belong to the project of ``root``: below the nearest folder with a project file."""
    marked = (f for f in (root, *root.parents) if any((f / marker).exists() for marker in _PROJECT_MARKERS))
    project = next(marked, root)
    return [Path(place) for place in sys.path if place and _is_below(Path(place), project)]


def _is_below(place: Path, folder: Path) -> bool:
    if not place.is_relative_to(folder):
        return False
    inside = place.relative_to(folder).parts
    return not INSTALLED_FOLDERS.intersection(inside) and not place.is_relative_to(_STANDARD_LIBRARY)


def _importable(parts: tuple[str, ...]) -> bool:
    return all(p.isidentifier() and not keyword.iskeyword(p) for p in parts) and may_be_project(parts[0])


def _with_parents(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:length]) for length in range(1, len(parts) + 1)]
