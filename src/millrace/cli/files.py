"""``millrace run``, ``plan`` and ``replay``: the verbs of somebody who writes a pipeline."""

from __future__ import annotations

from typing import Annotated

import typer

from millrace.cli.options import AsJson, Params, RunId, Target, TaskId, read_params, read_target
from millrace.cli.progress import new_progress
from millrace.cli.runs import exit_by_state
from millrace.cli.session import Session
from millrace.cli.tables import Column, print_fields, print_json, print_table
from millrace.core.types import Json

_PLAN = (
    Column("task_id", "task"),
    Column("verdict", "will be"),
    Column("because", "because", lambda reasons: "; ".join(reasons or ())),
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
            document = platform.run_file(file, pipeline, params, SilentProgress())
            print_json(document)
        else:
            with new_progress(plain=session.plain) as progress:
                document = platform.run_file(file, pipeline, params, progress)
    exit_by_state(document)


def plan(session: Session, target: Target, param: Params = None, as_json: AsJson = False) -> None:
    import attrs  # lazy: 50 ms that --help does not have

    file, pipeline = read_target(target)
    with session.platform() as platform:
        found = platform.plan(file, pipeline, read_params(param))
    rows = [attrs.asdict(task) for task in found.tasks]
    if as_json:
        print_json({"tasks": rows})
    else:
        print_table(rows, _PLAN, plain=session.plain)


def replay(
    session: Session,
    run_id: RunId,
    task: TaskId,
    pdb: Annotated[bool, typer.Option("--pdb", help="Stop in the debugger where the task raised.")] = False,
    as_json: AsJson = False,
) -> None:
    import attrs  # lazy: as above

    with session.platform() as platform:
        result = attrs.asdict(platform.replay(run_id, task, pdb=pdb))
    if as_json:
        print_json(result)
    else:
        print_fields(result, plain=session.plain)
    if result["state"] != "succeeded":
        raise SystemExit(1)
