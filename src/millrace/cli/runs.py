"""``millrace trigger`` and ``millrace runs``: start runs, look at them, cancel them, read their logs."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Annotated

import typer

from millrace.cli.following import follow_run, wait_quietly
from millrace.cli.groups import group
from millrace.cli.options import AsJson, Cursor, Limit, Params, RunId, TaskId, read_params
from millrace.cli.progress import new_progress
from millrace.cli.session import Session, verb
from millrace.cli.tables import Column, print_fields, print_json, print_table
from millrace.cli.times import local_moment, span_between
from millrace.core.types import Json

if TYPE_CHECKING:
    from millrace.interfaces import Operations

runs = group("List and show runs, cancel them, read their logs.")

LOG_LOOK = 0.2
"""Seconds between two looks at a log that is followed."""

_RUNS = (
    Column("run_id", "run", whole=True),
    Column("pipeline", "pipeline"),
    Column("state", "state"),
    Column("trigger", "trigger"),
    Column("queued_at", "queued", local_moment),
    Column("took", "time", right=True),
    Column("reason", "reason"),
)
TASKS = (
    Column("task_id", "task"),
    Column("state", "state"),
    Column("tries", "tries", right=True),
    Column("took", "time", right=True),
    Column("note", "note"),
)


def trigger(
    session: Session,
    pipeline: Annotated[str, typer.Argument(metavar="PIPELINE")],
    param: Params = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for the end; exit 1 unless it succeeded.")] = False,
    as_json: AsJson = False,
) -> None:
    with session.operations() as operations:
        document = operations.trigger(pipeline, _typed(operations, pipeline, read_params(param)))
        if wait:
            if as_json:
                document = wait_quietly(operations, document["run_id"])
            else:
                with new_progress(plain=session.plain) as progress:
                    document = follow_run(operations, document["run_id"], progress)
    if as_json:
        print_json({k: v for k, v in document.items() if k != "tasks"})
    elif not wait:
        print(f"run {document['run_id']} of {document['pipeline']} is {document['state']}")
    if wait:
        exit_by_state(session, document)


def _typed(operations: Operations, pipeline: str, texts: dict[str, str]) -> dict[str, Json]:
    """The texts as values of the pipeline's parameters; the verb refuses unknown names itself."""
    if not texts:
        return {}
    from millrace.core.graph import Graph  # lazy: only for -p
    from millrace.core.parameters import parse_parameters  # lazy: as above

    return parse_parameters(Graph.from_json(operations.pipeline(pipeline)["graph"]), texts)


def exit_by_state(session: Session, document: Json) -> None:
    """Exit 1 unless the run succeeded; with ``--traceback`` after showing where its tasks raised."""
    if document["state"] == "success":
        return
    if session.show_traceback:
        for task in document.get("tasks", ()):
            detail = task["attempts"][-1]["detail"] if task["attempts"] else ""
            if detail:
                print(f"task {task['task_id']}:\n{detail.rstrip()}", file=sys.stderr)
    raise SystemExit(1)


@verb(runs, "list", help="List runs, newest first.")
def list_runs(
    session: Session,
    pipeline: Annotated[str | None, typer.Option("--pipeline", help="Only this pipeline's.")] = None,
    state: Annotated[str | None, typer.Option("--state", help="Only those in this state.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
    as_json: AsJson = False,
) -> None:
    with session.operations() as operations:
        page = operations.runs(pipeline=pipeline, state=state, limit=limit, cursor=cursor)
    if as_json:
        print_json(page)
        return
    rows = [{**r, "took": span_between(r["started_at"], r["ended_at"])} for r in page["items"]]
    print_table(rows, _RUNS, plain=session.plain, empty="No runs yet.")
    if page["next_cursor"]:
        print(f"There are more: --cursor {page['next_cursor']}")


@verb(runs, "show", help="Show one run with its tasks and their attempts.")
def show_run(session: Session, run: RunId, as_json: AsJson = False) -> None:
    with session.operations() as operations:
        document = operations.run(run)
    if as_json:
        print_json(document)
        return
    print_fields(
        {
            "run": document["run_id"],
            "pipeline": document["pipeline"],
            "state": document["state"],
            "reason": document["reason"],
            "trigger": document["trigger"],
            "parameters": document["params"],
            "queued": local_moment(document["queued_at"]),
            "started": local_moment(document["started_at"]),
            "ended": local_moment(document["ended_at"]),
            "time": span_between(document["started_at"], document["ended_at"]),
            "version": document["version"],
        },
        plain=session.plain,
    )
    print()
    print_table([task_row(t) for t in document["tasks"]], TASKS, plain=session.plain, empty="No task has started yet.")


def task_row(task: Json) -> dict[str, Json]:
    """A task's document with the columns of :data:`TASKS`."""
    note = task["reason"] or ("from the cache" if task["cached_from"] else "")
    return {**task, "took": span_between(task["started_at"], task["ended_at"]), "note": note}


@verb(runs, "cancel", help="Cancel a run: its tasks are stopped.")
def cancel_run(session: Session, run: RunId, as_json: AsJson = False) -> None:
    with session.operations() as operations:
        document = operations.cancel(run)
    if as_json:
        print_json(document)
    elif document["ended_at"] is None:
        print(f"run {document['run_id']} will be cancelled")
    else:
        print(f"run {document['run_id']} is {document['state']}")


@verb(runs, "logs", help="Print the log of a task's attempt, the newest by default.")
def print_log(
    session: Session,
    run: RunId,
    task: TaskId,
    number: Annotated[int | None, typer.Option("--attempt", min=1, help="The attempt's number.")] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the task has ended.")] = False,
) -> None:
    with session.operations() as operations:
        if follow and number is None:
            _follow_attempts(operations, run, task)
        else:
            _print_attempt(operations, run, task, number, follow=follow)


def _follow_attempts(operations: Operations, run: str, task: str) -> None:
    """One attempt after another, until the task has ended."""
    number = 1
    while True:
        document = operations.task_run(run, task)
        attempts = len(document["attempts"])
        if number <= attempts:
            if number > 1:
                print(f"--- attempt {number} ---", flush=True)
            _print_attempt(operations, run, task, number, follow=True)
            number += 1
        elif document["ended_at"] is not None:
            return
        else:
            time.sleep(LOG_LOOK)


def _print_attempt(operations: Operations, run: str, task: str, number: int | None, *, follow: bool) -> None:
    after = 0
    while True:
        part = operations.log(run, task, number=number, after=after)
        sys.stdout.write(part["text"])
        sys.stdout.flush()
        if part["ended"] or (not follow and not part["text"]):
            return
        if not part["text"]:
            time.sleep(LOG_LOOK)
        after = part["offset"]
