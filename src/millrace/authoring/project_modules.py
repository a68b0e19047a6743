"""Importing a project's modules from given sources, apart from every other state of the same project.

Invariant: in one process several states of a project may be loaded (two versions of a pipeline, two folders with
modules of the same names), and one is active: ``sys.modules`` and the import system show its modules only. What a
function imports while it runs therefore comes from the state it belongs to, if that is activated first.
"""

from __future__ import annotations

import importlib
import importlib.util
import linecache
import sys
import threading
from collections.abc import Sequence
from importlib.abc import InspectLoader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import CodeType, ModuleType

from millrace.authoring.module_sources import ModuleSources, file_of
from millrace.core.fingerprint import ModuleSource, import_closure


class ProjectModules(MetaPathFinder):
    """One state of a project."""

    def __init__(self, sources: ModuleSources, *, search: Sequence[Path] = ()) -> None:
        self.sources = sources
        self.root = sources.root
        self.entry = ""
        """The name of the pipeline file's module, once it is imported."""
        self._search = [str(folder) for folder in dict.fromkeys([self.root, *search])]
        self._modules: dict[str, ModuleType] = {}
        self._added: list[str] = []
        self._aside: dict[str, ModuleType] = {}
        """Modules of others that bore a name of this project; they come back when it is withdrawn."""

    def import_file(self, relative: str) -> ModuleType:
        """Import the file and whatever it imports; raises what the user's code raises."""
        with _active.lock:
            self.activate()
            self.entry = self.sources.name_of(relative)
            self._set_aside([self.entry, *self.sources.known()])
            return importlib.import_module(self.entry)

    def activate(self) -> None:
        """Make this state the one that imports see."""
        if _active.project is self:
            return
        with _active.lock:
            if _active.project is not None:
                _active.project._withdraw()  # noqa: SLF001 - the class's own
            _active.project = self
            sys.meta_path.insert(0, self)
            # At the end: they serve namespace packages and child processes; project modules come from this finder.
            self._added = [place for place in self._search if place not in sys.path]
            sys.path.extend(self._added)
            importlib.invalidate_caches()
            self._set_aside(list(self._modules))
            sys.modules.update(self._modules)

    def closure(self) -> dict[str, ModuleSource]:
        """The sources of the pipeline file and of all project modules that it imports, now or later."""
        found = import_closure(self.entry, self.sources.find)
        for name in [*self._modules, *(self._loaded() if _active.project is self else ())]:
            source = self.sources.find(name)
            if source is not None:
                found[name] = source
        return dict(sorted(found.items()))

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: ModuleType | None = None,  # noqa: ARG002 - the protocol's signature
    ) -> ModuleSpec | None:
        if path is not None and not any(self.sources.owns(place) for place in path):
            return None  # a submodule of somebody else's package
        source = self.sources.find(fullname)
        if source is not None:
            file = file_of(self.root, source)
            folder = [str(file.parent)] if source.is_package else None
            loader = _SourceTextLoader(self, source, str(file))
            return importlib.util.spec_from_file_location(
                fullname, file, loader=loader, submodule_search_locations=folder
            )
        if self.sources.is_namespace(fullname):
            spec = ModuleSpec(fullname, None, is_package=True)
            spec.submodule_search_locations = [str(self.root.joinpath(*fullname.split(".")))]
            return spec
        return None

    def _set_aside(self, names: Sequence[str]) -> None:
        for name in names:
            if name in sys.modules and not self._is_mine(sys.modules[name]):
                self._aside[name] = sys.modules.pop(name)

    def _withdraw(self) -> None:
        sys.meta_path.remove(self)
        self._modules = {name: sys.modules.pop(name) for name in self._loaded()}
        sys.modules.update(self._aside)
        self._aside = {}
        for place in self._added:
            if place in sys.path:
                sys.path.remove(place)

    def _loaded(self) -> list[str]:
        return [name for name, module in list(sys.modules.items()) if self._is_mine(module)]

    def _is_mine(self, module: object) -> bool:
        if not isinstance(module, ModuleType):
            return False  # some packages put other objects there
        loader = module.__dict__.get("__loader__")
        if isinstance(loader, _SourceTextLoader):
            return loader.project is self
        # Namespace packages are found by Python itself; they have places and no file.
        places = module.__dict__.get("__path__")
        return (
            module.__dict__.get("__file__") is None
            and places is not None
            and any(self.sources.owns(place) for place in places)
        )


class _SourceTextLoader(InspectLoader):
    """Executes a module from its text under its original file name."""

    def __init__(self, project: ProjectModules, source: ModuleSource, file: str) -> None:
        self.project, self.source, self.file = project, source, file

    def get_source(self, fullname: str) -> str:  # noqa: ARG002 - the protocol's signature
        return self.source.text

    def get_filename(self, fullname: str) -> str:  # noqa: ARG002 - the protocol's signature
        return self.file

    def is_package(self, fullname: str) -> bool:  # noqa: ARG002 - the protocol's signature
        return self.source.is_package

    def get_code(self, fullname: str) -> CodeType:  # noqa: ARG002 - the protocol's signature
        text = self.source.text
        # Tracebacks and inspect.getsource show this text. No time stamp: nobody compares it with the file of today.
        linecache.cache[self.file] = (len(text), None, text.splitlines(keepends=True), self.file)
        return compile(text, self.file, "exec", dont_inherit=True)


def deactivate() -> None:
    """Take the active state, if there is one, out of what imports see."""
    with _active.lock:
        if _active.project is not None:
            _active.project._withdraw()  # noqa: SLF001 - of this module
            _active.project = None


class _Active:
    """Which state is active: a fact of the process, as ``sys.modules`` is."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.project: ProjectModules | None = None


_active = _Active()
