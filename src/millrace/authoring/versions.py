"""A pipeline as it is stored: its graph, fingerprints of all code it uses, its environment and its snapshot.

Invariant: the version changes when and only when the graph, or code that a task uses, says something else; comments,
layout and the folder it lies in do not count.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import attrs

from millrace.authoring.function_names import code_of
from millrace.authoring.handles import Node
from millrace.authoring.module_sources import INSTALLED_FOLDERS, FileSources
from millrace.authoring.notebook_source import notebook_source
from millrace.authoring.pipelines import Pipeline
from millrace.authoring.source_lines import is_own_module
from millrace.core.fingerprint import ModuleSource, ProjectCode, digest_json, import_closure
from millrace.core.graph import Graph
from millrace.core.types import Json
from millrace.version import __version__


class Description(NamedTuple):
    """What :func:`describe` gives."""

    graph: Graph
    code_fingerprints: Mapping[str, Mapping[str, str]]
    """Task id -> {module:qualname: fingerprint} of its function, the functions passed to it, and all they use."""
    environment: Mapping[str, str]
    """Distribution -> installed version, of those that tasks declare."""
    snapshot: dict[str, Json]
    """``{"modules": {name: {"path": relative to the root, "text": source}}}``."""


@attrs.frozen
class ProjectLocation:
    """Where a pipeline's file is: the root of its project, and its path from there (``""`` for a notebook)."""

    root: str
    file: str


def describe(pipeline: Pipeline) -> Description:
    """The graph of ``pipeline`` and the code behind it. GraphError as for ``.graph``, and for a declared
    distribution that is not installed."""
    graph = pipeline.graph
    modules = _modules(pipeline)
    code = ProjectCode(modules)
    fingerprints = {task_id: _fingerprints(node, modules, code) for task_id, node in pipeline.body.nodes.items()}
    snapshot = {"modules": {name: {"path": m.path, "text": m.text} for name, m in modules.items()}}
    return Description(graph, fingerprints, _environment(graph), snapshot)


def pipeline_version(graph: Graph, fingerprints: Mapping[str, Mapping[str, str]]) -> str:
    """sha256 hex of the graph (without its source lines) and of the fingerprints."""
    document = {"graph": graph.digest, "code": {task: dict(codes) for task, codes in fingerprints.items()}}
    return digest_json(document)


def project_location(pipeline: Pipeline) -> ProjectLocation:
    """Where a worker finds the pipeline's code again."""
    if pipeline.project is not None:
        source = pipeline.project.sources.find(pipeline.project.entry)
        assert source is not None, "a pipeline with a project came from its entry"
        return ProjectLocation(str(pipeline.project.root), source.path)
    file = _module_file(pipeline.module)
    if file is None:
        return ProjectLocation("", "")
    root = _root(pipeline.module, file)
    return ProjectLocation(str(root), file.relative_to(root).as_posix())


def _modules(pipeline: Pipeline) -> dict[str, ModuleSource]:
    if pipeline.project is not None:
        return pipeline.project.closure()
    if _module_file(pipeline.module) is None and pipeline.module != "__main__":
        return {}  # made by exec or by another program's importer: there is no text to read
    found: dict[str, ModuleSource] = {}
    for node in pipeline.body.nodes.values():
        for function in (node.function, *node.functions.values()):
            name = getattr(function, "__module__", None) or pipeline.module
            found.update(_closure_of(name, found))
    return dict(sorted({**found, **_closure_of(pipeline.module, found)}.items()))


def _closure_of(name: str, found: Mapping[str, ModuleSource]) -> dict[str, ModuleSource]:
    """The modules of the project of an imported module; nothing for installed ones and those that are there already."""
    if name in found or is_own_module(name) or name.partition(".")[0] in sys.stdlib_module_names - {"__main__"}:
        return {}
    file = _module_file(name)
    if file is None:
        if name != "__main__":
            return {}
        notebook = notebook_source()
        beside = FileSources(Path.cwd())
        return import_closure(name, lambda asked: notebook if asked == name else beside.find(asked))
    if INSTALLED_FOLDERS.intersection(file.parts):
        return {}
    root = _root(name, file)
    sources = FileSources(root)
    entry = file.stem if name == "__main__" else name
    if name == "__main__":
        sources.call_it(entry, file.relative_to(root).as_posix())
    return {} if entry in found else import_closure(entry, sources.find)


def _module_file(name: str) -> Path | None:
    file = getattr(sys.modules.get(name), "__file__", None)
    return None if file is None else Path(file).absolute()


def _root(name: str, file: Path) -> Path:
    """The folder from which ``name`` is imported."""
    depth = name.count(".") + (1 if file.stem == "__init__" else 0)
    return file.parents[depth]


def _fingerprints(node: Node, modules: Mapping[str, ModuleSource], code: ProjectCode) -> dict[str, str]:
    found: dict[str, str] = {}
    for entry in (code_of(node.function), *node.functions):
        module = entry.partition(":")[0]
        if is_own_module(module):
            found[entry] = f"millrace {__version__}"
        elif module in modules:
            found.update(code.closure(entry))
        else:
            from millrace.authoring.installed_versions import version_of_module  # lazy: loads importlib.metadata

            found[entry] = version_of_module(module)
    return dict(sorted(found.items()))


def _environment(graph: Graph) -> dict[str, str]:
    declared = {name: graph.where(task.task_id) for task in graph.tasks for name in task.environment}
    if not declared:
        return {}
    from millrace.authoring.installed_versions import versions_of  # lazy: loads importlib.metadata

    return versions_of(declared)
