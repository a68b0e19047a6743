"""``millrace experiments``: what tasks have logged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from millrace.cli.groups import group
from millrace.cli.options import AsJson, Limit
from millrace.cli.session import Session, verb
from millrace.cli.tables import Column, as_text, print_json, print_table
from millrace.core.errors import NotFoundError
from millrace.core.types import Json

if TYPE_CHECKING:
    from millrace.interfaces import Operations

experiments = group("List experiments and their tracking runs.")

_EXPERIMENTS = (
    Column("experiment_id", "experiment"),
    Column("name", "name"),
    Column("lifecycle_stage", "stage"),
    Column("artifact_location", "artifacts"),
)


@verb(experiments, "list", help="List the experiments.")
def list_experiments(session: Session, as_json: AsJson = False) -> None:
    with session.operations() as operations:
        found = operations.experiments()
    if as_json:
        print_json({"items": found, "next_cursor": None})
    else:
        print_table(found, _EXPERIMENTS, plain=session.plain, empty="No experiments yet.")


@verb(experiments, "runs", help="List the tracking runs of an experiment, newest first, with their metrics.")
def list_tracking_runs(
    session: Session,
    experiment: Annotated[str, typer.Argument(metavar="EXPERIMENT", help="Its name or its id.")],
    limit: Limit = 100,
    as_json: AsJson = False,
) -> None:
    with session.operations() as operations:
        found = operations.tracking_runs(_experiment_id(operations, experiment), limit)
    if as_json:
        print_json({"items": found, "next_cursor": None})
        return
    rows = [{**r["info"], "params": _pairs(r["data"]["params"]), **_metrics(r)} for r in found]
    names = sorted({name for row in rows for name in row if name.startswith("metric ")})
    columns = (
        Column("run_id", "run", whole=True),
        Column("run_name", "name"),
        Column("status", "status"),
        *(Column(name, name.removeprefix("metric "), right=True) for name in names),
        Column("params", "params"),
    )
    print_table(rows, columns, plain=session.plain, empty="No tracking runs yet.")


def _experiment_id(operations: Operations, experiment: str) -> str:
    known = {e["name"]: str(e["experiment_id"]) for e in operations.experiments()}
    if experiment in known:
        return known[experiment]
    if experiment in known.values():
        return experiment
    raise NotFoundError("experiment", experiment, known)


def _metrics(run: Json) -> dict[str, Json]:
    return {f"metric {m['key']}": m["value"] for m in run["data"]["metrics"]}


def _pairs(pairs: Json) -> str:
    return ", ".join(f"{p['key']}={as_text(p['value'])}" for p in pairs)
