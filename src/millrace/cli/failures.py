"""How a verb's exception becomes words on stderr and an exit code: 1 failed, 2 usage, 130 Ctrl-C.

A traceback is printed only with ``--traceback``. What nobody foresaw is one line too, and says that it is a bug.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
import traceback
from collections.abc import Callable

from millrace.cli.exits import leave_broken_pipe
from millrace.core.errors import MillraceError, PipelineFileError

_REMEDIES = {
    errno.ENOSPC: "Make room on the disk, or choose another --home",
    errno.EDQUOT: "Make room on the disk, or choose another --home",
    errno.EACCES: "Give yourself the right to it, or choose another --home",
    errno.EPERM: "Give yourself the right to it, or choose another --home",
    errno.EROFS: "Choose a --home that can be written to",
}


def run_verb(verb: Callable[[], None], *, show_traceback: bool) -> None:
    """Call ``verb``; SystemExit with the code when it raises."""
    try:
        verb()
        sys.stdout.flush()
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
    except BrokenPipeError:
        leave_broken_pipe()
    except MillraceError as error:
        if show_traceback:
            print(error.traceback if isinstance(error, PipelineFileError) else _traceback(error), file=sys.stderr)
        print_error(error)
        sys.exit(error.exit_code)
    except OSError as error:
        _refused_by_the_system(error, show_traceback=show_traceback)
    except Exception as error:  # noqa: BLE001 - the outermost place: one line and an exit code, for whatever it is
        _unexpected(error, show_traceback=show_traceback)


def print_error(error: MillraceError) -> None:
    """``error: message``, where, remedy: on stderr, one line each."""
    lines = [f"error: {error.message}"]
    if error.where:
        lines.append(f"  at {error.where}")
    if error.remedy:
        lines.append(f"  {error.remedy}")
    print("\n".join(lines), file=sys.stderr)


def _refused_by_the_system(error: OSError, *, show_traceback: bool) -> None:
    remedy = _REMEDIES.get(error.errno or 0)
    if remedy is None:
        _unexpected(error, show_traceback=show_traceback)
    if show_traceback:
        print(_traceback(error), file=sys.stderr)
    what = f"{error.filename}: " if error.filename else ""
    print(f"error: {what}{os.strerror(error.errno or 0)}\n  {remedy}", file=sys.stderr)
    sys.exit(1)


def _unexpected(error: Exception, *, show_traceback: bool) -> None:
    if show_traceback:
        print(_traceback(error), file=sys.stderr)
    first = (str(error).strip().splitlines() or [""])[0]
    print(f"unexpected error {type(error).__name__}: {first} (this is a bug; --traceback shows where)", file=sys.stderr)
    sys.exit(1)


def _traceback(error: Exception) -> str:
    return "".join(traceback.format_exception(error)).rstrip()
