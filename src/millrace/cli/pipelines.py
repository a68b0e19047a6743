"""``millrace pipelines``: what there is to run."""

from __future__ import annotations

from typing import Annotated

import typer

from millrace.cli.groups import group
from millrace.cli.options import AsJson
from millrace.cli.session import Session, verb
from millrace.cli.tables import Column, as_text, print_fields, print_json, print_table
from millrace.cli.times import local_moment
from millrace.core.types import Json

pipelines = group("List, show, pause and unpause pipelines.")

Name = Annotated[str, typer.Argument(metavar="PIPELINE")]


def schedule_words(schedule: Json) -> str:
    """A timetable's JSON in a cell: ``0 3 * * * (Europe/Berlin)``, ``every 6:00:00``."""
    if not isinstance(schedule, dict):
        return as_text(schedule)
    from millrace.core.schedule import timetable_from_json  # lazy: the time zones, for this column only

    return timetable_from_json(schedule).summary


_COLUMNS = (
    Column("name", "pipeline"),
    Column("schedule", "schedule", schedule_words),
    Column("next_due_at", "next run", local_moment),
    Column("paused", "paused"),
    Column("tags", "tags"),
    Column("source", "file"),
)
_TASKS = (
    Column("task_id", "task"),
    Column("component", "component"),
    Column("upstream", "after"),
    Column("trigger_rule", "trigger rule"),
)
_PARAMETERS = (
    Column("name", "parameter"),
    Column("type", "type"),
    Column("required", "required"),
    Column("default", "default"),
)


@verb(pipelines, "list", help="List the pipelines, and the files that do not import.")
def list_pipelines(session: Session, as_json: AsJson = False) -> None:
    with session.operations() as operations:
        found, failures = operations.pipelines(), operations.import_failures()
    if as_json:
        print_json({"items": found, "next_cursor": None, "import_failures": failures})
        return
    print_table(found, _COLUMNS, plain=session.plain, empty="No pipelines yet.")
    if failures:
        columns = (Column("file", "file"), Column("message", "does not import"))
        print_table(failures, columns, plain=session.plain, title="Broken files")


@verb(pipelines, "show", help="Show one pipeline: its tasks, parameters and schedule.")
def show_pipeline(session: Session, name: Name, as_json: AsJson = False) -> None:
    with session.operations() as operations:
        document = operations.pipeline(name)
    if as_json:
        print_json(document)
        return
    print_fields(
        {
            "pipeline": document["name"],
            "description": document["description"],
            "file": document["source"],
            "schedule": schedule_words(document["schedule"]),
            "next run": local_moment(document["next_due_at"]),
            "paused": document["paused"],
            "tags": document["tags"],
            "version": document["version"],
        },
        plain=session.plain,
    )
    print()
    print_table(document["graph"]["tasks"], _TASKS, plain=session.plain)
    if document["parameters"]:
        print()
        print_table(document["parameters"], _PARAMETERS, plain=session.plain)


@verb(pipelines, "pause", help="Start no scheduled run of a pipeline until it is unpaused.")
def pause_pipeline(session: Session, name: Name, as_json: AsJson = False) -> None:
    _set_paused(session, name, as_json, paused=True)


@verb(pipelines, "unpause", help="Let a pipeline's schedule go on.")
def unpause_pipeline(session: Session, name: Name, as_json: AsJson = False) -> None:
    _set_paused(session, name, as_json, paused=False)


def _set_paused(session: Session, name: str, as_json: bool, *, paused: bool) -> None:
    with session.operations() as operations:
        document = operations.set_paused(name, paused=paused)
    if as_json:
        print_json(document)
    else:
        print(f"{document['name']} is {'paused' if document['paused'] else 'not paused'}")
