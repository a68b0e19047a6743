"""Loading a version's code in a worker: from its snapshot, from its files, or from this process."""

from __future__ import annotations

import asyncio
import inspect
import json
import shutil
import sys
import traceback
from pathlib import Path
from typing import Any

import attrs
import pytest

from millrace import Dataset, Model, Output, pipeline, task
from millrace.authoring.live_loader import LiveCodeLoader
from millrace.authoring.loading import load_file
from millrace.authoring.pipelines import Pipeline
from millrace.authoring.snapshot_loader import SnapshotCodeLoader
from millrace.core.attempts import CodeLocation
from millrace.core.errors import NotFoundError, PipelineFileError
from millrace.interfaces import CodeLoader
from tests.authoring.functions_module import Apply, decorated, double
from tests.authoring.projects import Snapshots, launch, write

FLOW = """
from __future__ import annotations
from collections.abc import Callable
from millrace import Dataset, Model, Output, pipeline, task
from space.helper import scale

class Table(Dataset):
    pass

def prepare(x: int) -> int:
    return scale(x)

@task
def step(x: int, function: Callable[[int], int]) -> int:
    import lazy
    return function(x) + lazy.OFFSET

@task
def train(table: Table, model: Output[Model]) -> float:
    return 1.0

@task
def give() -> Table:
    return Table("x")

@task
def fail() -> None:
    raise ValueError("no")  # at line 30

@task
def where() -> str:
    return __file__

@pipeline
def p() -> None:
    step(1, prepare)
    train(give())
    fail()
    where()

@pipeline
def other() -> None:
    raise RuntimeError("not built for p")
"""
FILES = {
    "flows/flow.py": FLOW,
    "space/helper.py": "def scale(x):\n    return x * 10\n",
    "flows/lazy.py": "OFFSET = 5\n",
}


@pytest.fixture
def snapshots() -> Snapshots:
    return Snapshots()


def version_of(root: Path, snapshots: Snapshots, **files: str) -> CodeLocation:
    write(root, {**FILES, **{name.replace("__", "/") + ".py": text for name, text in files.items()}})
    # `other` must not be built, and load_file builds all: describe a file without it, then load the whole.
    text = (root / "flows/flow.py").read_text()
    (root / "flows/flow.py").write_text(text.partition("@pipeline\ndef other")[0])
    return snapshots.location(load_file(root / "flows/flow.py", root=root).pipeline("p"))


def result(loader: CodeLoader, code: CodeLocation, x: int = 1) -> Any:
    loaded = loader.load(launch(code, "step"))
    return loaded.call(x=x, function=loader.function("flows.flow:prepare"))


def test_a_snapshot_needs_none_of_the_files(tmp_path: Path, snapshots: Snapshots) -> None:
    code = version_of(tmp_path / "project", snapshots)
    shutil.rmtree(tmp_path / "project")
    loader = SnapshotCodeLoader(snapshots.read)
    assert result(loader, code) == 15
    assert loader.load(launch(code, "where")).call() == str(tmp_path / "project/flows/flow.py")


def test_tracebacks_and_sources_show_the_snapshots_text(tmp_path: Path, snapshots: Snapshots) -> None:
    code = version_of(tmp_path, snapshots)
    (tmp_path / "flows/flow.py").write_text("# edited since\n" * 50)
    loader = SnapshotCodeLoader(snapshots.read)
    with pytest.raises(ValueError, match="no") as caught:
        loader.load(launch(code, "fail")).call()
    last = traceback.extract_tb(caught.value.__traceback__)[-1]
    assert (last.filename, last.line) == (str(tmp_path / "flows/flow.py"), 'raise ValueError("no")  # at line 30')
    assert (
        inspect.getsource(loader.function("flows.flow:prepare")) == "def prepare(x: int) -> int:\n    return scale(x)\n"
    )


