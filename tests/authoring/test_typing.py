"""What mypy says of pipelines: right ones pass under --strict, wrong ones are caught where the functions tell."""

from __future__ import annotations

from pathlib import Path

import pytest
from mypy import api

TASKS = """
from typing import NamedTuple
from millrace import DAG, Dataset, Model, Output, component, dag, latest, pipeline, task
from millrace.operators import BashOperator, EmptyOperator, PythonOperator

class Parts(NamedTuple):
    train: Dataset
    rows: int

@task
def load(path: str) -> Dataset:
    return Dataset(path)

@task(retries=2, retry_delay=1.5)
def split(data: Dataset, share: float = 0.2) -> Parts:
    return Parts(data, 1)

@component(environment=["numpy"])
def train(data: Dataset, model: Output[Model], base: Model | None = None, lr: float = 0.1) -> None:
    model.path.mkdir()

@task
def score(model: Model, rows: int) -> float:
    return 1.0
"""

RIGHT = """
@pipeline
def bare(path: str, lr: float = 0.1) -> None:
    parts = split(load(path))
    trained = train(parts.train, lr=lr, base=latest("train.model"))
    score(trained, parts.rows)
    score(trained.model, rows=parts.rows)
    score(trained.outputs["model"], 1)
    trained >> train.override(task_id="again", trigger_rule="all_done")(parts.train)

@pipeline(name="named", schedule="@daily", tags=["x"], max_active_runs=1)
def named() -> None:
    load("x")

@dag(dag_id="d", schedule=None)
def as_dag() -> None: ...

with DAG("demo", schedule="@daily") as d:
    hello = BashOperator(task_id="hello", bash_command="echo", retries=3)
    last = PythonOperator(task_id="c", python_callable=print)
    hello >> [EmptyOperator(task_id="a"), EmptyOperator(task_id="b")] >> last
    hello >> load("x")

plain: Dataset = load("x")
result: float = score(Model("m"), 2)
bare.run(lr=0.1)
as_dag()
"""

WRONG = {
    "load(1)": 'Argument 1 to "__call__" of "Task" has incompatible type "int"; expected "str"',
    "split(data=load('x'), shear=1)": 'Unexpected keyword argument "shear"',
    "score(load('x'), 1)": 'incompatible type "Dataset"; expected "Model"',
    "split(load('x')).test": '"Parts" has no attribute "test"',
    "task(retrys=1)": 'Unexpected keyword argument "retrys"',
    "BashOperator(task_id='x')": 'Missing named argument "bash_command"',
    "EmptyOperator(task_id='x', retrys=1)": 'Unexpected keyword argument "retrys"',
}


def check(folder: Path, text: str) -> str:
    file = folder / "pipeline.py"
    file.write_text(text)
    root = Path(__file__).parents[2]
    options = ["--strict", "--config-file", str(root / "pyproject.toml"), f"--cache-dir={folder / 'cache'}"]
    return api.run([*options, str(file)])[0]


def test_right_pipelines_pass_and_mistakes_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).parents[2])  # mypy_path in the settings is relative
    mistakes = "".join(f"{code}\n" for code in WRONG)
    lines = check(tmp_path, f"{TASKS}{RIGHT}{mistakes}").splitlines()
    first = len(f"{TASKS}{RIGHT}".splitlines()) + 1
    mine = [line for line in lines if "pipeline.py:" in line and ": error:" in line]
    for number, message in enumerate(WRONG.values(), first):
        assert any(f":{number}:" in line and message in line for line in mine), f"{message}\n" + "\n".join(lines)
    assert {int(line.split(":")[1]) for line in mine} == set(range(first, first + len(WRONG)))
