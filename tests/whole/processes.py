"""Finding every process that a test started, however far it went from its parent: by a variable in its environment."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

MARK = "WHOLE_RUN"
"""The variable. Children inherit it; a process that leaves its session and its parent still has it."""

HANG = 120.0
"""Seconds after which a wait is a hang. It is no measure of speed: a wait ends as soon as its condition holds."""

T = TypeVar("T")


def marked(mark: str) -> dict[int, str]:
    """Process id -> command line of each living process with this mark."""
    wanted = f"{MARK}={mark}".encode()
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            if wanted in (entry / "environ").read_bytes().split(b"\0") and _alive(entry):
                found[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
        except OSError:
            continue  # it ended, or is another user's
    return found


def _alive(entry: Path) -> bool:
    return (entry / "stat").read_text().rpartition(")")[2].split()[0] not in "ZX"


def until(condition: Callable[[], T | bool | None], what: str, *, pause: float = 0.02) -> T:
    """What ``condition`` gives as soon as that is true; AssertionError when it hangs."""
    deadline = time.monotonic() + HANG
    while time.monotonic() < deadline:
        found = condition()
        if found:
            assert found is not True or isinstance(found, bool)
            return found  # type: ignore[return-value] # True stands for itself
        time.sleep(pause)
    raise AssertionError(f"waited {HANG:g} s for {what}; at last: {condition()!r}")
