"""Operators as tasks, and what a bash command gives, says and leaves behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

import millrace.operators
from millrace import DAG
from millrace.authoring.bash import run_bash
from millrace.authoring.loaded_tasks import loaded_tasks
from millrace.core.errors import FailWithoutRetry, SkipTask, TaskFailure
from millrace.operators import BashOperator, EmptyOperator, PythonOperator


def test_the_facade() -> None:
    assert sorted(millrace.operators.__all__) == ["BashOperator", "EmptyOperator", "PythonOperator"]


def test_operators_run_as_tasks() -> None:
    with DAG("d") as d:
        BashOperator(task_id="bash", bash_command="echo one; echo two")
        PythonOperator(task_id="python", python_callable=pow, op_args=[2, 3])
        PythonOperator(
            task_id="lambda",
            python_callable=lambda *values, sep: sep.join(values),
            op_args=["a", "b"],
            op_kwargs={"sep": "-"},
        )
        EmptyOperator(task_id="empty")
    tasks = loaded_tasks(d)
    given = {t.task_id: {n: getattr(b, "value", None) for n, b in t.bindings.items()} for t in d.graph.tasks}
    results = {task_id: task.call(**given[task_id]) for task_id, task in tasks.items()}
    assert results == {"bash": "two", "python": 8, "lambda": "a-b", "empty": None}


def test_the_last_line_is_the_result_and_every_line_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    assert run_bash("echo one; echo two >&2; printf 'three  \\n'") == "three  "
    assert capfd.readouterr().out == "one\ntwo\nthree  \n"
    assert run_bash("true") == ""
    assert run_bash("printf 'no end'") == "no end"
    assert run_bash("printf '\\xff\\n'") == "\ufffd"


def test_lines_come_while_the_command_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go = tmp_path / "go"

    class Log:
        def write(self, text: str) -> None:
            if text == "first":
                go.touch()

        def flush(self) -> None: ...

    monkeypatch.setattr(sys, "stdout", Log())
    # The command waits for what only its first line brings about.
    assert run_bash(f"echo first; until [ -e '{go}' ]; do sleep 0.01; done; echo second") == "second"


def test_environment_and_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUTER", "outer")
    show = 'echo "$OUTER/$INNER"'
    path = {"PATH": os.environ["PATH"]}
    assert run_bash(show) == "outer/"
    assert run_bash(show, env={**path, "INNER": "inner"}) == "/inner"
    assert run_bash(show, env={"INNER": "inner"}, append_env=True) == "outer/inner"
    assert run_bash("pwd -P", cwd=str(tmp_path)) == str(tmp_path.resolve())
    with pytest.raises(FailWithoutRetry, match="there is no folder"):
        run_bash("true", cwd=str(tmp_path / "nowhere"))


def test_no_bash(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(FailWithoutRetry, match="there is no bash"):
        run_bash("true")


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("exit 3", "ended with exit code 3"),
        ("false", "ended with exit code 1"),
        ("kill -KILL $$", "was killed by SIGKILL"),
        ("(exit 137)", "was killed by SIGKILL"),
        ("nonsense_command", "ended with exit code 127"),
        ("if", "ended with exit code"),
    ],
)
def test_failures(command: str, message: str) -> None:
    with pytest.raises(TaskFailure, match=message) as caught:
        run_bash(command)
    assert not isinstance(caught.value, SkipTask | FailWithoutRetry)


@pytest.mark.parametrize(("codes", "code"), [(99, 99), ([3, 4], 4)])
def test_skips(codes: Any, code: int) -> None:
    with pytest.raises(SkipTask, match=f"exit code {code}"):
        run_bash(f"exit {code}", skip_on_exit_code=codes)


def test_no_code_skips_if_none_is_given() -> None:
    with pytest.raises(TaskFailure, match="exit code 99"):
        run_bash("exit 99", skip_on_exit_code=None)


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def wait_until_dead(pids: list[int]) -> None:
    """No time limit of its own: a process that stays makes the test hang, which is the failure."""
    while any(is_alive(pid) for pid in pids):
        time.sleep(0.01)


def group_of(pid: int) -> list[int]:
    """Every process of the command's session."""
    return [
        int(p)
        for p in subprocess.run(
            ["ps", "-o", "pid=", "--sid", str(pid)], capture_output=True, text=True, check=False
        ).stdout.split()
    ]


def test_what_is_left_in_the_background_ends_with_the_command(capfd: pytest.CaptureFixture[str]) -> None:
    pid = int(run_bash("sleep 1000 & echo $!"))
    wait_until_dead([pid])


class Interrupted(Exception):
    """What a worker raises in a task that is stopped."""


def test_an_exception_in_the_task_ends_the_whole_group(tmp_path: Path) -> None:
    def interrupt(_number: int, _frame: object) -> None:
        raise Interrupted

    file = tmp_path / "pids"
    former = signal.signal(signal.SIGUSR1, interrupt)

    def stop_when_started() -> None:
        while not file.exists() or len(file.read_text().split()) < 3:
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGUSR1)

    stopper = threading.Thread(target=stop_when_started)
    stopper.start()
    try:
        with pytest.raises(Interrupted):
            run_bash(
                f"sleep 1000 & bash -c 'sleep 1000' & echo $! $$ $PPID > '{file}.new'; mv '{file}.new' '{file}'; wait"
            )
    finally:
        stopper.join()
        signal.signal(signal.SIGUSR1, former)
    wait_until_dead([int(pid) for pid in file.read_text().split()])


def test_sigkill_of_the_worker_ends_the_whole_group(tmp_path: Path) -> None:
    file = tmp_path / "pids"
    command = f"bash -c 'sleep 1000' & echo $! $$ $PPID > '{file}.new'; mv '{file}.new' '{file}'; trap '' TERM; wait"
    code = f"from millrace.authoring.bash import run_bash; run_bash({command!r})"
    worker = subprocess.Popen([sys.executable, "-c", code])
    while not file.exists():
        time.sleep(0.01)
    pids = [int(pid) for pid in file.read_text().split()]
    pids = [pid for leader in pids for pid in [leader, *group_of(leader)]]
    worker.kill()
    worker.wait()
    wait_until_dead(pids)
