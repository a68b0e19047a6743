"""No worker, and nothing that a task started, outlives the executor's process, however that ends."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from millrace.testing.executor_conformance import until_gone
from millrace.testing.sample_tasks import wait_for

PARENT = Path(__file__).parent / "executor_parent.py"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("task", ["never_return", "refuse_to_stop", "hold_the_interpreter"])
def test_nothing_is_left(tmp_path: Path, number: signal.Signals, task: str) -> None:
    with subprocess.Popen([sys.executable, str(PARENT), str(tmp_path), task, str(tmp_path / "marker")]) as parent:
        wait_for(str(tmp_path / "processes"))
        processes = [int(pid) for pid in (tmp_path / "processes").read_text().split()]
        parent.send_signal(number)
        for pid in processes:
            until_gone(pid)
        parent.wait()
    assert len(processes) == (3 if task == "refuse_to_stop" else 2)
