"""Where in the user's file something was written.

Invariant: frames of the millrace package never count, told by the module's name and not by its path, because files
that ship inside the package as templates are user code once they are loaded.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

from millrace.core.graph import SourceLine

_PACKAGE = __name__.partition(".")[0]


def user_frames() -> Iterator[FrameType]:
    """Frames of user code that are being executed, innermost first."""
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - inspect.stack() reads every source file on the way
    while frame is not None:
        if not is_own_module(frame.f_globals.get("__name__", "")):
            yield frame
        frame = frame.f_back


def caller() -> SourceLine:
    """The line of user code that called into millrace."""
    frame = next(user_frames(), None)
    return SourceLine("<unknown>", 0) if frame is None else SourceLine(frame.f_code.co_filename, frame.f_lineno)


def caller_locals() -> dict[str, Any]:
    """The local names of the user code that called into millrace."""
    frame = next(user_frames(), None)
    return {} if frame is None else dict(frame.f_locals)


def caller_module() -> str:
    """The name of the module whose code called into millrace."""
    frame = next(user_frames(), None)
    return "" if frame is None else str(frame.f_globals.get("__name__", ""))


def importing_module() -> str:
    """The name of the module whose top level is being executed; ``""`` if none is."""
    frames = (f for f in user_frames() if f.f_code.co_name == "<module>")
    frame = next(frames, None)
    return "" if frame is None else str(frame.f_globals.get("__name__", ""))


def is_own_module(name: str) -> bool:
    return name == _PACKAGE or name.startswith(f"{_PACKAGE}.")


def definition(function: Callable[..., Any]) -> SourceLine | None:
    """Where a function is defined; None for what has no Python code."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    return None if code is None else SourceLine(code.co_filename, code.co_firstlineno)
