"""What every verb gets: the global options, the settings and the platform that they lead to.

``@verb(...)`` gives a Typer command the global options (so that they stand before or after the verb) and hands the
function one :class:`Session` in their place.
"""

from __future__ import annotations

import functools
import inspect
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, get_type_hints

import typer

from millrace.cli.failures import run_verb
from millrace.cli.lean import LeanCommand

if TYPE_CHECKING:
    from millrace.interfaces import Operations
    from millrace.wiring.platform import Platform
    from millrace.wiring.settings import Settings

Home = Annotated[str | None, typer.Option("--home", metavar="DIR", help="The home folder (default ./.millrace).")]
Database = Annotated[str | None, typer.Option("--database", metavar="URL", help="The database's URL.")]
Url = Annotated[str | None, typer.Option("--url", metavar="URL", help="A running server to work on.")]
Plain = Annotated[bool, typer.Option("--plain", help="Plain lines: no colours, no boxes, nothing that moves.")]
Traceback = Annotated[bool, typer.Option("--traceback", help="Show where an error was raised.")]

GLOBAL_OPTIONS: Mapping[str, tuple[Any, Any]] = {
    "home": (Home, None),
    "database": (Database, None),
    "url": (Url, None),
    "plain": (Plain, False),
    "traceback": (Traceback, False),
}


class Session:
    """The global options of one command."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        self.flags = {name: options[name] for name in ("home", "database", "url") if options.get(name) is not None}
        self.plain = bool(options.get("plain")) or not sys.stdout.isatty() or os.environ.get("TERM") == "dumb"
        self.show_traceback = bool(options.get("traceback"))

    def settings(self, **flags: object) -> Settings:
        """The settings, with the verb's own flags."""
        from millrace.wiring.settings import load_settings  # lazy: attrs and the table of settings

        return load_settings({**self.flags, **flags}, cwd=Path.cwd(), environ=os.environ)

    @contextmanager
    def platform(self) -> Iterator[Platform]:
        """The stores of the home folder, whatever ``MILLRACE_URL`` says: what is run here is stored here."""
        import attrs  # lazy: 40 ms that --help does not have

        from millrace.wiring.platform import open_platform  # lazy: the stores and their libraries

        with open_platform(attrs.evolve(self.settings(), url=None)) as platform:
            yield platform

    @contextmanager
    def operations(self) -> Iterator[Operations]:
        """The verbs, of the server that ``--url`` or ``MILLRACE_URL`` names, else over the home folder's store.

        A server needs the client only, so the stores are not even imported for it.
        """
        settings = self.settings()
        if settings.url is None:
            with self.platform() as platform:
                yield platform.operations
            return
        from millrace.client import HttpOperations  # lazy: only commands that talk to a server

        remote = HttpOperations(settings.url)
        try:
            yield remote
        finally:
            remote.close()


Verb = TypeVar("Verb", bound=Callable[..., None])


def verb(group: typer.Typer, name: str, *, help: str) -> Callable[[Verb], Verb]:
    """Make ``function(session, ...)`` the verb ``name`` of ``group``; the function itself stays as it is."""

    def register(function: Verb) -> Verb:
        group.command(name, help=help, cls=LeanCommand)(_command_of(function))
        return function

    return register


def _command_of(function: Callable[..., None]) -> Callable[..., None]:
    """``function`` with the global options and Typer's context in place of its session."""
    hints = get_type_hints(function, include_extras=True)
    own = [p for p in inspect.signature(function).parameters.values() if p.name not in {"session", "_session"}]

    @functools.wraps(function)
    def command(**given: Any) -> None:
        context: typer.Context = given.pop("ctx")
        here = {name: given.pop(name) for name in GLOBAL_OPTIONS}
        before = context.find_root().params
        options = {name: here[name] or before.get(name) for name in GLOBAL_OPTIONS}
        session = Session(options)
        run_verb(lambda: function(session, **given), show_traceback=session.show_traceback)

    keyword = inspect.Parameter.KEYWORD_ONLY
    parameters = [inspect.Parameter("ctx", keyword, annotation=typer.Context)]
    parameters += [p.replace(kind=keyword, annotation=hints[p.name]) for p in own]
    parameters += [
        inspect.Parameter(name, keyword, annotation=hint, default=default)
        for name, (hint, default) in GLOBAL_OPTIONS.items()
    ]
    del command.__wrapped__
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined] # how inspect reads it
    command.__annotations__ = {p.name: p.annotation for p in parameters}
    return command
