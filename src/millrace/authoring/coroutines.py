"""Running a task that is an ``async def``; on its own, because asyncio is a large part of what a small task loads."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any


def run_coroutine(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """The result of ``coroutine``, in an event loop of its own."""
    return asyncio.run(coroutine)
