"""New ids: UUIDv7, so that sorting by id sorts by time.

Invariant: ids of one process grow strictly, also within one clock tick and when the clock is set back.
"""

from __future__ import annotations

import os
import threading
import time

_VERSION = 0x7000
_VARIANT = 0x8000_0000_0000_0000
_RANDOM = 0x3FFF_FFFF_FFFF_FFFF


class UuidIds:
    """UUIDv7 with the 12 bits after the milliseconds as a fraction of a millisecond (RFC 9562, 6.2, method 3)."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = 0

    def new(self) -> str:
        nanoseconds = time.time_ns()
        milliseconds, rest = divmod(nanoseconds, 1_000_000)
        tick = milliseconds << 12 | rest * 4096 // 1_000_000
        with self._lock:
            self._last = tick = max(tick, self._last + 1)
        low = _VARIANT | int.from_bytes(os.urandom(8), "big") & _RANDOM
        digits = f"{(tick >> 12) << 16 | _VERSION | tick & 0xFFF:016x}{low:016x}"
        return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"

    def new_tracking(self) -> str:
        """32 hex digits, which is what clients of MLflow's protocol expect."""
        return os.urandom(16).hex()
