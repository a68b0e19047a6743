"""``millrace demo``: the main job, from a CSV to a served model, in a folder of its own.

Invariant: everything shown is what happened. Each claim (the prediction equals the label, the second run came from the
cache, every injected fault was found) is checked, and the demo fails where one does not hold.
"""

from __future__ import annotations

import contextlib
import shlex
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

import attrs

from millrace.core.errors import ConflictError, MillraceError
from millrace.core.types import Json
from millrace.data.atomic_output import write_file
from millrace.wiring.demo_faults import Fault, write_faulty
from millrace.wiring.demo_results import Results
from millrace.wiring.demo_server import ask, model_server
from millrace.wiring.platform import Platform, Progress, open_platform
from millrace.wiring.project import DATA, FILES, PIPELINE, init_project, template_file
from millrace.wiring.settings import load_settings

MARKER = ".millrace-demo"
FAULTY = "data/faulty.csv"
MODEL = "models:/breast-cancer@champion"
_OWN = (*FILES, FAULTY, MARKER)
_OWN_FOLDERS = (".millrace", "serving")


class Printer(Protocol):
    """Where the demo says what it does."""

    def heading(self, text: str) -> None: ...

    def say(self, text: str) -> None: ...

    def table(self, rows: Sequence[Mapping[str, Json]], columns: Mapping[str, str]) -> None:
        """``columns``: the rows' keys and their titles."""


NewProgress = Callable[[], AbstractContextManager[Progress]]


def run_demo(target: Path, *, printer: Printer, new_progress: NewProgress) -> None:
    """Run the main job in ``target``, which is made; an earlier demo there is replaced. MillraceError if it fails."""
    started = time.monotonic()
    shown = shlex.quote(str(target))
    target = target.absolute()
    printer.heading("A new project")
    if _clear(target):
        printer.say(f"The earlier demo in {target} is replaced: its data, its home and its models go.")
    written = init_project(target)
    write_file(target / MARKER, b"Made by `millrace demo`, which replaces this folder's content when it runs again.\n")
    printer.say(f"Wrote {', '.join(str(file.relative_to(target)) for file in written)} to {target}.")
    # No MILLRACE_* variable counts: a demo must not write to a team's database.
    settings = load_settings({}, cwd=target, environ={})
    with contextlib.chdir(target), open_platform(settings) as platform:
        _Demo(platform, printer, new_progress, target).run()
    printer.heading("What was done, and where to look next")
    seconds = time.monotonic() - started
    printer.say(f"A model was trained, evaluated, registered, pushed and asked over HTTP, in {seconds:.1f} s in all.")
    printer.table(_next_steps(shown), {"command": "command", "shows": "shows"})


