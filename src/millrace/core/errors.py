"""Every error that Millrace raises on purpose.

Each says what is wrong, where (file, line, row, column, task), and what to do. The command line prints
them without a traceback and exits with ``exit_code``; the server answers with ``http_status``.

    MillraceError
    ├── UsageError                 the caller asked for something that cannot be
    │   ├── GraphError             a pipeline's graph is wrong: the line of the user's file and what was meant
    │   │   └── CycleError
    │   ├── ParameterError         a run parameter is unknown, missing or of the wrong type
    │   ├── SettingsError          millrace.toml, MILLRACE_* or a flag
    │   └── PipelineFileError      a pipeline file does not import
    ├── NotFoundError              no such pipeline, run, task, model ...; names the near matches
    ├── ConflictError              it exists already, or is in a state that refuses the change
    ├── DataError                  a data file is missing, empty, ragged, wrongly encoded ...
    ├── ModelError                 a model folder cannot be read, a request does not fit its signature
    ├── StorageError               the database or the artifact store refuses
    │   ├── DatabaseVersionError   the database was made by a newer Millrace
    │   └── ArtifactCorrupt        an artifact's bytes do not have its digest
    ├── ServiceError               a server cannot start or cannot be reached
    ├── IllegalTransition          the state machine refuses an event (a bug, or a stale report)
    └── TaskFailure                raised by user code or a component to end its attempt with a plain reason
        ├── FailWithoutRetry       no retry would help
        └── SkipTask               end as skipped
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class MillraceError(Exception):
    """Base of the tree: ``message``, ``where`` it happened and the ``remedy``."""

    exit_code = 1
    http_status = 500

    def __init__(self, message: str, *, where: str | None = None, remedy: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.remedy = remedy

    def __str__(self) -> str:
        text = f"{self.where}: {self.message}" if self.where else self.message
        return f"{text}\n  {self.remedy}" if self.remedy else text

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.message, self.where, self.remedy)


def _rebuild(kind: type[MillraceError], message: str, where: str | None, remedy: str | None) -> MillraceError:
    error = kind.__new__(kind)
    MillraceError.__init__(error, message, where=where, remedy=remedy)
    return error


class UsageError(MillraceError):
    exit_code = 2
    http_status = 400


class GraphError(UsageError):
    pass


class CycleError(GraphError):
    pass


class ParameterError(UsageError):
    pass


class SettingsError(UsageError):
    pass


class PipelineFileError(UsageError):
    """``traceback`` holds the user's own frames, for ``--traceback`` and the page."""

    traceback: str = ""


class NotFoundError(MillraceError):
    """Built from the noun and the name, with the names that exist to suggest near ones."""

    http_status = 404

    def __init__(
        self,
        noun: str,
        name: str,
        known: Iterable[str] = (),
        *,
        where: str | None = None,
        remedy: str | None = None,
    ) -> None:
        super().__init__(f"there is no {noun} {name!r}", where=where, remedy=remedy or did_you_mean(name, known))


class ConflictError(MillraceError):
    http_status = 409


class DataError(MillraceError):
    http_status = 422


class ModelError(MillraceError):
    http_status = 400


class StorageError(MillraceError):
    http_status = 503


class DatabaseVersionError(StorageError):
    pass


class ArtifactCorrupt(StorageError):
    pass


class ServiceError(MillraceError):
    http_status = 503


class IllegalTransition(MillraceError):
    http_status = 409


class TaskFailure(MillraceError):
    pass


class FailWithoutRetry(TaskFailure):
    pass


class SkipTask(TaskFailure):
    pass


def did_you_mean(name: str, known: Iterable[str]) -> str | None:
    """The remedy line for an unknown name: near matches, else what there is."""
    names = sorted(set(known))
    if not names:
        return None
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.6)
    if near:
        return "Did you mean " + " or ".join(repr(n) for n in near) + "?"
    shown = ", ".join(repr(n) for n in names[:8])
    return f"There is: {shown}{', ...' if len(names) > 8 else ''}"
