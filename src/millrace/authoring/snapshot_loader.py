"""The code of a pipeline version, from its snapshot, in a worker or a replay.

Invariant: what runs is the text of that version under its original file names; a file that was edited or deleted
since then changes nothing. Loading a version once is loading it for good.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import attrs

from millrace.authoring.loaded_tasks import importable_function, loaded_tasks, passed_functions
from millrace.authoring.module_sources import FileSources, SnapshotSources
from millrace.authoring.pipelines import Pipeline
from millrace.authoring.project_modules import ProjectModules, deactivate
from millrace.authoring.registry import collecting
from millrace.core.attempts import CodeLocation, Launch
from millrace.core.errors import NotFoundError, PipelineFileError
from millrace.core.types import Json
from millrace.interfaces import LoadedTask


@attrs.frozen
class _LoadedVersion:
    project: ProjectModules
    tasks: dict[str, LoadedTask]
    functions: dict[str, Callable[..., Json]]


class SnapshotCodeLoader:
    """A CodeLoader. ``read`` gives the bytes of a snapshot's URI; without snapshot a version is read from its files."""

    def __init__(self, read: Callable[[str], bytes]) -> None:
        self._read = read
        self._versions: dict[CodeLocation, _LoadedVersion] = {}
        self._current: _LoadedVersion | None = None

    def load(self, launch: Launch) -> LoadedTask:
        """The task's callable, and its version made the one that imports see. Raises what the user's code raises."""
        version = self._versions.get(launch.code)
        if version is None:
            version = self._versions[launch.code] = self._load(launch.code)
        version.project.activate()
        self._current = version
        task = version.tasks.get(launch.task_id)
        if task is None:
            raise NotFoundError(
                "task",
                launch.task_id,
                version.tasks,
                where=launch.code.file,
                remedy="The file built another graph than when it was registered: does it depend on the time or on "
                "the machine?",
            )
        return task

    def function(self, code: str) -> Callable[..., Json]:
        """A function that the version loaded last passes to its tasks, else one that can be imported."""
        functions = {} if self._current is None else self._current.functions
        return functions.get(code) or importable_function(code)

    def _load(self, code: CodeLocation) -> _LoadedVersion:
        project = self._project(code)
        with collecting() as made:
            entry = project.import_file(code.file).__name__
        own_first = sorted(made, key=lambda item: item[0] != entry)
        pipeline = _pipeline(code, project, [p for _, p in own_first if isinstance(p, Pipeline)])
        pipeline.project = project
        return _LoadedVersion(project, loaded_tasks(pipeline), passed_functions(pipeline))

    def _project(self, code: CodeLocation) -> ProjectModules:
        root = Path(code.root)
        folder = root / PurePosixPath(code.file).parent
        deactivate()
        if code.snapshot is None:
            return ProjectModules(FileSources(root, [folder]), search=[folder])
        sources = SnapshotSources(root, json.loads(self._read(code.snapshot)))
        if not sources.name_of(code.file):
            raise PipelineFileError(
                f"the pipeline {code.pipeline!r} was not defined in a file, so it cannot be loaded again",
                where=code.file or None,
                remedy="Move it from the notebook or the terminal into a file.",
            )
        return ProjectModules(sources, search=[folder])


def _pipeline(code: CodeLocation, project: ProjectModules, made: list[Pipeline]) -> Pipeline:
    for pipeline in made:
        if pipeline.name == code.pipeline:
            return pipeline
    known = [p.name for p in made]
    raise NotFoundError("pipeline", code.pipeline, known, where=str(project.root / code.file))
