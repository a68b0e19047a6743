"""Sizes and limits of a local executor."""

from __future__ import annotations

from collections.abc import Sequence

import attrs


@attrs.frozen
class LocalSettings:
    """Times in seconds."""

    command: Sequence[str]
    parallelism: int
    prestart: int
    memory_limit: int | None = None
    """Resident bytes that a worker with its child processes may use."""
    recycle_after: int = 1000
    grace: float = 5.0
    """Between SIGTERM and SIGKILL."""
    start_timeout: float = 60.0
    load_timeout: float = 600.0
    """For importing the user's code."""
