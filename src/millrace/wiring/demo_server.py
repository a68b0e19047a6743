"""The model server of the demo: the real command, in a process of its own that never outlives the demo's.

Run as a module it is that process: it ties itself to its parent, then becomes ``millrace ARGUMENTS``.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import runpy
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path

from millrace.core.errors import ServiceError
from millrace.core.types import Json
from millrace.worker.parent_death import end_with

_READY = re.compile(r"(http://\S+)/invocations")
_GRACE = 10
"""Seconds that the server gets to end by itself."""


@contextlib.contextmanager
def model_server(arguments: list[str], folder: Path) -> Iterator[str]:
    """``millrace ARGUMENTS`` started in ``folder`` while the block runs; gives the URL that it answers at."""
    command = [sys.executable, "-m", "millrace.wiring.demo_server", str(os.getpid()), *arguments]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MILLRACE_")}
    with subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            yield _announced(process)
        finally:
            process.terminate()
            try:
                process.wait(_GRACE)
            except subprocess.TimeoutExpired:
                process.kill()


def ask(url: str, record: Mapping[str, Json]) -> Json:
    """The prediction for one row, by ``POST /invocations``."""
    body = json.dumps({"dataframe_records": [record]}).encode()
    request = urllib.request.Request(  # noqa: S310 - the URL that our own server announced
        f"{url}/invocations", data=body, headers={"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request) as answer:  # noqa: S310 - as above
            return json.load(answer)["predictions"][0]
    except urllib.error.HTTPError as error:
        raise ServiceError(f"the model server answered {error.code}: {error.read().decode()}", where=url) from error
    except (OSError, ValueError, LookupError) as error:
        raise ServiceError(f"the model server gave no prediction: {error}", where=url) from error


def _announced(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    said = []
    for line in process.stdout:
        said.append(line)
        found = _READY.search(line)
        if found:
            return found[1]
    raise ServiceError("the model server ended before it answered:\n" + "".join(said).rstrip())


if __name__ == "__main__":
    end_with(int(sys.argv[1]))
    sys.argv = ["millrace", *sys.argv[2:]]
    runpy.run_module("millrace", run_name="__main__")
