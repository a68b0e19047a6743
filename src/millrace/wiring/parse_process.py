"""The process that loads pipeline files, so that a file that loops, exits or crashes harms nobody else.

    python -m millrace.wiring.parse_process PARENT_PID

One job per process: a line of JSON ``{"root", "files"}`` on stdin; for each file one line of JSON on stdout. What the
files print goes to stderr. An end of stdin ends the process.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from millrace.authoring.loading import NoPipelines, load_file
from millrace.core.errors import MillraceError, PipelineFileError
from millrace.core.types import Json
from millrace.wiring.descriptions import description_of
from millrace.worker.parent_death import end_with


def parse(file: Path, root: Path) -> Json:
    """``{"file", "pipelines": [descriptions]}``, or ``{"file", "error": {"message", "traceback"}}``."""
    try:
        loaded = load_file(file, root=root)
        return {"file": str(file), "pipelines": [description_of(p) for p in loaded.pipelines]}
    except NoPipelines:
        return {"file": str(file), "pipelines": []}  # a module that pipelines share
    except MillraceError as error:
        traceback = error.traceback if isinstance(error, PipelineFileError) else ""
        return {"file": str(file), "error": {"message": str(error), "traceback": traceback}}


def main() -> None:
    end_with(int(sys.argv[1]))
    os.environ.pop("MILLRACE_DATABASE", None)  # with its password: not for the files' code, nor for what it starts
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    line = sys.stdin.readline()
    if not line:
        return
    job = json.loads(line)
    for file in job["files"]:
        answers.write(json.dumps(parse(Path(file), Path(job["root"]))) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
