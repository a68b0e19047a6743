"""The demo from end to end: the command in a process of its own, and again over what it left."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import psutil
import pytest

from millrace.core.errors import ConflictError
from millrace.core.types import Json
from millrace.wiring.demo import run_demo
from millrace.wiring.demo_server import model_server
from millrace.wiring.platform import Progress


class KeptOutput:
    """The demo's words, kept."""

    def __init__(self) -> None:
        self.headings: list[str] = []
        self.lines: list[str] = []
        self.rows: list[Mapping[str, Json]] = []

    def heading(self, text: str) -> None:
        self.headings.append(text)

    def say(self, text: str) -> None:
        self.lines.append(text)

    def table(self, rows: Sequence[Mapping[str, Json]], columns: Mapping[str, str]) -> None:
        assert all(set(columns) <= set(row) for row in rows)
        self.rows.extend(rows)


class KeptProgress:
    def __init__(self) -> None:
        self.states: list[str] = []

    def on_run(self, document: Json) -> None:
        self.states.append(document["state"])

    def on_task(self, task_id: str, state: str, at: int, note: str) -> None:
        pass


def left_behind(folder: Path) -> list[str]:
    """Processes that work in ``folder``."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.pid != os.getpid() and Path(process.cwd()).is_relative_to(folder):
                found.append(" ".join(process.cmdline()))
    return found


def test_the_demo_twice_in_one_folder(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "millrace", "demo", "--plain", "the demo"]
    told = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stdout + told.stderr
    assert told.stderr == ""
    for words in (
        "Blessed: auc is 0.9",
        "registered as       breast-cancer version 1, alias champion",
        "The model says 'malignant', the label in the CSV is 'malignant'.",
        "8 of 8 tasks were taken from the cache",
        "ExampleValidator stopped the run before training.",
        "column 'mean concavity' is missing",
        "'unclear' (29 rows, 5.1 %)",
        "column 'worst area' shifted",
        "cd 'the demo'",
    ):
        assert words in told.stdout
    assert left_behind(tmp_path) == []
    assert [one.name for one in tmp_path.iterdir()] == ["the demo"]
    _again(tmp_path)


def _again(folder: Path) -> None:
    output, runs = KeptOutput(), list[KeptProgress]()

    @contextlib.contextmanager
    def progress() -> Iterator[Progress]:
        runs.append(KeptProgress())
        yield runs[-1]

    run_demo(folder / "the demo", printer=output, new_progress=progress)
    assert any("earlier demo" in line for line in output.lines)
    assert [run.states[-1] for run in runs] == ["success", "success", "failed"]
    assert output.headings[0] == "A new project"
    assert len([row for row in output.rows if "finding" in row]) == 3
    assert left_behind(folder) == []


def test_a_folder_that_no_demo_made_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("chapter 1")
    output = KeptOutput()
    with pytest.raises(ConflictError, match="no demo made it"):
        run_demo(tmp_path, printer=output, new_progress=lambda: contextlib.nullcontext(KeptProgress()))
    assert [one.name for one in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_demo_whose_pipeline_was_changed_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "pipelines").mkdir()
    (tmp_path / ".millrace-demo").write_text("")
    mine = tmp_path / "pipelines" / "pipeline.py"
    mine.write_text("# my own work\n")
    with pytest.raises(ConflictError, match=r"pipelines/pipeline\.py was changed"):
        run_demo(tmp_path, printer=KeptOutput(), new_progress=lambda: contextlib.nullcontext(KeptProgress()))
    assert mine.read_text() == "# my own work\n"


SERVES_AND_DIES = """
import os, signal, sys
from pathlib import Path
from millrace.wiring.demo_server import model_server
with model_server(["models", "serve", sys.argv[1], "--port", "0"], Path(sys.argv[2])) as url:
    print(url, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from sklearn.dummy import DummyRegressor

    from millrace.models import save_model

    path = tmp_path_factory.mktemp("model") / "model"
    save_model(path, DummyRegressor(strategy="constant", constant=3.0).fit([[1.0]], [2.0]))
    return path


def test_the_server_does_not_outlive_a_killed_demo(model: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", SERVES_AND_DIES, str(model), str(tmp_path)]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    assert told.returncode == -9, told.stderr
    assert told.stdout.startswith("http://127.0.0.1:")
    servers = [p for p in psutil.process_iter() if _works_in(p, tmp_path)]
    psutil.wait_procs(servers)
    assert left_behind(tmp_path) == []


def _works_in(process: psutil.Process, folder: Path) -> bool:
    with contextlib.suppress(psutil.Error):
        return Path(process.cwd()).is_relative_to(folder)
    return False


def test_a_server_that_does_not_start_says_why(tmp_path: Path) -> None:
    from millrace.core.errors import ServiceError

    with (
        pytest.raises(ServiceError, match="ended before it answered") as told,
        model_server(["models", "serve", "nowhere", "--port", "0"], tmp_path),
    ):
        pass
    assert "nowhere" in told.value.message
