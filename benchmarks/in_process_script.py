"""Runs one pipeline of a file several times in this process and prints the milliseconds of each as JSON.

python -m benchmarks.in_process_script FILE PIPELINE HOME TIMES
"""

from __future__ import annotations

import json
import runpy
import sys
import time
from pathlib import Path


def main(file: str, pipeline: str, home: str, times: str) -> None:
    found = runpy.run_path(file)[pipeline]
    milliseconds = []
    for _ in range(int(times)):
        started = time.perf_counter()
        result = found.run(home=Path(home))
        milliseconds.append((time.perf_counter() - started) * 1000)
        if not result.ok:
            raise SystemExit(f"{pipeline} ended as {result.state}")
    print(json.dumps(milliseconds))


if __name__ == "__main__":
    main(*sys.argv[1:])
