"""The code of pipelines that live in this process: for ``.run()``, in notebooks and scripts too."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from millrace.authoring.loaded_tasks import importable_function, loaded_tasks, passed_functions
from millrace.authoring.pipelines import Pipeline
from millrace.core.attempts import Launch
from millrace.core.errors import NotFoundError
from millrace.core.types import Json
from millrace.interfaces import LoadedTask


class LiveCodeLoader:
    """A CodeLoader over pipeline objects. It looks at nothing but the pipeline's name and the task's id."""

    def __init__(self, pipelines: Iterable[Pipeline]) -> None:
        self._tasks: dict[tuple[str, str], LoadedTask] = {}
        self._functions: dict[str, Callable[..., Json]] = {}
        self._pipelines: dict[str, Pipeline] = {}
        for pipeline in pipelines:
            self._pipelines[pipeline.name] = pipeline
            self._tasks.update({(pipeline.name, task_id): t for task_id, t in loaded_tasks(pipeline).items()})
            self._functions.update(passed_functions(pipeline))

    def load(self, launch: Launch) -> LoadedTask:
        """The task's callable; the project that the pipeline was loaded from is importable while it runs."""
        task = self._tasks.get((launch.pipeline, launch.task_id))
        if task is None:
            raise NotFoundError("task", f"{launch.pipeline}.{launch.task_id}", (f"{p}.{t}" for p, t in self._tasks))
        project = self._pipelines[launch.pipeline].project
        if project is not None:
            project.activate()
        return task

    def function(self, code: str) -> Callable[..., Json]:
        """A function that the pipelines pass, else one of an installed package."""
        return self._functions.get(code) or importable_function(code)
