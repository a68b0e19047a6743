"""What may be said of every task, whatever it does: retries, timeouts, trigger rule, cache.

Invariant: an option that was not given is None, so the nearest place that gives it wins: the call
(``.override``), the decorator or operator, the pipeline's ``default_args``, the pipeline's ``cache``, the default.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, TypedDict

import attrs

from millrace.authoring.constants import microseconds
from millrace.core.errors import GraphError, did_you_mean
from millrace.core.graph import RetryPolicy


class OperatorArguments(TypedDict, total=False):
    """The keyword arguments that every task takes. Durations: a timedelta, or seconds."""

    retries: int
    retry_delay: timedelta | float
    retry_exponential_backoff: bool
    max_retry_delay: timedelta | float
    execution_timeout: timedelta | float | None
    trigger_rule: str
    cache: bool
    environment: Sequence[str]
    doc: str


class TaskArguments(OperatorArguments, total=False):
    """The keyword arguments of ``@task`` and ``@component``, whose ``task_id`` is the function's name if left out."""

    task_id: str


@attrs.frozen
class TaskOptions:
    """:class:`TaskArguments`, of which any may be None: not given."""

    task_id: str | None = None
    retries: int | None = None
    retry_delay: timedelta | float | None = None
    retry_exponential_backoff: bool | None = None
    max_retry_delay: timedelta | float | None = None
    execution_timeout: timedelta | float | None = None
    trigger_rule: str | None = None
    cache: bool | None = None
    environment: Sequence[str] | None = None
    doc: str | None = None

    @classmethod
    def of(cls, arguments: Mapping[str, Any], *, what: str, where: str | None) -> TaskOptions:
        """From keyword arguments; GraphError for one that does not exist."""
        for name in arguments:
            if name not in _NAMES:
                remedy = did_you_mean(name, _NAMES)
                raise GraphError(f"{what} has no argument {name!r}", where=where, remedy=remedy)
        return cls(**arguments)

    def over(self, other: TaskOptions) -> TaskOptions:
        """These, and where they say nothing ``other``."""
        given = {name: value for name in _NAMES if (value := getattr(self, name)) is not None}
        return attrs.evolve(other, **given) if given else other

    def retry(self, where: str | None) -> RetryPolicy:
        default = RetryPolicy()
        retries = default.retries if self.retries is None else self.retries
        if not isinstance(retries, int) or isinstance(retries, bool):
            raise GraphError(f"retries must be a whole number, not {retries!r}", where=where)
        return RetryPolicy(
            retries=retries,
            delay=default.delay if self.retry_delay is None else microseconds(self.retry_delay, "retry_delay", where),
            exponential=bool(self.retry_exponential_backoff),
            max_delay=default.max_delay
            if self.max_retry_delay is None
            else microseconds(self.max_retry_delay, "max_retry_delay", where),
        )

    def timeout(self, where: str | None) -> int | None:
        """Microseconds."""
        if self.execution_timeout is None:
            return None
        return microseconds(self.execution_timeout, "execution_timeout", where)

    def distributions(self, where: str | None) -> tuple[str, ...]:
        if isinstance(self.environment, str):
            raise GraphError("environment is one string", where=where, remedy=f"Pass a list: [{self.environment!r}].")
        return tuple(self.environment or ())


_NAMES = tuple(f.name for f in attrs.fields(TaskOptions))
