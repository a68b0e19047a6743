"""What a user's file raises while it is read, as one PipelineFileError: the line, the remedy, a short traceback."""

from __future__ import annotations

import sys
import traceback
from pathlib import Path
from types import FrameType, TracebackType

from millrace.authoring.source_lines import is_own_module
from millrace.core.errors import MillraceError, PipelineFileError


class PipelineFileErrors:
    """``with PipelineFileErrors(path):`` around user code, where any error is the file's and none may pass as it is."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None or isinstance(error, KeyboardInterrupt | GeneratorExit | PipelineFileError):
            return
        raise _translated(error, trace, self._file) from error


def _translated(error: BaseException, trace: TracebackType | None, file: Path) -> PipelineFileError:
    frames = [(frame, line) for frame, line in traceback.walk_tb(trace) if _is_users(frame)]
    where = f"{frames[-1][0].f_code.co_filename}:{frames[-1][1]}" if frames else str(file)
    result = _described(error, where, file)
    shown = traceback.TracebackException.from_exception(error)
    shown.stack = traceback.StackSummary.extract(iter(frames))
    result.traceback = "".join(shown.format())
    return result


def _described(error: BaseException, where: str, file: Path) -> PipelineFileError:
    if isinstance(error, MillraceError):
        return PipelineFileError(error.message, where=error.where or where, remedy=error.remedy)
    if isinstance(error, SyntaxError):
        return PipelineFileError(
            f"this is not valid Python: {error.msg}", where=f"{error.filename or file}:{error.lineno}"
        )
    if isinstance(error, UnicodeDecodeError):
        return PipelineFileError(
            "the file is not UTF-8 text", where=str(file), remedy="Save it as UTF-8, or declare its coding in line 1."
        )
    if isinstance(error, SystemExit):
        return PipelineFileError(
            f"the file ended the process with sys.exit({error.code!r}) while it was read",
            where=where,
            remedy='Put what a script does below `if __name__ == "__main__":`.',
        )
    if isinstance(error, ModuleNotFoundError) and error.name:
        top = error.name.partition(".")[0]
        return PipelineFileError(
            f"there is no module {error.name!r}",
            where=where,
            remedy=f"Install it for {sys.executable}, or put {top}.py beside the file or in the project's folder.",
        )
    if isinstance(error, OSError) and error.filename is not None and not isinstance(error, FileExistsError):
        return PipelineFileError(f"{error.strerror}: {error.filename}", where=where)
    return PipelineFileError(f"{type(error).__name__}: {error}", where=where)


def _is_users(frame: FrameType) -> bool:
    name = frame.f_globals.get("__name__", "")
    machinery = frame.f_code.co_filename.startswith("<frozen importlib") or name == "importlib"
    return not machinery and not is_own_module(name)
