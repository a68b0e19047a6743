"""The tree of verbs: the one place where a verb gets its name. docs/reference/cli.md has a heading for each."""

from __future__ import annotations

import typer

from millrace.cli.artifacts import artifacts
from millrace.cli.database import database
from millrace.cli.experiments import experiments
from millrace.cli.files import plan, replay, run
from millrace.cli.groups import STYLE
from millrace.cli.lean import LeanGroup
from millrace.cli.models import models
from millrace.cli.pipelines import pipelines
from millrace.cli.runs import runs, trigger
from millrace.cli.service import demo, doctor, init, up, version
from millrace.cli.session import Database, Home, Plain, Traceback, Url, verb
from millrace.cli.tasks import tasks

app = typer.Typer(help="Millrace takes data to a served model.", cls=LeanGroup, no_args_is_help=True, **STYLE)


@app.callback()
def options(
    home: Home = None,
    database: Database = None,
    url: Url = None,
    plain: Plain = False,
    traceback: Traceback = False,
) -> None:
    """The global options; :mod:`millrace.cli.session` reads them from the context."""


verb(app, "demo", help="Run the main job, from a CSV to a served model.")(demo)
verb(app, "init", help="Write a new project with the first example.")(init)
verb(app, "up", help="Start the scheduler, workers and HTTP API.")(up)
verb(app, "run", help="Run a pipeline file here and now, in this process.")(run)
verb(app, "trigger", help="Start a run of a pipeline that `millrace up` executes.")(trigger)
verb(app, "plan", help="Say what would come from the cache, and why not.")(plan)
verb(app, "replay", help="Run one task of a past run again, here.")(replay)
app.add_typer(pipelines, name="pipelines")
app.add_typer(runs, name="runs")
app.add_typer(tasks, name="tasks")
app.add_typer(artifacts, name="artifacts")
app.add_typer(models, name="models")
app.add_typer(experiments, name="experiments")
app.add_typer(database, name="db")
verb(app, "doctor", help="Say what is wrong with this installation, and how to mend it.")(doctor)
verb(app, "version", help="Print the version.")(version)
