"""A home folder with a real pipeline and its runs, for the tests of server, client and command line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import attrs

from millrace.core.types import Json
from millrace.operations.local import LocalOperations
from millrace.wiring.platform import open_platform
from millrace.wiring.settings import Settings, load_settings

PIPELINE = '''
import millrace
from millrace import Model, Output, pipeline, task


@task(cache=True)
def double(x: int) -> int:
    print("doubling", x)
    return 2 * x


@task
def train(x: int, model: Output[Model]) -> None:
    model.path.mkdir()
    (model.path / "weights.txt").write_text(str(x))
    millrace.log_param("x", x)
    millrace.log_metric("loss", 0.5)


@task
def check(model: Model, fail: bool) -> str:
    """Read the weights back."""
    if fail:
        raise ValueError("asked to fail")
    return (model.path / "weights.txt").read_text()


@pipeline
def small(x: int = 3, fail: bool = False, rate: float = 0.1):
    """Three small steps."""
    check(train(double(x)), fail)
'''


@attrs.frozen
class SmallProject:
    """A pipeline file, a home, one run that succeeded and one whose last task failed."""

    file: Path
    settings: Settings
    good_run: str
    bad_run: str

    @property
    def home(self) -> Path:
        return self.settings.home


def make_project(folder: Path) -> SmallProject:
    """Write the project below ``folder`` and run it twice, in this process."""
    file = folder / "small.py"
    file.write_text(PIPELINE, encoding="utf-8")
    settings = load_settings({"home": folder / "home"}, cwd=folder, environ={})
    with open_platform(settings) as platform:
        good = platform.run_file(file, None, {"x": "4"})
        bad = platform.run_file(file, "small", {"x": "4", "fail": "true"})
        platform.stores.registry.create_model_version("small-model", "file:///nowhere", tags={"from": "test"})
        platform.stores.registry.set_alias("small-model", "champion", 1)
    assert (good["state"], bad["state"]) == ("success", "failed")
    return SmallProject(file, settings, good["run_id"], bad["run_id"])


@contextmanager
def open_operations(project: SmallProject) -> Iterator[LocalOperations]:
    """The verbs over the project's stores, with the health of a server that is up."""
    with open_platform(project.settings) as platform:
        yield LocalOperations(attrs.evolve(platform.stores.operations_parts(), health=healthy))


def healthy() -> Json:
    parts = {name: {"status": "ok"} for name in ("database", "scheduler", "workers", "pipelines")}
    return {"status": "ok", "parts": parts, "version": "0.0.test"}
