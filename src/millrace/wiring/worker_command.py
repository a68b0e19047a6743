"""How a worker process is started."""

from __future__ import annotations

import sys

from millrace.wiring.settings import Settings


def worker_command(settings: Settings) -> list[str]:
    return [sys.executable, "-m", "millrace.wiring.worker_process", settings.artifacts, str(settings.home)]
