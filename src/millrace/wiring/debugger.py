"""``millrace replay --pdb``: the debugger where user code raised. A module of its own, because few runs need it."""

from __future__ import annotations

import pdb  # noqa: T100 - this is what --pdb asks for
from types import TracebackType


def post_mortem(traceback: TracebackType) -> None:
    """Stop in the frame that raised."""
    pdb.post_mortem(traceback)
