"""Reading a pipeline file: the pipelines it defines, checked, and the project code they use.

Invariant: what comes back is right or there is one PipelineFileError; reading a file again reads everything of the
project again, and leaves nothing of the former reading in ``sys.modules``.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import attrs

from millrace.authoring.file_errors import PipelineFileErrors
from millrace.authoring.module_sources import FileSources
from millrace.authoring.pipelines import Pipeline
from millrace.authoring.project_modules import ProjectModules, deactivate
from millrace.authoring.registry import collecting
from millrace.core.errors import NotFoundError, PipelineFileError
from millrace.core.fingerprint import ModuleSource


class NoPipelines(PipelineFileError):
    """The file imports, and defines no pipeline: a module that pipelines share, perhaps."""


@attrs.frozen
class LoadedFile:
    """A pipeline file that was read. The project stays importable until another file is read."""

    path: Path
    root: Path
    pipelines: tuple[Pipeline, ...]
    project: ProjectModules

    @property
    def modules(self) -> dict[str, ModuleSource]:
        """The sources of the project modules that the file uses, itself included, by name."""
        return self.project.closure()

    def pipeline(self, name: str | None = None) -> Pipeline:
        """The pipeline of that name, or the only one."""
        names = [p.name for p in self.pipelines]
        if name is None and len(self.pipelines) > 1:
            raise PipelineFileError(
                f"the file defines {len(names)} pipelines: {', '.join(names)}",
                where=str(self.path),
                remedy=f"Say which: {self.path.name}:{names[0]}",
            )
        for pipeline in self.pipelines:
            if name in (None, pipeline.name):
                return pipeline
        raise NotFoundError("pipeline", str(name), names, where=str(self.path))


def load_file(path: Path, *, root: Path | None = None) -> LoadedFile:
    """Import ``path`` and check every pipeline that it defines; PipelineFileError says what is wrong and where.

    ``root`` is the project's folder, the file's own if left out: modules in both can be imported by the file. A
    pipeline counts as the file's when its top level made it, by name or not, with the help of other modules or not;
    a file that makes none may give ones it imported.
    """
    path = path.absolute()
    root = path.parent if root is None else root.absolute()
    _check_path(path, root)
    relative = path.relative_to(root).as_posix()
    deactivate()
    project = ProjectModules(FileSources(root, [path.parent]), search=[path.parent])
    with PipelineFileErrors(path), collecting() as made:
        module = project.import_file(relative)
        own = [p for name, p in made if name == module.__name__ and isinstance(p, Pipeline)]
        pipelines = own or _distinct(vars(module).values())
        for pipeline in pipelines:
            pipeline.project = project
            pipeline.graph  # noqa: B018 - builds and checks it
    _check_names(path, pipelines)
    return LoadedFile(path, root, tuple(pipelines), project)


def _distinct(values: Iterable[object]) -> list[Pipeline]:
    found = {id(value): value for value in values if isinstance(value, Pipeline)}
    return list(found.values())


def _check_path(path: Path, root: Path) -> None:
    if path.is_dir():
        raise PipelineFileError(f"{path} is a folder", remedy="Name the Python file in it that defines the pipeline.")
    if not path.is_file():
        raise PipelineFileError(f"there is no file {path}")
    if path.suffix != ".py":
        raise PipelineFileError(f"{path} is no Python file", remedy="Pipelines are defined in files that end in .py.")
    if not path.is_relative_to(root):
        raise PipelineFileError(f"{path} is not in the project's folder {root}")


def _check_names(path: Path, pipelines: list[Pipeline]) -> None:
    if not pipelines:
        raise NoPipelines(
            "the file defines no pipeline",
            where=str(path),
            remedy="Define one at its top level: a function with @pipeline, or `with DAG(...)`.",
        )
    seen: dict[str, Pipeline] = {}
    for pipeline in pipelines:
        if pipeline.name in seen:
            first = seen[pipeline.name].line
            raise PipelineFileError(
                f"the file defines two pipelines called {pipeline.name!r}, the other at line {first.line}",
                where=str(pipeline.line),
                remedy="Give each its own name.",
            )
        seen[pipeline.name] = pipeline
