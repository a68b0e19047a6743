"""What user code can do to its process ends its own attempt, with the reason, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.whole.installation import Installation, Service, states_of, task_of
from tests.whole.processes import marked, until

TASKS = """
    import ctypes
    import os
    import signal
    import subprocess
    import sys
    import threading
    import time
    from datetime import timedelta
    from pathlib import Path

    from millrace import FailWithoutRetry, SkipTask, component, pipeline, task

    HERE = Path({here!r})

    class Own(BaseException):
        pass

    class Unprintable(Exception):
        def __str__(self):
            raise RuntimeError("no words")

    def raises(): raise ValueError("boom " + str(6 * 7))
    def raises_unprintable(): raise Unprintable
    def raises_own(): raise Own("of a base class")
    def interrupts(): raise KeyboardInterrupt
    def sys_exit(): sys.exit(3)
    def sys_exit_zero(): sys.exit(0)
    def sys_exit_words(): sys.exit("words of farewell")
    def os_exit(): os._exit(7)
    def os_exit_zero(): os._exit(0)
    def sigkill(): os.kill(os.getpid(), signal.SIGKILL)
    def sigterm(): os.kill(os.getpid(), signal.SIGTERM); time.sleep(60)
    def segfault(): ctypes.string_at(0)
    def aborts(): os.abort()
    def recursion(): recursion()
    def closes_descriptors(): os.closerange(3, 256)
    def asks(): input("name? ")
    def memory():
        held = []
        while True:
            held.append(b"x" * 20_000_000)
            time.sleep(0.005)
    def memory_at_once(): bytearray(1 << 50)
    def skips(): raise SkipTask("nothing to do today")
    def no_retry(): raise FailWithoutRetry("the table is gone")
    def bad_value(): return object()
    def kills_its_group(): os.killpg(0, signal.SIGKILL)
    def in_thread():
        threading.Thread(target=lambda: os._exit(9)).start()
        time.sleep(60)

    @task(execution_timeout=timedelta(milliseconds=300))
    def sleeps_too_long() -> None:
        time.sleep(1000)

    @task(execution_timeout=0.3)
    def spins_too_long() -> None:
        while True:
            pass

    @task(execution_timeout=0.3)
    def holds_on() -> None:
        while True:
            try:
                time.sleep(1000)
            except BaseException:
                pass

    @task(execution_timeout=0.3)
    def holds_the_interpreter() -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        ctypes.PyDLL(None).sleep(1000)

    @task
    def fine() -> int:
        return 42

    @task
    def fine_with_remains() -> int:
        threading.Thread(target=time.sleep, args=(1000,)).start()
        subprocess.Popen(["sleep", "1002"])
        os.chdir("/")
        os.environ["LEFT"] = "over"
        sys.path.append("/nowhere")
        return 42

    @task
    def looks_for_remains() -> list:
        return [os.environ.get("LEFT"), "/nowhere" in sys.path, os.getcwd() == "/"]

    @task
    def forks() -> int:
        pid = os.fork()
        if pid:
            os.waitpid(pid, 0)
        return 42

    @task
    def prints() -> None:
        print("first line")
        print("to stderr", file=sys.stderr)
        os.write(1, b"from below \\xff\\xfe\\n")
        subprocess.run(["echo", "from a child"])
        print("no newline at the end", end="")
        while not (HERE / "go").exists():
            time.sleep(0.01)

    @task
    def floods() -> None:
        for number in range(20_000):
            print("line", number, "x" * 100)
        print("y" * 3_000_000)

    def with_one(function):
        made = function if hasattr(function, "override") else task(function)
        @pipeline(name=function.__name__)
        def one():
            made()
        return one

    ALL = [with_one(f) for f in (
        raises, raises_unprintable, raises_own, interrupts, sys_exit, sys_exit_zero, sys_exit_words, os_exit,
        os_exit_zero, sigkill, sigterm, segfault, aborts, recursion, closes_descriptors, asks, memory, memory_at_once,
        skips, no_retry, bad_value, kills_its_group, in_thread, sleeps_too_long, spins_too_long, holds_on,
        holds_the_interpreter, fine, fine_with_remains, looks_for_remains, forks, prints, floods,
    )]

    @task
    def big_value() -> str: return "x" * 100_000

    @task
    def length(text: str) -> int: return len(text)

    @pipeline
    def big():
        length(big_value())

    @pipeline
    def beside():
        task(raises)()
        fine() >> fine()
    """


@pytest.fixture(scope="module")
def service(shared: Installation) -> Iterator[Service]:
    text = TASKS.format(here=str(shared.folder))
    shared.write("bad.py", text)
    with shared.up("--parallelism", 4, MILLRACE_MEMORY_LIMIT="400MiB") as running:
        assert len(running.pipelines()) > 30, running.import_failures()
        EARLY.update({name: running.trigger(name) for name in ("holds_on", "holds_the_interpreter")})
        yield running


EARLY: dict[str, str] = {}
"""Runs that are begun first because they last as long as Millrace is patient; by pipeline."""

BAD = [
    ("raises", "failed", "raised", "ValueError: boom 42"),
    ("raises_unprintable", "failed", "raised", "Unprintable"),
    ("raises_own", "failed", "raised", "Own: of a base class"),
    ("interrupts", "killed", "cancelled", "interrupted"),
    ("sys_exit", "failed", "exited", r"sys\.exit.*3|code 3"),
    ("sys_exit_zero", "failed", "exited", r"sys\.exit|code 0"),
    ("sys_exit_words", "failed", "exited", "words of farewell"),
    ("os_exit", "failed", "exited", "code 7"),
    ("os_exit_zero", "failed", "exited", "code 0"),
    ("sigkill", "killed", "signalled", "SIGKILL"),
    ("sigterm", "killed", "signalled", "SIGTERM"),
    ("segfault", "killed", "signalled", "SIGSEGV"),
    ("aborts", "killed", "signalled", "SIGABRT"),
    ("recursion", "failed", "raised", "RecursionError"),
    ("closes_descriptors", "failed|killed|lost", ".+", ".+"),
    ("asks", "failed", "raised", "EOFError"),
    ("memory", "killed", "out_of_memory", "out of memory.*400 MiB"),
    ("memory_at_once", "killed", "out_of_memory", "MemoryError"),
    ("no_retry", "failed", "no_retry", "the table is gone"),
    ("bad_value", "failed", ".+", "object"),
    ("kills_its_group", "killed", "signalled", "SIGKILL"),
    ("in_thread", "failed", "exited", "code 9"),
    ("sleeps_too_long", "timed_out", "timed_out", "300 ms"),
    ("spins_too_long", "timed_out", "timed_out", "300 ms"),
    ("holds_on", "timed_out", "timed_out", "300 ms"),
    ("holds_the_interpreter", "timed_out", "timed_out", "300 ms"),
]


@pytest.mark.parametrize(("name", "state", "kind", "reason"), BAD, ids=[b[0] for b in BAD])
def test_bad_code_ends_its_own_attempt_with_the_reason(
    service: Service, name: str, state: str, kind: str, reason: str
) -> None:
    run = service.ended(EARLY.pop(name)) if name in EARLY else service.finished(name)
    assert run["state"] == "failed"
    task = task_of(run, name)
    (attempt,) = task["attempts"]
    assert re.fullmatch(state, attempt["state"]), attempt
    assert re.fullmatch(kind, attempt["kind"]), attempt
    assert re.search(reason, attempt["reason"]), attempt
    assert task["reason"] == attempt["reason"]
    after = service.finished("fine")
    assert after["state"] == "success", "the next run is fine"


def test_a_traceback_shows_the_users_line_and_none_of_ours(service: Service) -> None:
    attempt = task_of(service.finished("raises"), "raises")["attempts"][0]
    assert 'raise ValueError("boom " + str(6 * 7))' in attempt["detail"]
    assert "millrace/worker" not in attempt["detail"]
    shown = service.command("tasks", "show", service.finished("raises")["run_id"], "raises").ok().out
    assert "ValueError: boom 42" in shown


def test_the_reason_is_in_runs_show(service: Service) -> None:
    run_id = service.finished("os_exit")["run_id"]
    assert "exited with code 7" in service.command("runs", "show", run_id).ok().out
    document = service.command("runs", "show", run_id, "--json").ok().json
    assert "exited with code 7" in task_of(document, "os_exit")["attempts"][0]["reason"]


def test_trigger_and_wait_exits_with_1_when_the_run_fails(service: Service) -> None:
    done = service.command("trigger", "raises", "--wait")
    assert done.code == 1
    assert "boom 42" in done.out + done.err
    assert "Traceback" not in done.err


def test_a_failure_harms_no_task_beside_it(service: Service) -> None:
    states = states_of(service.finished("beside"))
    assert states == {"raises": "failed", "fine": "success", "fine__1": "success"}


def test_a_large_value_reaches_the_next_task(service: Service) -> None:
    run = service.finished("big")
    assert run["state"] == "success"
    outputs = service.ask(f"/api/v1/runs/{run['run_id']}/tasks/length")["outputs"]
    assert outputs["return_value"]["value"] == 100_000


def test_a_skip_is_no_failure(service: Service) -> None:
    run = service.finished("skips")
    assert run["state"] == "success"
    assert task_of(run, "skips")["state"] == "skipped"
    assert "nothing to do today" in task_of(run, "skips")["reason"]


def test_what_a_task_leaves_behind_is_gone_for_the_next(service: Service) -> None:
    assert service.finished("fine_with_remains")["state"] == "success"
    assert "sleep 1002" not in marked(service.of.mark).values()
    run = service.finished("looks_for_remains")
    found = service.ask(f"/api/v1/runs/{run['run_id']}/tasks/looks_for_remains")["outputs"]["return_value"]["value"]
    assert found == [None, False, False]


def test_a_fork_that_comes_back_counts_once(service: Service) -> None:
    run = service.finished("forks")
    assert run["state"] == "success"
    assert len(task_of(run, "forks")["attempts"]) == 1
    assert service.finished("fine")["state"] == "success"


def test_what_is_printed_is_there_before_the_task_ends(service: Service) -> None:
    run_id = service.trigger("prints")
    until(lambda: "from a child" in service.logged(run_id, "prints"), "the lines that were printed")
    assert service.run(run_id)["state"] == "running"
    log = service.logged(run_id, "prints")
    assert "no newline" not in log
    (service.of.folder / "go").touch()
    assert service.ended(run_id)["state"] == "success"
    lines = service.command("runs", "logs", run_id, "prints").ok().out.splitlines()
    for expected in ("first line", "to stderr", "from below", "from a child", "no newline at the end"):
        assert sum(expected in line for line in lines) == 1, lines


def test_a_flood_of_output_is_kept(service: Service) -> None:
    run = service.finished("floods")
    assert run["state"] == "success"
    done = service.command("runs", "logs", run["run_id"], "floods").ok()
    assert sum(" line " in line or line.startswith("line ") for line in done.out.splitlines()) == 20_000
    assert "line 19999 x" in done.out
