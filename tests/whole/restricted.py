"""Commands without root's right to read and write everything, whoever runs the tests."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

_COMMAND = ("setpriv", "--bounding-set=-dac_override,-dac_read_search")
WITHOUT_OVERRIDE: tuple[str, ...] = _COMMAND if os.geteuid() == 0 else ()
"""What goes before a command. Root keeps its name and its files, and obeys their permissions."""


def _works() -> bool:
    if not WITHOUT_OVERRIDE:
        return True
    if shutil.which("setpriv") is None:
        return False
    return subprocess.run([*WITHOUT_OVERRIDE, "true"], capture_output=True, check=False).returncode == 0


needs_restriction = pytest.mark.skipif(not _works(), reason="root's rights cannot be taken away here (setpriv)")
