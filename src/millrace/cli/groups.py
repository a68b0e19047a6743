"""Groups of verbs: ``millrace runs`` alone is ``millrace runs list``."""

from __future__ import annotations

import re
from typing import Any

import typer

from millrace.cli.lean import LeanGroup

_ID = re.compile(r"[0-9a-f][0-9a-f-]{7,}")


class ListingGroup(LeanGroup):
    """Takes ``list`` for granted when no verb of the group is named."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        named = any(a in self.commands for a in args)
        if not named and "--help" not in args and (not args or args[0].startswith("-") or _ID.fullmatch(args[0])):
            args = ["list", *args]
        return super().parse_args(ctx, args)


def group(help: str) -> typer.Typer:
    """A new group whose default verb is ``list``."""
    return typer.Typer(cls=ListingGroup, help=help, **STYLE)


STYLE: dict[str, Any] = {
    "rich_markup_mode": None,  # plain help: Rich alone costs a third of the time of --help
    "add_completion": False,
    "pretty_exceptions_enable": False,
}
