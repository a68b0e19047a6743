"""``millrace artifacts``: what runs wrote, and what came from what."""

from __future__ import annotations

from typing import Annotated

import typer

from millrace.cli.groups import group
from millrace.cli.options import AsJson, Cursor, Limit
from millrace.cli.session import Session, verb
from millrace.cli.tables import Column, print_fields, print_json, print_table
from millrace.cli.times import local_moment, size
from millrace.core.types import Json

artifacts = group("List and show artifacts and their lineage.")

ArtifactId = Annotated[str, typer.Argument(metavar="ARTIFACT", help="An artifact's id.")]

_COLUMNS = (
    Column("artifact_id", "artifact", whole=True),
    Column("type", "type"),
    Column("task_id", "task"),
    Column("output", "output"),
    Column("size", "size", size, right=True),
    Column("created_at", "created", local_moment),
    Column("uri", "where"),
)


@verb(artifacts, "list", help="List artifacts, newest first.")
def list_artifacts(
    session: Session,
    run: Annotated[str | None, typer.Option("--run", help="Only those that this run wrote.")] = None,
    task: Annotated[str | None, typer.Option("--task", help="Only those that this task wrote.")] = None,
    type: Annotated[str | None, typer.Option("--type", help="Only those of this type.")] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
    as_json: AsJson = False,
) -> None:
    with session.operations() as operations:
        page = operations.artifacts(run_id=run, task_id=task, type=type, limit=limit, cursor=cursor)
    if as_json:
        print_json(page)
        return
    print_table(page["items"], _COLUMNS, plain=session.plain, empty="No artifacts yet.")
    if page["next_cursor"]:
        print(f"There are more: --cursor {page['next_cursor']}")


@verb(artifacts, "show", help="Show one artifact.")
def show_artifact(session: Session, artifact: ArtifactId, as_json: AsJson = False) -> None:
    with session.operations() as operations:
        document = operations.artifact(artifact)
    if as_json:
        print_json(document)
        return
    fields = {**document, "size": size(document["size"]), "created_at": local_moment(document["created_at"])}
    print_fields(fields, plain=session.plain)


@verb(artifacts, "lineage", help="Show what an artifact was made from, and what was made from it.")
def show_lineage(
    session: Session,
    artifact: ArtifactId,
    depth: Annotated[int, typer.Option("--depth", min=1, max=100, help="Attempts away from the artifact.")] = 3,
    as_json: AsJson = False,
) -> None:
    with session.operations() as operations:
        document = operations.lineage(artifact, depth=depth)
    if as_json:
        print_json(document)
        return
    words = {node["id"]: _words(node) for node in document["nodes"]}
    rows = [
        {"from": words.get(e["from"], e["from"]), "name": e["name"], "to": words.get(e["to"], e["to"])}
        for e in document["edges"]
    ]
    columns = (Column("from", "from"), Column("name", "as"), Column("to", "to"))
    empty = "Nothing was made from it, and it was made from nothing."
    print_table(rows, columns, plain=session.plain, empty=empty)


@verb(artifacts, "sweep", help="Remove what attempts that were killed or fenced off have left in the artifact store.")
def sweep_artifacts(
    session: Session,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be removed; remove nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    with session.platform() as platform:
        folders = platform.sweep(remove=not dry_run)
    if as_json:
        print_json({"removed": [] if dry_run else folders, "found": folders})
        return
    for folder in folders:
        print(folder)
    print(f"{len(folders)} {'folder' if len(folders) == 1 else 'folders'} {'to remove' if dry_run else 'removed'}")


def _words(node: Json) -> str:
    """A node in a cell: an artifact's type and id, an attempt's task, number and run."""
    if node["kind"] == "artifact":
        return f"{node.get('type', 'artifact')} {node['id']}"
    return f"{node.get('task_id', 'attempt')} #{node.get('number', '')} of run {node.get('run_id', '')}"
