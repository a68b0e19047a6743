"""Tracebacks as the author of a task wants to read them: their own frames, without the platform's.

Invariant: something is always left to read. Where an exception has no frame outside the package (a component
raised), the frames below the worker's own stay.
"""

from __future__ import annotations

import traceback
from pathlib import Path

from millrace.core.errors import MillraceError

_PACKAGE = str(Path(__file__).parent.parent) + "/"
_WORKER = str(Path(__file__).parent) + "/"
_INSTALLED = frozenset({"site-packages", "dist-packages"})
REASON_LIMIT = 600
"""Characters; the whole text is in the traceback."""


def user_traceback(error: BaseException) -> str:
    """The formatted traceback, chained exceptions included, without frames of the package or of the import system."""
    report = traceback.TracebackException.from_exception(error, compact=True)
    _trim(report)
    return "".join(report.format())


def reason_of(error: BaseException, root: str) -> str:
    """``ValueError: text (file:line in user code)`` on one line; ``root`` shortens the file's name."""
    name = type(error).__name__
    if isinstance(error, MillraceError):
        text = _text(error)
    elif isinstance(error, SyntaxError):
        text = f"{name}: {error.msg}"
    else:
        text = f"{name}: {_text(error)}".rstrip(": ")
    if len(text) > REASON_LIMIT:
        text = text[:REASON_LIMIT] + "..."
    where = _location(error, root)
    return f"{text} ({where})" if where else text


def _text(error: BaseException) -> str:
    """On one line. The user's own ``__str__`` may raise."""
    try:
        return " ".join(str(error).split())
    except Exception:  # noqa: BLE001 -- whatever it raises, the attempt's report goes out
        return "(its text cannot be read)"


def _location(error: BaseException, root: str) -> str | None:
    if isinstance(error, SyntaxError) and error.filename:
        return f"{_shortened(error.filename, root)}:{error.lineno}"
    outside: str | None = None
    inside: str | None = None
    for frame, line in traceback.walk_tb(error.__traceback__):
        file = frame.f_code.co_filename
        if not _is_users(file):
            continue
        short = _shortened(file, root)
        outside = f"{short}:{line}"
        if short != file and not _INSTALLED.intersection(Path(short).parts):
            inside = outside
    # The author's own line says more than the line of the library that it called.
    return inside or outside


def _shortened(file: str, root: str) -> str:
    prefix = root.rstrip("/") + "/"
    if root and file.startswith(prefix):
        return file[len(prefix) :]
    return file


def _is_users(file: str) -> bool:
    return not file.startswith((_PACKAGE, "<frozen ")) or file.startswith(_USER_CODE)


_USER_CODE = (_PACKAGE + "examples/", _PACKAGE + "testing/")
"""Folders of the package that hold code as a user writes it."""


def _trim(report: traceback.TracebackException) -> None:
    seen: set[int] = set()
    pending = [report]
    while pending:
        current = pending.pop()
        if id(current) in seen:
            continue
        seen.add(id(current))
        kept = [f for f in current.stack if _is_users(f.filename)]
        if not kept:
            kept = [f for f in current.stack if not f.filename.startswith((_WORKER, "<frozen "))]
        current.stack = traceback.StackSummary.from_list(kept)
        pending += [e for e in (current.__cause__, current.__context__) if e is not None]
        pending += current.exceptions or []
