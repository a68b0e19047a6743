"""Calling a task that is an ``async def``; on its own, because asyncio is a large part of what a small task loads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any


def run_coroutine(function: Callable[..., Coroutine[Any, Any, Any]], inputs: dict[str, Any]) -> Any:
    """The result of ``await function(**inputs)`` in an event loop of its own."""
    return asyncio.run(function(**inputs))
