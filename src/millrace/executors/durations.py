"""Durations in the words of a reason: ``did not finish within 2 s``."""

from __future__ import annotations


def in_words(micros: int) -> str:
    """``250 ms``, ``2 s``, ``1.5 s``, ``3 min``, ``2 h``."""
    seconds = micros / 1_000_000
    if seconds < 1:
        return f"{seconds * 1000:.3g} ms"
    if seconds >= 3600 and seconds % 3600 == 0:
        return f"{seconds / 3600:g} h"
    if seconds >= 60 and seconds % 60 == 0:
        return f"{seconds / 60:g} min"
    return f"{seconds:g} s"
