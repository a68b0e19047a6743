"""Leaving the process when the reader of its output has gone."""

from __future__ import annotations

import os
import signal
import sys
from typing import NoReturn


def leave_broken_pipe() -> NoReturn:
    """End quietly when the reader of our output has gone (``millrace runs list | head -1``)."""
    # the interpreter flushes stdout once more at its end; give it a place to go
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(128 + signal.SIGPIPE)
