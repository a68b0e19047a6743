"""Which Millrace this is."""

from __future__ import annotations

import platform
from importlib import metadata


def installed_version() -> str:
    """The version of the installed distribution."""
    return metadata.version("millrace")


def python_version() -> str:
    """The version of the interpreter that runs it."""
    return platform.python_version()
