"""Where the process starts and ends: ``main``.

Nothing heavy is imported here, and the tree of verbs only inside ``main``, so that Ctrl-C is quiet from the first
moment.
"""

from __future__ import annotations

import signal
import sys

from millrace.cli.exits import leave_broken_pipe


def main() -> None:
    """Run the command line and end the process with its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # a name that the terminal's encoding lacks is still shown
    try:
        from millrace.cli.app import app  # lazy: Typer's import can be interrupted quietly only from here

        app(prog_name="millrace")
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
    except BrokenPipeError:
        leave_broken_pipe()
