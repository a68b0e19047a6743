"""``millrace run``, ``plan`` and ``replay``: the verbs of somebody who writes a pipeline."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from typing import Annotated

import typer

from millrace.cli.options import AsJson, Params, RunId, Target, TaskId, read_params, read_target
from millrace.cli.progress import new_progress
from millrace.cli.runs import exit_by_state
from millrace.cli.session import Session
from millrace.cli.tables import Column, print_fields, print_json, print_table, stdout_for_json
from millrace.cli.times import span
from millrace.core.errors import UsageError
from millrace.core.types import Json

_PLAN = (
    Column("task_id", "task"),
    Column("verdict", "will be"),
    Column("because", "because"),
)
_WORDS = {"cached": "cached", "runs": "run", "unknown": "run or cached"}
_OUTPUTS = (
    Column("name", "output"),
    Column("same", "as before", lambda same: {True: "the same", False: "different", None: "not compared"}[same]),
    Column("shown", "value"),
)


class SilentProgress:
    """For ``--json``: stdout holds the document alone."""

    def on_run(self, document: Json) -> None:
        """Nothing."""

    def on_task(self, task_id: str, state: str, at: int, note: str) -> None:
        """Nothing."""


def run(session: Session, target: Target, param: Params = None, as_json: AsJson = False) -> None:
    file, pipeline = read_target(target)
    params = read_params(param)
    with session.platform() as platform:
        if as_json:
            with stdout_for_json():
                document = platform.run_file(file, pipeline, params, SilentProgress())
            print_json(document)
        else:
            with new_progress(plain=session.plain) as progress:
                document = platform.run_file(file, pipeline, params, progress)
    exit_by_state(session, document)


def plan(session: Session, target: Target, param: Params = None, as_json: AsJson = False) -> None:
    file, pipeline = read_target(target)
    with session.platform() as platform, stdout_for_json() if as_json else nullcontext():
        document = platform.plan(file, pipeline, read_params(param)).to_json()
    if as_json:
        print_json(document)
        return
    print_table(list(_plan_rows(document["tasks"])), _PLAN, plain=session.plain)
    counts = {verdict: sum(t["verdict"] == verdict for t in document["tasks"]) for verdict in _WORDS}
    print(", ".join(f"{count} {_WORDS[verdict]}" for verdict, count in counts.items() if count))


def _plan_rows(tasks: list[Json]) -> Iterator[Json]:
    """One row for each reason; the task is named in its first."""
    for task in tasks:
        first, *more = task["because"] or [""]
        yield {"task_id": task["task_id"], "verdict": _WORDS[task["verdict"]], "because": first}
        yield from ({"because": reason} for reason in more)


def replay(
    session: Session,
    run_id: RunId,
    task: TaskId,
    pdb: Annotated[bool, typer.Option("--pdb", help="Stop in the debugger where the task raised.")] = False,
    as_json: AsJson = False,
) -> None:
    if pdb and as_json:
        raise UsageError("--pdb talks on stdout, where --json puts its document")
    with session.platform() as platform, stdout_for_json() if as_json else nullcontext():
        document = platform.replay(run_id, task, pdb=pdb).to_json()
    if as_json:
        print_json(document)
    else:
        _print_replay(session, document)
    if document["event"] == "failed":
        raise SystemExit(1)


def _print_replay(session: Session, document: Json) -> None:
    if document["detail"]:
        print(document["detail"].rstrip())
    fields = {
        "task": document["task_id"],
        "run": document["run_id"],
        "version": document["version"],
        "outcome": document["event"],
        "reason": document["reason"],
        "time": span(document["seconds"]),
        "logged": {kind: found for kind, found in document["logged"].items() if found},
    }
    print_fields(fields, plain=session.plain)
    if document["outputs"]:
        print()
        print_table(document["outputs"], _OUTPUTS, plain=session.plain)
