"""``millrace db``: the database's schema."""

from __future__ import annotations

import typer

from millrace.cli.groups import STYLE
from millrace.cli.options import AsJson
from millrace.cli.session import Session, verb
from millrace.cli.tables import print_fields, print_json
from millrace.core.types import Json

database = typer.Typer(help="The database: its version, and bringing it up to date.", no_args_is_help=True, **STYLE)


@verb(database, "upgrade", help="Bring the database's schema up to date.")
def upgrade_database(session: Session, as_json: AsJson = False) -> None:
    from millrace.wiring.database import upgrade  # lazy: the migrations

    _print(upgrade(session.settings()), session, as_json)


@verb(database, "status", help="Say which schema the database has, and which this Millrace needs.")
def show_status(session: Session, as_json: AsJson = False) -> None:
    from millrace.wiring.database import status  # lazy: the migrations

    _print(status(session.settings()), session, as_json)


def _print(document: Json, session: Session, as_json: bool) -> None:
    if as_json:
        print_json(document)
    else:
        print_fields(document, plain=session.plain)
