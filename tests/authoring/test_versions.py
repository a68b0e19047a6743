"""What a pipeline's version depends on: what its graph and its code say, and nothing else."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from millrace import DAG, __version__, pipeline, task
from millrace.authoring import notebook_source
from millrace.authoring.loading import load_file
from millrace.authoring.pipelines import Pipeline
from millrace.authoring.versions import Description, describe, pipeline_version, project_location
from millrace.core.errors import GraphError
from millrace.operators import BashOperator, PythonOperator
from tests.authoring.functions_module import Apply, double
from tests.authoring.projects import write

FLOW = """
from millrace import pipeline, task
from helper import scale

FACTOR = 2

@task
def first(x: int) -> int:
    return scale(x)

@task
def second(x: int) -> int:
    return x * FACTOR

@pipeline
def p(x: int = 1) -> None:
    second(first(x))
"""
HELPER = "OFFSET = 1\n\ndef scale(x):\n    return x + OFFSET\n\ndef unused():\n    return 1\n"


def project(root: Path, flow: str = FLOW, helper: str = HELPER) -> Pipeline:
    return load_file(write(root, {"flow.py": flow, "helper.py": helper}) / "flow.py").pipeline("p")


def version(described: Description) -> str:
    return pipeline_version(described.graph, described.code_fingerprints)


def test_what_is_described(tmp_path: Path) -> None:
    described = describe(project(tmp_path))
    assert {task_id: set(codes) for task_id, codes in described.code_fingerprints.items()} == {
        "first": {"flow:first", "helper:scale", "helper:OFFSET"},
        "second": {"flow:second", "flow:FACTOR"},
    }
    assert described.snapshot == {
        "modules": {"flow": {"path": "flow.py", "text": FLOW}, "helper": {"path": "helper.py", "text": HELPER}}
    }
    assert described.environment == {}
    assert len(version(described)) == 64


def test_the_folder_comments_and_unused_code_do_not_count(tmp_path: Path) -> None:
    one = describe(project(tmp_path / "one"))
    flow = "# a comment\n\n" + FLOW.replace("return scale(x)", "return scale(\n        x\n    )  # and so on")
    other = describe(project(tmp_path / "other", flow, HELPER.replace("return 1", "return 2")))
    assert version(one) == version(other)


@pytest.mark.parametrize(
    ("old", "new", "changed"),
    [
        ("x * FACTOR", "x - FACTOR", {"flow:second"}),
        ("FACTOR = 2", "FACTOR = 3", {"flow:FACTOR"}),
        ("x: int = 1", "x: int = 2", set()),
        ("second(first(x))", "second(first(x)); second(1)", set()),
    ],
)
def test_what_counts(tmp_path: Path, old: str, new: str, changed: set[str]) -> None:
    before, after = (
        describe(project(tmp_path / folder, flow)) for folder, flow in (("a", FLOW), ("b", FLOW.replace(old, new)))
    )
    assert version(before) != version(after)
    differing = {
        name
        for task_id, codes in before.code_fingerprints.items()
        for name, fingerprint in codes.items()
        if after.code_fingerprints[task_id].get(name) != fingerprint
    }
    assert differing == changed


def test_a_helpers_change_is_a_change_of_the_tasks_that_use_it(tmp_path: Path) -> None:
    before = describe(project(tmp_path))
    after = describe(project(tmp_path, helper=HELPER.replace("OFFSET = 1", "OFFSET = 2")))
    assert before.code_fingerprints["second"] == after.code_fingerprints["second"]
    changed = dict(before.code_fingerprints["first"].items() ^ after.code_fingerprints["first"].items())
    assert set(changed) == {"helper:OFFSET"}


def test_the_text_described_is_the_text_that_was_read(tmp_path: Path) -> None:
    loaded = project(tmp_path)
    write(tmp_path, {"flow.py": "broken(", "helper.py": "broken("})
    assert describe(loaded).snapshot["modules"]["flow"]["text"] == FLOW


def test_code_that_is_not_the_projects_counts_by_its_version() -> None:
    with DAG("d") as d:
        BashOperator(task_id="bash", bash_command="true")
        PythonOperator(task_id="stdlib", python_callable=math.floor, op_args=[1.5])
        PythonOperator(task_id="installed", python_callable=pytest.approx, op_args=[1.5])
    prints = describe(d).code_fingerprints
    assert prints["bash"] == {"millrace.authoring.bash:run_bash": f"millrace {__version__}"}
    assert prints["stdlib"] == {"math:floor": f"python {sys.version_info.major}.{sys.version_info.minor}"}
    (fingerprint,) = prints["installed"].values()
    assert fingerprint == f"pytest {pytest.__version__}"


def test_functions_passed_to_a_component_count_with_what_they_use() -> None:
    @pipeline
    def p() -> None:
        Apply(double)

    names = describe(p).code_fingerprints["Apply"]
    assert {"tests.authoring.functions_module:Apply", "tests.authoring.functions_module:double"} <= set(names)


@task(environment=["attrs", "pytest"])
def declares() -> None: ...


@task(environment=["no-such-distribution"])
def declares_nonsense() -> None: ...


def test_the_declared_environment(tmp_path: Path) -> None:
    @pipeline
    def p() -> None:
        declares()

    assert describe(p).environment["pytest"] == pytest.__version__

    @pipeline
    def q() -> None:
        declares_nonsense()

    with pytest.raises(GraphError, match=r"names 'no-such-distribution'[\s\S]*pip install") as caught:
        describe(q)
    assert str(caught.value.where).startswith(f"{__file__}:")


def test_a_pipeline_that_python_imported_is_described_from_its_module() -> None:
    @pipeline
    def p() -> None:
        task(_nested)()

    described = describe(p)
    assert f"{__name__}:_nested" in described.code_fingerprints["_nested"]
    assert __name__ in described.snapshot["modules"]
    place = project_location(p)
    assert Path(place.root, place.file) == Path(__file__)
    assert place.file == "/".join([*__name__.split(".")[:-1], Path(__file__).name])


def _nested() -> int:
    return 1


def test_a_script_and_its_pipeline_file_have_one_version(tmp_path: Path) -> None:
    show = (
        "\nif __name__ == '__main__':\n"
        "    from millrace.authoring.versions import *\n"
        "    d = describe(p)\n"
        "    print(pipeline_version(d.graph, d.code_fingerprints), project_location(p).file)\n"
    )
    loaded = project(tmp_path, FLOW + show)
    printed = subprocess.run(
        [sys.executable, "flow.py"], cwd=tmp_path, capture_output=True, text=True, check=True
    ).stdout
    assert printed.split() == [version(describe(loaded)), "flow.py"]


INTERACTIVE = """
from millrace import pipeline, task
from millrace.authoring.versions import describe, pipeline_version, project_location
import math

