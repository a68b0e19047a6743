"""Tasks that end in every way a task can end, for the conformance suite of executors and for the worker's tests.

:class:`SampleLoader` finds them by task id, in any process. The code is as a user writes it: badly, on purpose.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple, TypeVar

from millrace.core.attempts import Launch
from millrace.core.errors import FailWithoutRetry, NotFoundError, SkipTask
from millrace.core.types import Artifact, Dataset, Json, Metrics
from millrace.interfaces import LoadedTask, TaskServices, task_context

F = TypeVar("F", bound=Callable[..., object])
SAMPLES: dict[str, LoadedTask] = {}
_VALUE: Mapping[str, type | None] = {"return_value": None}


def sample(
    *,
    outputs: Mapping[str, type] | None = None,
    inputs: Mapping[str, type] | None = None,
    returns: Mapping[str, type | None] = _VALUE,
) -> Callable[[F], F]:
    """Make the function known to :class:`SampleLoader` under its name."""

    def register(function: F) -> F:
        SAMPLES[function.__name__] = LoadedTask(function, outputs or {}, inputs or {}, returns)
        return function

    return register


_BROKEN = str(Path(__file__).parent / "broken.py")
"""The name of a file of the project, which does not import."""


class SampleLoader:
    """``CodeLoader`` over this module."""

    def load(self, launch: Launch) -> LoadedTask:
        if launch.task_id == "broken_import":
            exec(compile("import nowhere_to_be_found", _BROKEN, "exec"), {})  # noqa: S102 -- a user's module that does not import
        if launch.task_id == "hangs_in_import":
            time.sleep(3600)
        return SAMPLES[launch.task_id]

    def function(self, code: str) -> Callable[..., Json]:
        if code != "sample:double":
            raise NotFoundError("function", code)
        return lambda number: 2 * number


def _services() -> TaskServices:
    context = task_context.get()
    assert context is not None
    return context.services


@sample()
def nothing() -> None:
    """The no-op of the benchmarks."""


@sample()
def add(a: int, b: int) -> int:
    return a + b


@sample()
def echo(value: Json) -> Json:
    return value


@sample()
def describe(value: Json) -> str:
    return repr(value)


@sample()
def apply(function: Callable[[int], int], number: int) -> int:
    return function(number)


@sample(outputs={"rows": Dataset})
def write_rows(rows: Dataset, text: str) -> str:
    rows.path.write_text(text)
    rows.metadata["length"] = len(text)
    return rows.path.name


@sample(inputs={"rows": Dataset})
def read_rows(rows: Dataset) -> dict[str, Json]:
    return {"text": rows.path.read_text(), "type": type(rows).__name__, "name": rows.name, "metadata": rows.metadata}


@sample(inputs={"parts": Dataset})
def read_many(parts: list[Dataset]) -> list[str]:
    return [part.path.read_text() for part in parts]


@sample(outputs={"first": Dataset, "second": Dataset})
def forget_output(first: Dataset, second: Dataset) -> None:
    first.path.write_text(f"written, unlike {second.name}")


@sample(outputs={"scores": Metrics})
def score(scores: Metrics) -> None:
    scores.log_metric("accuracy", 0.75)
    scores.metadata["note"] = "text is no metric"


class Split(NamedTuple):
    train: int
    test: int
    table: Dataset


@sample(returns={"train": None, "test": None, "table": Dataset})
def split(folder: str) -> Split:
    path = Path(folder) / "table"
    path.mkdir()
    (path / "part-0").write_text("0")
    return Split(3, 1, Dataset(path, metadata={"parts": 1}))


@sample(returns={"train": None, "test": None})
def split_badly() -> dict[str, int]:
    return {"train": 3, "tset": 1}


@sample(returns={"return_value": Dataset})
def return_frame() -> object:
    import polars as pl  # lazy: a user's import

    return pl.DataFrame({"a": [1, 2, 3], "b": ["x", "y", "z"]})


@sample(returns={"return_value": Dataset})
def return_no_frame() -> int:
    return 7


@sample(returns={"return_value": Artifact})
def return_missing_file() -> Artifact:
    return Artifact("/nowhere/to/be/found")


@sample()
def return_date() -> object:
    return {"days": [1, datetime(2026, 1, 1, tzinfo=UTC)]}


@sample()
def return_characters(count: int) -> str:
    return "x" * count


@sample()
def raise_value_error(text: str) -> None:
    try:
        {"outer": 1}["inner"]
    except KeyError as error:
        raise ValueError(text) from error


@sample()
def fail_without_retry() -> None:
    raise FailWithoutRetry("the file is not for us")


@sample()
def skip() -> None:
    raise SkipTask("there is no new data")


@sample()
def leave(code: object) -> None:
    sys.exit(code)  # type: ignore[arg-type] # whatever a user passes


@sample()
def vanish(code: int) -> None:
    print("about to go")
    sys.stdout.write("without a newline")
    sys.stdout.flush()
    os._exit(code)


@sample()
def kill_itself(number: int) -> None:
    os.kill(os.getpid(), number)


@sample()
def raise_memory_error() -> None:
    raise MemoryError


@sample()
def allocate(mebibytes: int) -> int:
    block = bytearray(mebibytes * 2**20)
    block[::4096] = b"x" * len(block[::4096])
    time.sleep(3600)
    return len(block)


@sample()
def use_memory(mebibytes: int) -> None:
    block = bytearray(mebibytes * 2**20)
    block[::4096] = b"x" * len(block[::4096])


@sample()
def never_return(marker: str) -> None:
    """Says that it runs, and that it was told to stop."""
    Path(marker).write_text(str(os.getpid()))
    try:
        while True:
            time.sleep(3600)
    finally:
        print("cleaning up")


@sample()
def count_for_ever(marker: str = "") -> None:
    """In Python instructions, which any thread can be interrupted between."""
    if marker:
        Path(marker).write_text("running")
    number = 0
    while True:
        number += 1


@sample()
def refuse_to_stop(marker: str) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    child = subprocess.Popen(["sleep", "3600"])
    Path(marker).write_text(f"{os.getpid()} {child.pid}")
    while True:
        time.sleep(3600)


@sample()
def print_lines(count: int, marker: str = "") -> None:
    """Lines by Python, by C-level writes and by a subprocess, and a last one without a newline."""
    for i in range(count):
        print("line", i)
        if i == 0 and marker:
            wait_for(marker)
    os.write(1, b"from the descriptor\n")
    subprocess.run(["sh", "-c", "echo from a subprocess; echo from its stderr >&2"], check=True)
    print("progress 1%\rprogress 100%")
    print("to stderr", file=sys.stderr)
    sys.stdout.write("no newline")


@sample()
def print_one(text: str) -> None:
    print(text)


@sample()
def hold(marker: str, until: str) -> int:
    """Say that it runs, and run until it is let go."""
    Path(marker).write_text(str(os.getpid()))
    wait_for(until)
    return os.getpid()


@sample()
def process_id() -> int:
    return os.getpid()


@sample()
def leave_processes(marker: str) -> int:
    """One child in this process group, and a grandchild in a session of its own whose parent has ended."""
    child = subprocess.Popen(["sleep", "3600"])
    script = f"setsid sleep 3600 & echo $! > {marker!r}"
    subprocess.run(["sh", "-c", script], check=True)
    wait_for(marker)
    return child.pid


@sample()
def log_numbers(count: int) -> None:
    for i in range(count):
        metrics = [{"key": "loss", "value": float(i), "step": i}]
        _services().send("tracking.log_batch", {"metrics": metrics})


@sample()
def log_from_threads(threads: int, count: int) -> int:
    """Each thread asks and gets its own answers."""
    services = _services()
    right: list[bool] = []

    def ask(thread: int) -> None:
        right.extend(services.call("echo", {"value": [thread, i]}) == [thread, i] for i in range(count))

    running = [threading.Thread(target=ask, args=(i,)) for i in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    return sum(right)


@sample()
def ask_for_the_missing() -> str:
    try:
        _services().call("missing", {})
    except NotFoundError as error:
        return f"{type(error).__name__}: {error}"
    return "no error"


@sample()
def send_what_fails() -> None:
    _services().send("missing", {})


@sample()
def change_surroundings(folder: str) -> None:
    os.chdir(folder)
    os.environ["MILLRACE_SAMPLE"] = "left behind"
    sys.stdout.close()
    os.close(2)


@sample()
def hold_the_interpreter(marker: str) -> None:
    """One C call that no other thread of the process gets a turn in."""
    Path(marker).write_text(str(os.getpid()))
    re.match("(a+)+b", "a" * 64)


@sample()
def loaded_modules() -> list[str]:
    return sorted({name.partition(".")[0] for name in sys.modules})


@sample()
def look_around() -> dict[str, Json]:
    print("still here")
    return {"folder": str(Path.cwd()), "variable": os.environ.get("MILLRACE_SAMPLE")}


def wait_for(path: str) -> None:
    """Until ``path`` is a file with something in it."""
    while not Path(path).exists() or not Path(path).read_text():
        time.sleep(0.005)