@attrs.frozen
class _Demo:
    platform: Platform
    printer: Printer
    new_progress: NewProgress
    folder: Path

    def run(self) -> None:
        self.printer.heading("From the CSV to a pushed model")
        first, _ = self._run({})
        self._succeeded(first)
        self._show_model(first)
        self.printer.heading("A prediction over HTTP")
        self._predict(first)
        self.printer.heading("The same run again")
        self._again()
        self.printer.heading("Data with faults")
        self._faulty()

    def _run(self, params: Mapping[str, str]) -> tuple[Results, float]:
        given = "".join(f" -p {name}={value}" for name, value in params.items())
        self.printer.say(f"$ millrace run {PIPELINE}{given}")
        started = time.monotonic()
        with self.new_progress() as progress:
            document = self.platform.run_file(Path(PIPELINE), None, params, progress)
        seconds = time.monotonic() - started
        return Results(document, self.platform), seconds

    def _succeeded(self, run: Results) -> None:
        if run.state != "success":
            reasons = "; ".join(f"{task['task_id']}: {task['reason']}" for task in run.failed)
            raise MillraceError(f"the run {run.state}: {reasons}", remedy="millrace doctor looks at the installation.")

    def _show_model(self, run: Results) -> None:
        rows = run.metric_rows()
        self.printer.say(f"Evaluated on {run.evaluated_rows} rows that it was not trained on:")
        self.printer.table(rows, {"metric": "metric", "value": "value"})
        blessing = run.metadata("Evaluator", "blessing")
        if not blessing["blessed"]:
            raise MillraceError(f"the model is not blessed: {'; '.join(blessing['reasons'])}")
        self.printer.say(f"Blessed: {'; '.join(blessing['reasons'])}.")
        self.printer.table(run.place_rows(self.folder), {"what": "the model", "where": "is"})

    def _predict(self, run: Results) -> None:
        record, label = run.unseen_row("malignant")
        arguments = ["models", "serve", MODEL, "--port", "0"]
        self.printer.say(f"$ millrace {' '.join(arguments)}")
        with model_server(arguments, self.folder) as url:
            self.printer.say(f"$ curl {url}/invocations ... (one row that was not in training)")
            predicted = ask(url, record)
        self.printer.say(f"The model says {predicted!r}, the label in the CSV is {label!r}. The server is stopped.")
        if predicted != label:
            raise MillraceError("the prediction over HTTP is not the row's label")

    def _again(self) -> None:
        second, seconds = self._run({})
        self._succeeded(second)
        cached, tasks = second.cached, second.tasks
        self.printer.say(f"{len(cached)} of {len(tasks)} tasks were taken from the cache, in {seconds:.2f} s in all.")
        if len(cached) < len(tasks):
            raise MillraceError(f"not from the cache: {', '.join(t['task_id'] for t in tasks if t not in cached)}")

    def _faulty(self) -> None:
        faults = write_faulty(self.folder / DATA, self.folder / FAULTY)
        self.printer.say(f"Injected into {FAULTY}, on purpose:")
        for fault in faults:
            self.printer.say(f"  {fault.announcement}")
        run, _ = self._run({"data": FAULTY})
        findings = run.findings()
        self._check_findings(run, faults, findings)
        self.printer.say("ExampleValidator stopped the run before training. It found:")
        self.printer.table([{"finding": finding} for finding in findings], {"finding": "anomaly"})
        waiting = ", ".join(task["task_id"] for task in run.tasks if task["state"] == "upstream_failed")
        self.printer.say(f"Not run: {waiting}. The model that serves is the one from before.")

    def _check_findings(self, run: Results, faults: Sequence[Fault], findings: Sequence[str]) -> None:
        stopped = [task["task_id"] for task in run.failed]
        if stopped != ["ExampleValidator"]:
            raise MillraceError(f"the faulty data was to be stopped by ExampleValidator, not {stopped or 'by nobody'}")
        for fault in faults:
            if not any(repr(fault.column) in finding for finding in findings):
                raise MillraceError(f"the injected fault was not found: {fault.announcement}")


def _clear(target: Path) -> bool:
    """Remove an earlier demo's files and nothing else. ConflictError where anything there may be the user's."""
    if not target.exists() or (target.is_dir() and not any(target.iterdir())):
        return False
    remedy = "Name another folder: millrace demo FOLDER"
    if not (target / MARKER).is_file():
        raise ConflictError("this is there already, and no demo made it", where=str(target), remedy=remedy)
    for name in FILES:
        file = target / name
        if name != DATA and file.is_file() and file.read_bytes() != template_file(name):
            raise ConflictError(f"{name} was changed since the demo wrote it", where=str(target), remedy=remedy)
    for name in _OWN:
        (target / name).unlink(missing_ok=True)
    for name in _OWN_FOLDERS:
        shutil.rmtree(target / name, ignore_errors=True)
    return True


def _next_steps(folder: str) -> list[dict[str, str]]:
    return [
        {"command": f"cd {folder}", "shows": "the project; the commands below are run in it"},
        {"command": "millrace runs list", "shows": "the three runs, and what became of them"},
        {"command": f"less {PIPELINE}", "shows": "the pipeline: two functions and eight components"},
        {
            "command": f"millrace plan {PIPELINE} -p 'hyperparameters={{\"C\": 0.1}}'",
            "shows": "what another parameter would run anew, and why",
        },
        {"command": "millrace models show breast-cancer", "shows": "the registered model"},
        {"command": f"millrace models serve {MODEL}", "shows": "the model server, at port 5000"},
        {"command": "millrace up", "shows": "scheduler, workers and the HTTP API, in one command"},
    ]
