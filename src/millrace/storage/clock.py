"""The real clock. Tests use :class:`millrace.testing.fakes.FakeClock`."""

from __future__ import annotations

import time


class SystemClock:
    """Now, in epoch microseconds UTC."""

    def now(self) -> int:
        return time.time_ns() // 1000
