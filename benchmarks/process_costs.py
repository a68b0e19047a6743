"""What a process and all its descendants cost, as the kernel counts it (Linux)."""

from __future__ import annotations

from pathlib import Path

import psutil


def family(pid: int) -> list[int]:
    """``pid`` and every process below it."""
    process = psutil.Process(pid)
    return [pid, *(child.pid for child in process.children(recursive=True))]


def cpu_seconds(pids: list[int]) -> float:
    """CPU time that the living threads of these processes have used, from the scheduler's own count."""
    total = 0
    for pid in pids:
        for thread in Path(f"/proc/{pid}/task").iterdir():
            total += int((thread / "schedstat").read_text().split()[0])
    return total / 1e9


def proportional_bytes(pids: list[int]) -> int:
    """PSS: private memory, and of shared memory this family's part."""
    total = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1]) * 1024
    return total
