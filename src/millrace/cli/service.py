"""``millrace up``, ``init``, ``demo``, ``doctor`` and ``version``: the installation itself."""

from __future__ import annotations

import logging
import platform
import sys
from pathlib import Path
from typing import Annotated

import typer

from millrace.cli.demo_output import DemoOutput
from millrace.cli.options import AsJson
from millrace.cli.progress import new_progress
from millrace.cli.session import Session
from millrace.cli.tables import Column, print_json, print_table, printable
from millrace.version import __version__

Folder = Annotated[str, typer.Argument(metavar="FOLDER")]

_FINDINGS = (
    Column("state", ""),
    Column("name", "check"),
    Column("message", "found"),
)


def up(
    session: Session,
    pipelines: Annotated[str | None, typer.Option("--pipelines", metavar="DIR", help="The pipelines folder.")] = None,
    host: Annotated[str | None, typer.Option("--host", help="The address to listen on.")] = None,
    port: Annotated[int | None, typer.Option("--port", help="The port; 0 takes a free one.")] = None,
    parallelism: Annotated[int | None, typer.Option("--parallelism", help="How many tasks run at one time.")] = None,
) -> None:
    from millrace.wiring.service import up as start  # lazy: scheduler, workers, stores, server

    settings = session.settings(pipelines=pipelines, host=host, port=port, parallelism=parallelism)

    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", level=logging.WARNING)

    def ready(url: str) -> None:
        from millrace.server.guard import is_loopback  # lazy: the server is loaded by now

        if not is_loopback(settings.host):
            print(f"warning: whoever reaches {settings.host} can run code here; there is no login yet", file=sys.stderr)
        print(f"Millrace is up at {url} (home {settings.home}, pipelines {settings.pipelines}). Ctrl-C ends it.")
        sys.stdout.flush()

    start(settings, ready)


def init(_session: Session, target: Folder = ".") -> None:
    from millrace.wiring.project import init_project  # lazy: the template's files

    folder = Path(target).absolute()
    written = init_project(folder)
    print(f"A new project is in {printable(str(folder))}:")
    for file in written:
        print(f"  {printable(str(file.relative_to(folder)))}")
    print("Next: cd there, then `millrace run pipelines/pipeline.py`, or `millrace up` and `millrace pipelines`.")


def demo(session: Session, target: Folder = "demo") -> None:
    from millrace.wiring.demo import run_demo  # lazy: the whole main job

    plain = session.plain
    run_demo(Path(target), printer=DemoOutput(plain=plain), new_progress=lambda: new_progress(plain=plain))


def doctor(session: Session, as_json: AsJson = False) -> None:
    import attrs  # lazy: 50 ms that --help does not have

    from millrace.wiring.doctor import diagnose  # lazy: it looks at every part

    findings = [attrs.asdict(f) for f in diagnose(session.settings())]
    healthy = all(f["ok"] for f in findings)
    if as_json:
        print_json({"ok": healthy, "findings": findings})
    else:
        rows = [{**f, "state": "ok" if f["ok"] else "bad"} for f in findings]
        print_table(rows, _FINDINGS, plain=session.plain)
        for finding in findings:
            if not finding["ok"] and finding["remedy"]:
                print(f"{finding['name']}: {finding['remedy']}")
    if not healthy:
        raise SystemExit(1)


def version(_session: Session, as_json: AsJson = False) -> None:
    if as_json:
        print_json({"version": __version__, "python": platform.python_version()})
    else:
        print(__version__)
