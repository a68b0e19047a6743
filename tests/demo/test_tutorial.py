"""The tutorial holds: its excerpts are the example's, its commands and programs run in the order of the page."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import millrace.components
from millrace.authoring.tasks import Task
from millrace.core.types import Artifact
from millrace.wiring.project import PIPELINE, template_file

DOCS = Path(__file__).parents[2] / "docs"
TUTORIAL = (DOCS / "tutorial" / "first-pipeline.md").read_text(encoding="utf-8")
FENCE = re.compile(r"^```(sh|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BACKGROUND = "# in a terminal of its own\n"
FAILS = "  # fails"


def free_port() -> int:
    with closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class Reader:
    """Somebody who follows the page in a shell."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder = folder
        self.stack = stack
        variables = {name: value for name, value in os.environ.items() if not name.startswith("MILLRACE_")}
        self.environment = {**variables, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}

    def run(self, line: str) -> str:
        command, fails, _ = line.partition(FAILS)
        if command.startswith("cd "):
            self.folder /= command.removeprefix("cd ")
            return ""
        told = subprocess.run(
            ["bash", "-c", command], cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False
        )
        assert told.returncode == (1 if fails else 0), f"{line}\n{told.stdout}{told.stderr}"
        return told.stdout + told.stderr

    def program(self, text: str) -> str:
        told = subprocess.run(
            [sys.executable, "-W", "error", "-c", text], cwd=self.folder, capture_output=True, text=True, check=False
        )
        assert told.returncode == 0, f"{text}\n{told.stderr}"
        return told.stdout

    def start(self, command: str) -> None:
        self.stack.enter_context(self._running(command))

    @contextmanager
    def _running(self, command: str) -> Iterator[None]:
        with subprocess.Popen(
            ["bash", "-c", f"exec {command}"],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            assert process.stdout is not None
            said = process.stdout.readline()
            assert "http://127.0.0.1:" in said, said + process.stdout.read()
            try:
                yield
            finally:
                process.send_signal(signal.SIGINT)
                process.communicate()


def test_the_tutorial_from_top_to_bottom(tmp_path: Path) -> None:
    template = template_file(PIPELINE).decode()
    ports = {"5000": str(free_port()), "8080": str(free_port())}
    said: dict[str, str] = {}
    with ExitStack() as stack:
        reader = Reader(tmp_path, stack)
        for language, text in FENCE.findall(TUTORIAL):
            for written, port in ports.items():
                text = text.replace(written, port)  # noqa: PLW2901 - the page's ports may be taken here
            if language == "python":
                if text not in template:
                    said[text] = reader.program(text)
            elif text.startswith(BACKGROUND):
                reader.start(text.removeprefix(BACKGROUND).strip())
            else:
                for line in text.splitlines():
                    said[line] = reader.run(line)
    _check_claims(said)


def _check_claims(said: dict[str, str]) -> None:
    """What the page says of its commands."""
    plan = next(text for line, text in said.items() if line.startswith("millrace plan"))
    assert re.search(r"Trainer +run +.*hyperparameters", plan), plan
    assert re.search(r"Transform +cached", plan), plan
    again = said["millrace run pipelines/pipeline.py"]  # the second one
    assert again.count("taken from the cache") == 8
    stopped = next(text for line, text in said.items() if line.endswith(FAILS))
    assert "column 'mean texture' is missing" in stopped
    assert "column 'worst area' shifted" in stopped
    answered = next(text for line, text in said.items() if "urlopen" in line)
    assert set(re.findall(r"malignant|benign", answered)) <= {"malignant", "benign"}
    assert len(re.findall(r"malignant|benign", answered)) == 5


def test_every_component_input_and_type_is_described() -> None:
    page = (DOCS / "reference" / "components.md").read_text(encoding="utf-8")
    sections = dict(zip(*[iter(re.split(r"^## (.+)$", page, flags=re.MULTILINE)[1:])] * 2, strict=True))
    for name in millrace.components.__all__:
        found = getattr(millrace.components, name)
        if isinstance(found, Task):
            outside = [p for p in found.function.__annotations__ if p != "return"]
            assert [p for p in outside if f"`{p}`" not in sections[name]] == []
        else:
            assert issubclass(found, Artifact)
            assert f"| `{name}` |" in sections["Artifact types"]
