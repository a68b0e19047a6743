"""Which pipelines a file makes while it is imported, those without a name of their own included.

Invariant: a pipeline belongs to the module whose top level made it, so a file that imports another does not claim
the other's pipelines, and a factory in a helper module makes pipelines for the file that calls it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from millrace.authoring.source_lines import importing_module

_made: ContextVar[list[tuple[str, object]] | None] = ContextVar("millrace_pipelines_made", default=None)


def record(pipeline: object) -> None:
    """Called by every new pipeline."""
    made = _made.get()
    if made is not None:
        made.append((importing_module(), pipeline))


@contextmanager
def collecting() -> Iterator[list[tuple[str, object]]]:
    """What is made inside the block, as (module name, pipeline)."""
    made: list[tuple[str, object]] = []
    token = _made.set(made)
    try:
        yield made
    finally:
        _made.reset(token)
