"""``millrace models``: registered models, and serving one over HTTP."""

from __future__ import annotations

from typing import Annotated

import typer

from millrace.cli.groups import group
from millrace.cli.options import AsJson
from millrace.cli.session import Session, verb
from millrace.cli.tables import Column, print_fields, print_json, print_table
from millrace.cli.times import local_clock
from millrace.core.types import Json

models = group("List and show registered models; serve one.")


def _milliseconds(value: Json) -> str:
    return "" if value is None else local_clock(value * 1000)


def _aliases(value: Json) -> str:
    return ", ".join(f"{a['alias']} -> {a['version']}" for a in value or ())


_MODELS = (
    Column("name", "model"),
    Column("latest_version", "latest version", right=True),
    Column("aliases", "aliases", _aliases),
    Column("description", "description"),
)
_VERSIONS = (
    Column("version", "version", right=True),
    Column("status", "status"),
    Column("aliases", "aliases"),
    Column("run_id", "tracking run"),
    Column("source", "where"),
)


@verb(models, "list", help="List the registered models.")
def list_models(session: Session, as_json: AsJson = False) -> None:
    with session.operations() as operations:
        found = operations.registered_models()
    if as_json:
        print_json({"items": found, "next_cursor": None})
    else:
        print_table(found, _MODELS, plain=session.plain, empty="No registered models yet.")


@verb(models, "show", help="Show one registered model with its versions.")
def show_model(
    session: Session, name: Annotated[str, typer.Argument(metavar="MODEL")], as_json: AsJson = False
) -> None:
    with session.operations() as operations:
        document = operations.registered_model(name)
    if as_json:
        print_json(document)
        return
    fields = {
        "model": document["name"],
        "description": document["description"],
        "aliases": _aliases(document["aliases"]),
        "tags": {t["key"]: t["value"] for t in document["tags"]},
    }
    print_fields(fields, plain=session.plain)
    print()
    print_table(document["versions"], _VERSIONS, plain=session.plain, empty="No versions yet.")


@verb(models, "serve", help="Answer POST /invocations and GET /ping for one model, as MLflow's scoring server does.")
def serve_model(
    session: Session,
    uri: Annotated[str, typer.Argument(metavar="MODEL_URI", help="A model folder, or models:/NAME/VERSION_OR_ALIAS.")],
    host: Annotated[str, typer.Option("--host", help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="The port; 0 takes a free one.")] = 5000,
) -> None:
    from millrace.wiring.serving import serve_model as serve  # lazy: loads the model's libraries

    def ready(url: str) -> None:
        print(f"The model answers at {url}/invocations. Ctrl-C ends it.", flush=True)

    serve(session.settings(), uri, host, port, ready)