FACTOR = 2

def helper(x):
    return x * FACTOR

@task
def step(x: int) -> int:
    return helper(x)

@pipeline
def p():
    step(1)

def show():
    d = describe(p)
    print(pipeline_version(d.graph, d.code_fingerprints), *sorted(d.code_fingerprints["step"]))

show()
"""


def run_interactively(text: str) -> list[list[str]]:
    code = f"exec({text!r})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return [line.split() for line in done.stdout.splitlines()]


def test_in_a_prompt_a_redefined_helper_is_another_version() -> None:
    change = "def helper(x):\n    return x + FACTOR\nshow()\nFACTOR = 3\nshow()\nFACTOR = 2\nshow()\n"
    first, redefined, constant, again = run_interactively(INTERACTIVE + change)
    assert first[1:]
    assert len({first[0], redefined[0], constant[0]}) == 3
    assert again == redefined


def test_what_a_notebook_holds_becomes_a_text(monkeypatch: pytest.MonkeyPatch) -> None:
    names: dict[str, Any] = {
        "double": double,
        "here": test_what_a_notebook_holds_becomes_a_text,
        "N": 3,
        "_hidden": 4,
        "math": math,
    }
    main = type(sys)("__main__")
    vars(main).update(names)
    monkeypatch.setitem(sys.modules, "__main__", main)
    monkeypatch.setattr(test_what_a_notebook_holds_becomes_a_text, "__module__", "__main__")
    lines = notebook_source.notebook_source().text.splitlines()
    assert "from tests.authoring.functions_module import double as double" in lines
    assert "def test_what_a_notebook_holds_becomes_a_text(monkeypatch: pytest.MonkeyPatch) -> None:" in lines
    assert {"N = 3", "import math as math"} <= set(lines)
    assert "_hidden = 4" not in lines


def test_a_version_knows_graph_and_code(tmp_path: Path) -> None:
    described = describe(project(tmp_path))
    change: Callable[[dict[str, Any]], str] = lambda prints: pipeline_version(described.graph, prints)  # noqa: E731
    assert change({}) != change({"first": {}}) != change({"first": {"a": "1"}}) != change({"first": {"a": "2"}})
    assert change({"a": {"x": "1", "y": "2"}}) == change({"a": {"y": "2", "x": "1"}})
