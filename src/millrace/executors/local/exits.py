"""Why a process ended, in words and as a kind of failure.

A SIGKILL that the executor did not send is taken for the kernel's out-of-memory killer only when the kernel counted one
in the meantime; otherwise the reason says what it may have been.
"""

from __future__ import annotations

import signal
from collections.abc import Sequence
from pathlib import Path

from millrace.core.attempts import FailureKind

_CGROUPS = Path("/sys/fs/cgroup")


class OomCounter:
    """How often the kernel's out-of-memory killer has struck, as far as can be seen from here: the sum of what the
    process's control group (version 1 or 2) and ``/proc/vmstat``, for the whole machine, count. Only its growth tells.
    """

    def __init__(self, proc: Path = Path("/proc"), cgroups: Path = _CGROUPS) -> None:
        self._files = [*_cgroup_files(proc, cgroups), proc / "vmstat"]

    def read(self) -> int:
        return sum(_oom_kills(file) for file in self._files)


def _oom_kills(file: Path) -> int:
    try:
        lines = file.read_text().splitlines()
    except OSError:
        return 0
    counts = (line.partition(" ")[2] for line in lines if line.startswith("oom_kill "))
    return sum(int(count) for count in counts if count.isdigit())


def _cgroup_files(proc: Path, cgroups: Path) -> list[Path]:
    try:
        lines = (proc / "self" / "cgroup").read_text().splitlines()
    except OSError:
        return []
    version_2: list[Path] = []
    version_1: list[Path] = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers:
            version_2.append(cgroups / path.lstrip("/") / "memory.events")
        elif "memory" in controllers.split(","):
            version_1.append(cgroups / "memory" / path.lstrip("/") / "memory.oom_control")
    return version_2 + version_1


def describe_exit(returncode: int, *, out_of_memory: bool) -> tuple[FailureKind, str]:
    """Of a process that nobody here has ended. ``out_of_memory``: the kernel's killer struck while it ran."""
    if returncode >= 0:
        return FailureKind.EXITED, f"the process exited with code {returncode} before the task returned"
    number = -returncode
    if number == signal.SIGKILL and out_of_memory:
        return FailureKind.OUT_OF_MEMORY, "out of memory: the kernel killed the process (SIGKILL)"
    reason = f"killed by {signal_name(number)}"
    if number == signal.SIGKILL:
        reason += ", not by Millrace: by a person, by another program, or by the kernel for lack of memory"
    return FailureKind.SIGNALLED, reason


def signal_name(number: int) -> str:
    """``SIGSEGV``, or ``signal 40``."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def describe_failed_start(returncode: int, tail: Sequence[str], *, late: str | None) -> str:
    """One sentence; the process's last lines are the report's detail. ``late``: the time it was given and took."""
    end = f"exited with code {returncode}" if returncode >= 0 else f"was killed by {signal_name(-returncode)}"
    if late is not None:
        end = f"was not ready within {late}"
    last = next((line.strip() for line in reversed(tail) if line.strip()), "")
    return f"the worker process did not start: it {end}" + (f" ({last})" if last else "")
