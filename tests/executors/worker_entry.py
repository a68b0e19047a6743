"""The worker process of these tests: ``worker_entry.py ROOT`` serves the sample tasks over a folder of artifacts."""

import sys
from pathlib import Path

from millrace.worker.process import connect, serve


def main() -> None:
    channel = connect()
    from millrace.storage.artifacts import LocalArtifactStore
    from millrace.storage.clock import SystemClock
    from millrace.testing.sample_tasks import SampleLoader

    serve(channel, SampleLoader(), LocalArtifactStore(Path(sys.argv[1])), SystemClock())


if __name__ == "__main__":
    main()
