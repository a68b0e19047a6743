"""What an attempt costs: CPU seconds of this process and of its children, and peak resident memory.

The kernel's ``ru_maxrss`` is a peak over the life of the process (and starts with what the parent had before exec),
so a worker process resets the peak before each attempt and reads ``VmHWM`` after it.
"""

from __future__ import annotations

import resource
from pathlib import Path

from millrace.core.attempts import Usage

_SELF, _CHILDREN = resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN
_PEAK_RESET = b"5"


def cpu_seconds() -> float:
    """User and system time so far, of this process and of the children it has waited for."""
    mine, children = resource.getrusage(_SELF), resource.getrusage(_CHILDREN)
    return mine.ru_utime + mine.ru_stime + children.ru_utime + children.ru_stime


def used_since(cpu_before: float) -> Usage:
    """The CPU time since, and the peak of the process so far."""
    return Usage(max(0.0, cpu_seconds() - cpu_before), resource.getrusage(_SELF).ru_maxrss * 1024)


class PeakMemory:
    """The peak resident bytes of this process between :meth:`reset` and :meth:`read`. Linux."""

    def __init__(self) -> None:
        self._clear = Path("/proc/self/clear_refs").open("wb", buffering=0)  # noqa: SIM115 -- for the life of the process
        self._status = Path("/proc/self/status").open("rb", buffering=0)  # noqa: SIM115 -- as above

    def reset(self) -> None:
        self._clear.write(_PEAK_RESET)

    def read(self) -> int:
        self._status.seek(0)
        for line in self._status.read(8192).splitlines():
            if line.startswith(b"VmHWM:"):
                return int(line.split()[1]) * 1024
        return 0
