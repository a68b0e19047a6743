"""A process with a local executor, to be killed by a test: ``executor_parent.py ROOT ACTION TASK MARKER``.

It runs one task that never ends and says which processes there are in ``ROOT/processes``. On SIGTERM it closes its
executor, as a service does.
"""

import os
import signal
import sys
import time
from pathlib import Path
from types import FrameType

import psutil

from millrace.executors.local import LocalExecutor
from millrace.storage.artifacts import LocalArtifactStore
from millrace.storage.clock import SystemClock
from millrace.storage.logs import FileLogStore
from millrace.testing.executor_bench import ExecutorBench
from millrace.testing.sample_tasks import wait_for


def main(root: Path, task: str, marker: str) -> None:
    bench = ExecutorBench(LocalArtifactStore(root / "artifacts"), FileLogStore(root / "logs"))
    entry = Path(__file__).with_name("worker_entry.py")
    executor = LocalExecutor(
        [sys.executable, str(entry), bench.artifacts.root],
        logs=bench.logs,
        services_for=bench.services_for,
        clock=SystemClock(),
        parallelism=2,
        prestart=2,
        grace=0.3,
    )
    bench.attach(executor)

    def end(number: int, frame: FrameType | None) -> None:
        executor.close()
        os._exit(0)

    signal.signal(signal.SIGTERM, end)
    bench.submit(bench.launch(task, {"marker": marker}))
    wait_for(marker)
    found = [p.pid for p in psutil.Process().children(recursive=True)]
    temporary = root / "processes.part"
    temporary.write_text(" ".join(map(str, found)))
    temporary.rename(root / "processes")
    while True:
        time.sleep(3600)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
