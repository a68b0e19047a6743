"""The entry point of a worker process: ``python -m millrace.wiring.worker_process ARTIFACTS HOME``. Light on
purpose."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from millrace.worker.process import connect, serve


def main() -> None:
    channel = connect()
    os.environ.pop("MILLRACE_DATABASE", None)  # with its password: not for tasks, nor for what they start and log
    # After connecting: a parent that dies while these are imported takes this process with it.
    from millrace.authoring.snapshot_loader import SnapshotCodeLoader  # lazy: see above
    from millrace.storage.clock import SystemClock  # lazy: see above
    from millrace.wiring.artifact_root import open_artifacts  # lazy: see above
    from millrace.wiring.snapshots import snapshot_reader  # lazy: see above

    artifacts = open_artifacts(sys.argv[1], Path(sys.argv[2]))
    loader = SnapshotCodeLoader(snapshot_reader(artifacts))
    serve(channel, loader, artifacts, SystemClock())


if __name__ == "__main__":
    main()
