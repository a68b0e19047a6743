"""Times and sizes as people read them: local time, short spans, binary sizes."""

from __future__ import annotations

from datetime import UTC, datetime


def parse_moment(text: str) -> datetime:
    """The instant of an API document, with UTC as its zone."""
    return datetime.fromisoformat(text)


def local_moment(text: str | None) -> str:
    """``2026-11-22 14:10:30`` in local time; empty for null."""
    return "" if text is None else f"{parse_moment(text).astimezone():%Y-%m-%d %H:%M:%S}"


def local_clock(microseconds: int) -> str:
    """``14:10:30`` in local time."""
    return f"{datetime.fromtimestamp(microseconds / 1e6, UTC).astimezone():%H:%M:%S}"


def microseconds_of(text: str) -> int:
    """Epoch microseconds of an API document's time, exactly."""
    delta = parse_moment(text) - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


def span_between(start: str | None, end: str | None) -> str:
    """How long from one time of a document to another; empty when one is null."""
    if start is None or end is None:
        return ""
    return span((parse_moment(end) - parse_moment(start)).total_seconds())


def span(seconds: float) -> str:
    """``85 ms``, ``1.2 s``, ``2 min 05 s``, ``1 h 02 min``."""
    if seconds < 0.9995:
        return f"{max(0.0, seconds) * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def size(count: int | None) -> str:
    """``512 B``, ``1.5 KiB``, ``3.0 GiB``."""
    if count is None:
        return ""
    if count < 1024:
        return f"{count} B"
    value = float(count)
    for unit in ("KiB", "MiB", "GiB"):
        value /= 1024
        if value < 1024:
            return f"{value:.1f} {unit}"
    return f"{value / 1024:.1f} TiB"
