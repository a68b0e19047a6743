"""Where everything that is measured runs: a temporary folder, the installed command, settings from nowhere else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs

from benchmarks.pipeline_files import write_pipelines

COMMAND = str(Path(sys.executable).with_name("millrace"))
ROOT = Path(__file__).parent.parent


@attrs.frozen
class Sizes:
    """How much is measured. The defaults are those of the table."""

    runs: int = 5
    chain: int = 10
    fan_out: int = 1_000
    fan_out_small: int = 100
    machine: int = 100_000
    machine_small: int = 1_000
    settle: float = 8.0
    """Seconds that an idle service has before it is looked at."""
    idle: float = 20.0
    """Seconds that it is looked at."""


@attrs.frozen
class Surroundings:
    """A folder with ``pipelines/no_op.py`` and room for homes."""

    folder: Path
    file: Path
    sizes: Sizes

    @property
    def environment(self) -> dict[str, str]:
        return {name: value for name, value in os.environ.items() if not name.startswith("MILLRACE_")}

    def new_home(self) -> Path:
        """A path where there is nothing yet."""
        return Path(tempfile.mkdtemp(prefix="home-", dir=self.folder)) / "home"

    def timed(self, command: Sequence[str]) -> float:
        """Seconds from the start of the process to its end. CalledProcessError when it fails."""
        started = time.perf_counter()
        subprocess.run(command, cwd=self.folder, env=self.environment, check=True, stdout=subprocess.DEVNULL)
        return time.perf_counter() - started

    def answer(self, command: Sequence[str], **variables: str) -> Any:
        """The JSON document that ``command`` prints."""
        environment = {**self.environment, **variables}
        done = subprocess.run(command, cwd=self.folder, env=environment, check=True, stdout=subprocess.PIPE)
        return json.loads(done.stdout)

    def script(self, module: str, *arguments: object) -> Any:
        """The JSON document that a module of this package prints in a process of its own."""
        command = [sys.executable, "-m", f"benchmarks.{module}", *map(str, arguments)]
        environment = {**self.environment, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(command, cwd=self.folder, env=environment, check=True, stdout=subprocess.PIPE)
        return json.loads(done.stdout)


@contextmanager
def surroundings(sizes: Sizes) -> Iterator[Surroundings]:
    """Made in the temporary folder, removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="millrace-bench-") as name:
        folder = Path(name)
        file = write_pipelines(
            folder / "pipelines", chain=sizes.chain, fan_out=sizes.fan_out, fan_out_small=sizes.fan_out_small
        )
        yield Surroundings(folder, file, sizes)
