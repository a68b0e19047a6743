"""The form of a line in an attempt's log: ``2026-01-01T00:00:00.000000Z text``, in UTC."""

from __future__ import annotations

import time

LINE_LIMIT = 1024 * 1024
"""Bytes, or characters: a line that grows without end is cut there rather than kept in memory."""


def stamp(now: int) -> str:
    """The prefix of lines that were read at ``now``, epoch microseconds, with the space that follows it."""
    seconds, micros = divmod(now, 1_000_000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{micros:06d}Z "


def as_shown(line: str) -> str:
    """What a terminal shows at last: progress bars rewrite their line, each time after a carriage return."""
    return line.rstrip("\r").rpartition("\r")[2]


def pending(part: str) -> str:
    """As much of the beginning of a line as :func:`as_shown` may still need of it."""
    return as_shown(part) + ("\r" if part.endswith("\r") else "")
