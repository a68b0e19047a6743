"""Reading pipeline files: what counts as theirs, what they may import, and how they fail."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from millrace.authoring.loading import LoadedFile, NoPipelines, load_file
from millrace.core.errors import CycleError, GraphError, NotFoundError, PipelineFileError
from tests.authoring.projects import write

ONE = """
from millrace import pipeline, task

@task
def step() -> int:
    return 1

@pipeline
def {name}() -> None:
    step()
"""


def one(name: str) -> str:
    return ONE.format(name=name)


def load(root: Path, text: str, name: str = "flow.py") -> LoadedFile:
    return load_file(write(root, {name: text}) / name)


def error_of(root: Path, text: str, name: str = "flow.py") -> PipelineFileError:
    with pytest.raises(PipelineFileError) as caught:
        load(root, text, name)
    return caught.value


def names(loaded: LoadedFile) -> list[str]:
    return [p.name for p in loaded.pipelines]


def test_every_pipeline_of_a_file_with_a_name_or_without(tmp_path: Path) -> None:
    text = """
    from millrace import DAG, dag, pipeline
    from millrace.operators import EmptyOperator

    with DAG("without_a_name"):
        EmptyOperator(task_id="a")

    d = DAG("with_a_name")
    EmptyOperator(task_id="a", dag=d)
    same = d

    @pipeline(name="decorated")
    def p() -> None:
        EmptyOperator(task_id="a")

    def factory(name):
        @dag(dag_id=name)
        def made():
            EmptyOperator(task_id="a")
        return made()

    for i in range(2):
        factory(f"made_{i}")
    """
    loaded = load(tmp_path, text)
    assert names(loaded) == ["without_a_name", "with_a_name", "decorated", "made_0", "made_1"]
    assert all(p.graph.where("a") is not None for p in loaded.pipelines)
    assert loaded.pipelines[0].graph.where("a") == f"{tmp_path}/flow.py:6"


def test_a_pipeline_by_name(tmp_path: Path) -> None:
    loaded = load(tmp_path, one("first") + "@pipeline\ndef second(): step()\n")
    assert loaded.pipeline("second").name == "second"
    with pytest.raises(NotFoundError, match=r"no pipeline 'secnd'[\s\S]*Did you mean 'second'"):
        loaded.pipeline("secnd")
    with pytest.raises(PipelineFileError, match=r"defines 2 pipelines: first, second[\s\S]*flow.py:first"):
        loaded.pipeline()
    assert load(tmp_path, one("only")).pipeline().name == "only"


def test_a_file_does_not_claim_what_it_imports_unless_it_has_none(tmp_path: Path) -> None:
    write(tmp_path, {"a.py": one("first"), "b.py": "import a\n" + one("second"), "c.py": "from a import first\n"})
    assert names(load_file(tmp_path / "b.py")) == ["second"]
    assert names(load_file(tmp_path / "c.py")) == ["first"]


def test_a_helper_module_may_make_the_pipelines(tmp_path: Path) -> None:
    helper = "from millrace import DAG\ndef make(name):\n    return DAG(name)\n"
    write(tmp_path, {"helper.py": helper, "flow.py": "from helper import make\nmake('x')\nmake('y')\n"})
    assert names(load_file(tmp_path / "flow.py")) == ["x", "y"]


def test_modules_of_the_root_and_beside_the_file_are_importable(tmp_path: Path) -> None:
    files = {
        "shared/__init__.py": "",
        "shared/numbers.py": "ONE = 1\n",
        "space/deep.py": "TWO = 2\n",
        "pipelines/beside.py": "THREE = 3\n",
        "pipelines/lazy.py": "FOUR = 4\n",
        "unused.py": "raise RuntimeError('nobody imports this')\n",
        "pipelines/flow.py": one("p")
        + "from shared.numbers import ONE\nimport space.deep\nimport beside\nimport json\nimport numpy\n"
        + "def later():\n    import lazy\n    return lazy.FOUR\n",
    }
    loaded = load_file(write(tmp_path, files) / "pipelines/flow.py", root=tmp_path)
    assert loaded.project.entry == "pipelines.flow"
    assert {name: source.path for name, source in loaded.modules.items()} == {
        "beside": "pipelines/beside.py",
        "lazy": "pipelines/lazy.py",
        "pipelines.flow": "pipelines/flow.py",
        "shared": "shared/__init__.py",
        "shared.numbers": "shared/numbers.py",
        "space.deep": "space/deep.py",
    }
    assert sys.modules["pipelines.flow"].later() == 4
    assert sys.modules["pipelines.flow"].__file__ == str(tmp_path / "pipelines/flow.py")


def test_a_changed_file_is_read_again_with_all_its_modules(tmp_path: Path) -> None:
    write(
        tmp_path,
        {"helper.py": "NAME = 'aaa'\n", "flow.py": "import helper\nfrom millrace import DAG\nDAG(helper.NAME)\n"},
    )
    assert names(load_file(tmp_path / "flow.py")) == ["aaa"]
    # The same size within the same second: a time stamp would not tell.
    (tmp_path / "helper.py").write_text("NAME = 'bbb'\n")
    assert names(load_file(tmp_path / "flow.py")) == ["bbb"]


def test_files_and_helpers_of_one_name_in_two_folders_do_not_meet(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        text = "import helper\nfrom millrace import DAG\nDAG(helper.NAME)\n"
        text += "def late():\n    import other\n    return other.NAME\n"
        write(
            tmp_path / folder,
            {"helper.py": f"NAME = '{folder}'\n", "other.py": f"NAME = '{folder}'\n", "flow.py": text},
        )
    first, second = (load_file(tmp_path / folder / "flow.py") for folder in ("a", "b"))
    assert (names(first), names(second)) == (["a"], ["b"])
    for loaded, folder in ((first, "a"), (second, "b"), (first, "a")):
        loaded.project.activate()
        assert sys.modules["flow"].late() == folder
        assert folder == sys.modules["helper"].NAME


def test_what_lies_beside_one_file_is_not_importable_by_the_next(tmp_path: Path) -> None:
    files = {
        "pyproject.toml": "",
        "a/only_here.py": "",
        "a/flow.py": one("p"),
        "b/flow.py": "import only_here\n" + one("p"),
    }
    write(tmp_path, files)
    load_file(tmp_path / "a/flow.py", root=tmp_path)
    with pytest.raises(PipelineFileError, match="there is no module 'only_here'"):
        load_file(tmp_path / "b/flow.py", root=tmp_path)


def test_names_that_something_else_has(tmp_path: Path) -> None:
    """A file called as a standard or installed module, or as no module can be, is imported under another name."""
    for name in ("json.py", "yaml.py", "class.py", "2024-report.py", "millrace.py"):
        loaded = load(tmp_path, one("p"), name)
        assert names(loaded) == ["p"]
        assert loaded.project.entry.startswith("pipeline_file_")
        assert loaded.project.entry in loaded.modules
    load(tmp_path, "import json\njson.loads('1')\n" + one("p"))  # json.py lies beside it


def test_a_name_is_the_same_wherever_the_project_lies(tmp_path: Path) -> None:
    one_place, other = tmp_path / "one", tmp_path / "two"
    for root in (one_place, other):
        write(root, {"flows/json.py": one("p")})
    entries = [load_file(root / "flows/json.py", root=root).project.entry for root in (one_place, other)]
    assert entries == ["flows.json", "flows.json"]
    entries = [load_file(root / "flows/json.py").project.entry for root in (one_place, other)]
    assert entries[0] == entries[1]


def test_a_module_that_is_imported_already_is_set_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, {"flow_of_test.py": one("p")})
    monkeypatch.syspath_prepend(str(tmp_path))
    import flow_of_test  # type: ignore[import-not-found] # made above

    loaded = load_file(tmp_path / "flow_of_test.py")
    assert sys.modules["flow_of_test"] is not flow_of_test
    write(tmp_path / "other", {"flow.py": one("q")})
    load_file(tmp_path / "other/flow.py")
    assert sys.modules["flow_of_test"] is flow_of_test
    assert loaded.project.entry == "flow_of_test"
    monkeypatch.delitem(sys.modules, "flow_of_test")


def test_relative_imports_in_a_package(tmp_path: Path) -> None:
    files = {
        "pack/__init__.py": "",
        "pack/helper.py": "NAME = 'p'\n",
        "pack/flow.py": "from .helper import NAME\n" + one("p"),
    }
    loaded = load_file(write(tmp_path, files) / "pack/flow.py", root=tmp_path)
    assert list(loaded.modules) == ["pack", "pack.flow", "pack.helper"]


# --- failures


@pytest.mark.parametrize(
    ("text", "message", "line", "remedy"),
    [
        ("\n1 / 0\n", "ZeroDivisionError: division by zero", 2, None),
        ("x = (\n", "this is not valid Python: '(' was never closed", 1, None),
        ("import nowhere_at_all\n", "there is no module 'nowhere_at_all'", 1, "put nowhere_at_all.py beside"),
        ("from json import nothing_like_it\n", "ImportError: cannot import name", 1, None),
        ("open('/nowhere/file')\n", "No such file or directory: /nowhere/file", 1, None),
        ("import sys\nsys.exit(3)\n", "the file ended the process with sys.exit(3)", 2, '__name__ == "__main__"'),
        ("import json\n\njson.loads('{')\n", "JSONDecodeError", None, None),
        ("class E(BaseException): ...\nraise E('x')\n", "E: x", 2, None),
    ],
)  # fmt: skip
def test_a_file_that_does_not_import(
    tmp_path: Path, text: str, message: str, line: int | None, remedy: str | None
) -> None:
    error = error_of(tmp_path, text)
    assert message in error.message
    if line is not None:
        assert error.where == f"{tmp_path}/flow.py:{line}"
        assert f'flow.py", line {line}' in error.traceback
    assert (remedy or "") in (error.remedy or "")
    assert "millrace/authoring" not in error.traceback
    assert "importlib" not in error.traceback


def test_a_failure_in_a_helper_names_the_helpers_line(tmp_path: Path) -> None:
    write(tmp_path, {"helper.py": "def f():\n    return 1 / 0\n"})
    error = error_of(tmp_path, "import helper\nhelper.f()\n")
    assert error.where == f"{tmp_path}/helper.py:2"
    lines = [line.strip() for line in error.traceback.splitlines()]
    assert lines[0] == "Traceback (most recent call last):"
    assert [line for line in lines if line.startswith("File")] == [
        f'File "{tmp_path}/flow.py", line 2, in <module>',
        f'File "{tmp_path}/helper.py", line 2, in f',
    ]
    assert "return 1 / 0" in lines


def test_ctrl_c_is_nobodys_error(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        load(tmp_path, "raise KeyboardInterrupt\n")


def test_a_wrong_encoding(tmp_path: Path) -> None:
    (tmp_path / "flow.py").write_bytes(b"# \xe9\n")
    with pytest.raises(PipelineFileError, match=r"not UTF-8|not valid Python"):
        load_file(tmp_path / "flow.py")
    (tmp_path / "flow.py").write_bytes(b"# -*- coding: latin-1 -*-\n# \xe9\n" + one("p").encode())
    assert names(load_file(tmp_path / "flow.py")) == ["p"]


def test_the_graphs_errors_keep_line_and_remedy(tmp_path: Path) -> None:
    error = error_of(tmp_path, one("p") + "@pipeline\ndef q():\n    step(x=1)\n")
    assert error.message == "task step has no input 'x'"
    assert error.where == f"{tmp_path}/flow.py:13"
    assert error.remedy == "It takes no inputs."
    assert isinstance(error.__cause__, GraphError)
    assert 'flow.py", line 13, in q' in error.traceback


def test_a_cycle(tmp_path: Path) -> None:
    error = error_of(tmp_path, one("p") + "@pipeline\ndef q():\n    a = step(); b = step()\n    a >> b >> a\n")
    assert "step -> step__1 -> step" in error.message
    assert isinstance(error.__cause__, CycleError)


def test_a_file_without_pipelines(tmp_path: Path) -> None:
    with pytest.raises(NoPipelines, match=r"defines no pipeline[\s\S]*@pipeline, or `with DAG"):
        load(tmp_path, "x = 1\n")


def test_two_pipelines_of_one_name(tmp_path: Path) -> None:
    error = error_of(tmp_path, "from millrace import DAG\nDAG('x')\nDAG('x')\n")
    assert error.message == "the file defines two pipelines called 'x', the other at line 2"
    assert error.where == f"{tmp_path}/flow.py:3"


def test_paths_that_cannot_be(tmp_path: Path) -> None:
    write(tmp_path, {"notes.txt": "x", "in/flow.py": one("p")})
    for path, message in (
        (tmp_path / "nowhere.py", "there is no file"),
        (tmp_path, "is a folder"),
        (tmp_path / "notes.txt", "is no Python file"),
    ):
        with pytest.raises(PipelineFileError, match=message):
            load_file(path)
    with pytest.raises(PipelineFileError, match="is not in the project's folder"):
        load_file(tmp_path / "in/flow.py", root=tmp_path / "out")


def test_a_file_that_failed_can_be_mended(tmp_path: Path) -> None:
    error_of(tmp_path, "import helper\n")
    write(tmp_path, {"helper.py": "1 / 0\n"})
    error_of(tmp_path, "import helper\n")
    write(tmp_path, {"helper.py": ""})
    assert names(load(tmp_path, "import helper\n" + one("p"))) == ["p"]
