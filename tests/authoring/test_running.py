"""``.run()``: the whole way from a pipeline object to a finished run in this process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from millrace import DAG, Dataset, Model, Output, pipeline, task
from millrace.authoring import running
from millrace.core.errors import ParameterError
from millrace.operators import BashOperator


@task
def write(lines: int, folder: str) -> Dataset:
    file = Path(folder) / "table.txt"
    file.write_text("x\n" * lines)
    return Dataset(file)


@task
def train(table: Dataset, model: Output[Model], lr: float = 0.1) -> None:
    model.path.write_text(f"{len(table.path.read_text())} {lr}")


@task
def read(model: Model) -> str:
    return model.path.read_text()


@task
def outer() -> int:
    return inner(20) + 1


@task
def inner(x: int) -> int:
    return 2 * x


@pipeline
def whole(folder: str, home: int, lr: float = 0.5) -> None:
    read(train(write(home, folder), lr=lr))


def states(result: Any) -> dict[str, str]:
    return {t.task_id: t.state.value for t in result.task_runs}


def test_a_pipeline_runs(tmp_path: Path) -> None:
    result = whole.run({"home": 3}, home=tmp_path / "home", folder=str(tmp_path), lr=0.2)
    assert states(result) == {"write": "success", "train": "success", "read": "success"}
    assert result.outputs["read"].values == {"return_value": "6 0.2"}


def test_parameters_are_checked_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match=r"no parameter 'foldr'[\s\S]*Did you mean 'folder'"):
        whole.run(home=tmp_path / "home", foldr="x")
    assert not (tmp_path / "home").exists()


def test_a_dag_runs_inside_its_own_block_and_shows_what_it_does(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with DAG("d") as dag:
        BashOperator(task_id="hello", bash_command="echo hello") >> outer()
        result = dag.test(home=str(tmp_path))
    assert states(result) == {"hello": "success", "outer": "success"}
    assert result.outputs["outer"].values == {"return_value": 41}
    assert list(dag.graph.by_id) == ["hello", "outer"]
    assert "outer: success" in capsys.readouterr().out


def test_the_seam_is_the_documented_one() -> None:
    assert running.RUNNER == "millrace.wiring.in_process"


def test_a_dag_runs_with_what_was_added_since(tmp_path: Path) -> None:
    with DAG("d") as dag:
        inner(1)
        assert states(dag.run(home=tmp_path)) == {"inner": "success"}
        outer()
        assert states(dag.run(home=tmp_path)) == {"inner": "success", "outer": "success"}


PROMPT = """
from millrace import pipeline, task

def helper(x):
    return x + 1

@task
def step(x: int) -> int:
    return helper(x)

@pipeline(cache=True)
def p():
    step(1)

def show():
    result = p.run(home={home!r})
    print(result.outputs["step"].values["return_value"])

show()

def helper(x):
    return x + 2

show()
"""


def test_a_function_redefined_at_a_prompt_is_no_cache_hit(tmp_path: Path) -> None:
    code = f"exec({PROMPT.format(home=str(tmp_path / 'home'))!r})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["2", "3"]
