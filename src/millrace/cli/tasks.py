"""``millrace tasks``: the tasks of a run."""

from __future__ import annotations

from millrace.cli.groups import group
from millrace.cli.options import AsJson, RunId, TaskId
from millrace.cli.runs import TASKS, task_row
from millrace.cli.session import Session, verb
from millrace.cli.tables import Column, as_text, print_fields, print_json, print_table
from millrace.cli.times import local_moment, size, span_between
from millrace.core.types import Json

tasks = group("List and show the tasks of a run.")

_ATTEMPTS = (
    Column("number", "try", right=True, whole=True),
    Column("state", "state", whole=True),
    Column("started_at", "started", local_moment, whole=True),
    Column("took", "time", right=True, whole=True),
    Column("cpu_seconds", "CPU s", lambda seconds: "" if seconds is None else f"{seconds:.2f}", right=True, whole=True),
    Column("peak_bytes", "memory", size, right=True, whole=True),
    Column("exit_code", "exit", right=True, whole=True),
    Column("reason", "reason"),
)
_PUTS = (Column("name", "name", whole=True), Column("type", "type", whole=True), Column("value", "value"))
_LOGGED = (Column("kind", "kind", whole=True), Column("key", "name", whole=True), Column("value", "value"))


@verb(tasks, "list", help="List the tasks of a run.")
def list_tasks(session: Session, run: RunId, as_json: AsJson = False) -> None:
    with session.operations() as operations:
        found = operations.run(run)["tasks"]
    if as_json:
        print_json({"items": found, "next_cursor": None})
    else:
        print_table([task_row(t) for t in found], TASKS, plain=session.plain, empty="No task has started yet.")


@verb(tasks, "show", help="Show one task of a run: attempts, inputs, outputs.")
def show_task(session: Session, run: RunId, task: TaskId, as_json: AsJson = False) -> None:
    with session.operations() as operations:
        document = operations.task_run(run, task)
    if as_json:
        print_json(document)
        return
    shown = task_row(document)
    fields = {
        "task": shown["task_id"],
        "component": shown["component"],
        "state": shown["state"],
        "note": shown["note"],
        "tries": shown["tries"],
        "after": shown["upstream"],
        "executor": document["attempts"][-1]["executor"] if document["attempts"] else None,
        "retry due": local_moment(shown["due_at"]),
    }
    print_fields(fields, plain=session.plain)
    attempts = [{**a, "took": span_between(a["started_at"], a["ended_at"])} for a in document["attempts"]]
    inputs = [
        {"name": name, "type": a["type"], "value": a["uri"]}
        for name, found in document["inputs"].items()
        for a in found
    ]
    outputs = [
        {"name": name, "type": put["artifact"]["type"], "value": put["artifact"]["uri"]}
        if "artifact" in put
        else {"name": name, "type": "value", "value": as_text(put["value"])}
        for name, put in document["outputs"].items()
    ]
    for title, rows, columns in (
        ("Attempts", attempts, _ATTEMPTS),
        ("Inputs", inputs, _PUTS),
        ("Outputs", outputs, _PUTS),
        ("Logged", _logged(document["tracking_runs"]), _LOGGED),
    ):
        if rows:
            print()
            print_table(rows, columns, plain=session.plain, title=title, hide_empty=True)


def _logged(tracking_runs: list[Json]) -> list[Json]:
    """The metrics and params of the task's tracking runs, as rows."""
    return [
        {"kind": kind, **entry}
        for run in tracking_runs
        for kind, entries in (("metric", run["data"]["metrics"]), ("param", run["data"]["params"]))
        for entry in entries
    ]