def test_versions_live_side_by_side(tmp_path: Path, snapshots: Snapshots) -> None:
    one = version_of(tmp_path, snapshots)
    two = version_of(
        tmp_path, snapshots, space__helper="def scale(x):\n    return x * 100\n", flows__lazy="OFFSET = 7\n"
    )
    loader = SnapshotCodeLoader(snapshots.read)
    assert [result(loader, code) for code in (one, two, one, two)] == [15, 107, 15, 107]
    assert snapshots.reads == [one.snapshot, two.snapshot]


def test_a_package_of_the_project_that_is_installed_to_be_edited_belongs_to_it(
    tmp_path: Path, snapshots: Snapshots, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = {"pyproject.toml": "", "src/mylib/__init__.py": "", "src/mylib/numbers.py": "OFFSET = 5\n"}
    flow = FLOW.partition("@pipeline\ndef other")[0].replace("import lazy\n", "from mylib import numbers as lazy\n")
    write(tmp_path, {**FILES, **library, "flows/flow.py": flow, "flows/space/helper.py": FILES["space/helper.py"]})
    monkeypatch.syspath_prepend(str(tmp_path / "src"))
    loaded = load_file(tmp_path / "flows/flow.py")
    assert loaded.modules["mylib.numbers"].path == "../src/mylib/numbers.py"
    before = snapshots.location(loaded.pipeline("p"))
    write(tmp_path, {"src/mylib/numbers.py": "OFFSET = 6\n"})
    after = snapshots.location(load_file(tmp_path / "flows/flow.py").pipeline("p"))
    assert before.version != after.version
    shutil.rmtree(tmp_path / "src")
    loader = SnapshotCodeLoader(snapshots.read)
    found = []
    for code in (before, after):
        step = loader.load(launch(code, "step"))
        found.append(step.call(x=1, function=loader.function("flow:prepare")))
        assert sys.modules["mylib.numbers"].__file__ == str(tmp_path / "src/mylib/numbers.py")
    assert found == [15, 16]


def test_a_version_is_loaded_once(tmp_path: Path, snapshots: Snapshots) -> None:
    code = version_of(tmp_path, snapshots)
    loader = SnapshotCodeLoader(snapshots.read)
    first = loader.load(launch(code, "step"))
    assert loader.load(launch(attrs.evolve(code), "step")) is first
    assert len(snapshots.reads) == 1


def test_only_the_pipeline_asked_for_is_built(tmp_path: Path, snapshots: Snapshots) -> None:
    code = version_of(tmp_path, snapshots)
    document = json.loads(snapshots.documents[str(code.snapshot)])
    document["modules"]["flows.flow"]["text"] = FLOW  # with `other`, which cannot be built
    snapshots.documents["whole"] = json.dumps(document).encode()
    assert result(SnapshotCodeLoader(snapshots.read), attrs.evolve(code, snapshot="whole")) == 15


def test_without_a_snapshot_the_files_are_read(tmp_path: Path, snapshots: Snapshots) -> None:
    code = attrs.evolve(version_of(tmp_path, snapshots), snapshot=None)
    assert result(SnapshotCodeLoader(snapshots.read), code) == 15
    assert snapshots.reads == []


def test_what_the_worker_learns_of_a_task(tmp_path: Path, snapshots: Snapshots) -> None:
    code = version_of(tmp_path, snapshots)
    loader = SnapshotCodeLoader(snapshots.read)
    train, give = (loader.load(launch(code, name)) for name in ("train", "give"))
    assert train.output_parameters == {"model": Model}
    assert [kind.type_name for kind in train.input_artifacts.values()] == ["Table"]  # type: ignore[attr-defined] # artifact classes
    assert train.returns == {"return_value": None}
    assert [kind.__name__ for kind in give.returns.values() if kind] == ["Table"]


def test_what_cannot_be_loaded(tmp_path: Path, snapshots: Snapshots) -> None:
    code = version_of(tmp_path, snapshots)
    loader = SnapshotCodeLoader(snapshots.read)
    with pytest.raises(NotFoundError, match=r"no task 'stp'[\s\S]*depend on the time"):
        loader.load(launch(code, "stp"))
    with pytest.raises(NotFoundError, match="no pipeline 'q'"):
        loader.load(launch(attrs.evolve(code, pipeline="q"), "step"))
    with pytest.raises(PipelineFileError, match="was not defined in a file"):
        loader.load(launch(attrs.evolve(code, file="", version="x"), "step"))
    with pytest.raises(NotFoundError, match="no function 'math:nothing'"):
        loader.function("math:nothing")
    snapshots.documents["broken"] = b'{"modules": {"flow": {"path": "flow.py", "text": "1 / 0"}}}'
    broken = CodeLocation(str(tmp_path), "flow.py", "p", "v", snapshot="broken")
    for _ in range(2):  # a failure is not kept as a loaded version
        with pytest.raises(ZeroDivisionError):
            loader.load(launch(broken, "step"))
    assert result(loader, code) == 15


# --- pipelines that live in this process


@task
def add(a: int, b: int = 2, /, c: int = 3) -> int:
    return a * 100 + b * 10 + c


@task
def nullable(a: int | None, b: str | None) -> list[Any]:
    return [a, b]


@task
def many(first: int, *rest: int, last: int = 0, **named: Any) -> list[Any]:
    return [first, list(rest), last, named]


@task
async def later(x: int, *more: int) -> int:
    await asyncio.sleep(0)
    return x + sum(more) + 1


@task
def reads(data: Dataset, model: Output[Model]) -> None: ...


@task
def gives() -> Dataset:
    return Dataset("x")


@pipeline
def live() -> None:
    add(1)
    nullable(None, None)
    many(1, 2, 3, last=4, colour="red")
    later(1)  # type: ignore[unused-coroutine] # in a pipeline it is a handle
    reads(gives())
    Apply(double)
    Apply(decorated)


def call(pipeline: Pipeline, task_id: str, **inputs: Any) -> Any:
    code = CodeLocation("", "", pipeline.name, "v")
    return LiveCodeLoader([pipeline]).load(launch(code, task_id)).call(**inputs)


def test_every_signature_is_called_by_name() -> None:
    assert call(live, "add", a=1) == 123
    assert call(live, "add", a=4, b=5, c=6) == 456
    assert call(live, "add", a=4, c=6) == 426
    assert call(live, "nullable") == [None, None]
    assert call(live, "nullable", b="x") == [None, "x"]
    assert call(live, "many", first=1, rest=[2, 3], last=4, colour="red") == [1, [2, 3], 4, {"colour": "red"}]
    assert call(live, "many", first=1) == [1, [], 0, {}]
    assert call(live, "later", x=1) == 2
    assert call(live, "later", x=1, more=[2, 3]) == 7


def test_live_functions() -> None:
    loader = LiveCodeLoader([live])
    module = "tests.authoring.functions_module"
    assert loader.function(f"{module}:double") is double
    assert loader.function(f"{module}:decorated") is decorated.function
    assert loader.function("math:floor")(1.5) == 1
    with pytest.raises(NotFoundError, match=r"no task 'live.ad'[\s\S]*live.add"):
        loader.load(launch(CodeLocation("", "", "live", "v"), "ad"))


def test_a_loaded_file_stays_importable_while_its_tasks_run(tmp_path: Path) -> None:
    text = FLOW.partition("@pipeline\ndef other")[0]
    loaded = [
        load_file(
            write(tmp_path / d, {**FILES, "flows/flow.py": text, "flows/lazy.py": f"OFFSET = {d}\n"}) / "flows/flow.py",
            root=tmp_path / d,
        )
        for d in ("1", "2")
    ]
    loaders = [LiveCodeLoader(file.pipelines) for file in loaded]
    code = CodeLocation("", "", "p", "v")
    assert [result(loader, code) for loader in (*loaders, *loaders)] == [11, 12, 11, 12]


def test_both_are_code_loaders() -> None:
    loaders: list[CodeLoader] = [LiveCodeLoader([]), SnapshotCodeLoader(lambda uri: b"")]
    assert loaders
