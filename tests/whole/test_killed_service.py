"""``millrace up`` is killed in the middle of runs and started again; and it is asked to end, and leaves nothing."""

from __future__ import annotations

import collections
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from tests.whole.installation import Installation, Service, states_of
from tests.whole.processes import marked, until

LAYERED = """
    import os
    import time
    import uuid
    from pathlib import Path

    from millrace import pipeline, task

    EFFECTS = Path({effects!r})

    @task
    def work(name: str, seconds: float, run: str) -> str:
        effect = EFFECTS / (run + "." + name + "." + uuid.uuid4().hex)
        effect.touch()
        time.sleep(seconds)
        effect.rename(effect.with_suffix(".done"))
        return name

    @pipeline
    def layered(run: str):
        before = []
        for layer in range(8):
            here = [
                work.override(task_id=name)(name, 0.01 * (1 + (layer * 7 + place * 3) % 6), run)
                for place in range(4)
                for name in [f"t{{layer}}_{{place}}"]
            ]
            for task_before in before:
                task_before >> here
            before = here
    """
TASKS = 8 * 4


class Effects:
    """What the tasks did: one file for each time a task's code ran, renamed when it came to its end."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()

    def times(self, ended: bool) -> collections.Counter[str]:
        """``run.task`` -> how often its code was begun, or came to its end."""
        names = [f.name.split(".") for f in self.folder.iterdir()]
        return collections.Counter(f"{n[0]}.{n[1]}" for n in names if not ended or n[-1] == "done")


def succeeded(run: dict[str, Any]) -> dict[str, str]:
    """Task id -> the attempt that succeeded."""
    found = {}
    for task in run["tasks"]:
        good = [a["attempt_id"] for a in task["attempts"] if a["state"] == "succeeded"]
        assert len(good) <= 1, f"{task['task_id']} succeeded twice"
        if task["state"] == "success":
            found[task["task_id"]] = good[0]
    return found


@pytest.mark.parametrize(
    "done_before",
    [
        1,
        37,
        pytest.param(0, marks=pytest.mark.slow),
        *(pytest.param(n, marks=pytest.mark.slow) for n in (2, 3, 5, 11, 17, 23, 29, 43, 53, 61)),
    ],
)
def test_after_sigkill_the_runs_go_on_and_nothing_is_run_again_or_lost(
    installation: Installation, done_before: int
) -> None:
    effects = Effects(installation.folder / "effects")
    installation.write("layered.py", LAYERED.format(effects=str(effects.folder)))
    service = installation.start()
    service.wait_healthy()
    runs = {name: service.trigger("layered", run=name) for name in ("a", "b")}
    until(lambda: sum(effects.times(ended=True).values()) >= done_before, "some tasks to be done", pause=0.002)
    service.kill()
    until(lambda: not marked(installation.mark), "every process of the killed service to be gone")
    at_kill = {name: installation.millrace("runs", "show", run, "--json").ok().json for name, run in runs.items()}
    begun_at_kill = effects.times(ended=False)

    with installation.up() as again:
        ended = {name: again.ended(run) for name, run in runs.items()}
    for name, run in ended.items():
        assert run["state"] == "success", run["reason"]
        assert set(states_of(run).values()) == {"success"}
        assert len(run["tasks"]) == TASKS
        before, after = succeeded(at_kill[name]), succeeded(run)
        assert len(after) == TASKS
        for task_id, attempt_id in before.items():
            assert after[task_id] == attempt_id, f"{task_id} had succeeded and was run again"
            assert effects.times(ended=False)[f"{name}.{task_id}"] == begun_at_kill[f"{name}.{task_id}"]
        _old_attempts_are_lost(at_kill[name], run)
    assert set(effects.times(ended=True)) == {f"{n}.t{x}_{y}" for n in "ab" for x in range(8) for y in range(4)}


def _old_attempts_are_lost(at_kill: dict[str, Any], run: dict[str, Any]) -> None:
    living = {a["attempt_id"] for t in at_kill["tasks"] for a in t["attempts"] if a["ended_at"] is None}
    for task in run["tasks"]:
        for attempt in task["attempts"]:
            assert attempt["ended_at"] is not None, attempt
            if attempt["attempt_id"] in living:
                assert attempt["state"] == "lost", attempt
                assert "went away" in attempt["reason"]
        assert task["tries"] == 1, "a lost attempt is no try"


def test_a_run_that_was_queued_at_the_kill_is_run(installation: Installation) -> None:
    installation.write("quick.py", QUICK)
    service = installation.start()
    service.wait_healthy()
    service.kill()
    run_id = installation.millrace("trigger", "quick", "--json").ok().json["run_id"]
    with installation.up() as again:
        assert again.ended(run_id)["state"] == "success"


QUICK = """
    from millrace import pipeline, task

    @task
    def nothing() -> None: ...

    @pipeline
    def quick():
        nothing()
    """

STUBBORN = """
    import signal
    import subprocess
    import time
    from pathlib import Path

    from millrace import pipeline, task
    from millrace.operators import BashOperator

    HERE = Path({here!r})

    def wait() -> None:
        while not (HERE / "go").exists():
            time.sleep(0.01)

    @task
    def deaf() -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        (HERE / "deaf").touch()
        wait()

    @task
    def parent() -> None:
        subprocess.Popen(["sleep", "1000"])
        (HERE / "parent").touch()
        wait()

    @pipeline
    def stubborn():
        if {deaf!r}:
            deaf()
        parent()
        BashOperator(
            task_id="bash",
            bash_command="sleep 1001 & touch bash; while [ ! -e go ]; do sleep 0.02; done",
            cwd={here!r},
        )
    """


def with_running_tasks(installation: Installation, *, deaf: bool = False) -> Service:
    """``deaf``: with a task that does not listen to SIGTERM and is given some seconds."""
    installation.write("stubborn.py", STUBBORN.format(here=str(installation.folder), deaf=deaf))
    service = installation.start("--parallelism", 3)
    service.wait_healthy()
    service.trigger("stubborn")
    names = ("parent", "bash", "deaf") if deaf else ("parent", "bash")
    until(lambda: all((installation.folder / n).exists() for n in names), "the running tasks")
    assert any("sleep 1000" in line for line in marked(installation.mark).values())
    assert any("sleep 1001" in line for line in marked(installation.mark).values())
    return service


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda n: n.name)
def test_asked_to_end_it_leaves_no_process_and_the_run_goes_on_later(
    installation: Installation, number: signal.Signals
) -> None:
    service = with_running_tasks(installation, deaf=number == signal.SIGTERM)
    code = service.stop(number)
    assert not marked(installation.mark)
    assert code in {0, 128 + number}
    assert "Traceback" not in service.log.read_text()
    (run,) = installation.millrace("runs", "list", "--json").ok().json["items"]
    assert run["state"] == "running"
    (installation.folder / "go").touch()
    with installation.up("--parallelism", 3) as again:
        assert again.ended(run["run_id"])["state"] == "success"


def test_killed_it_leaves_no_process_not_even_what_its_tasks_started(installation: Installation) -> None:
    service = with_running_tasks(installation)
    service.kill()
    until(lambda: not marked(installation.mark), "every process to be gone")


def test_ctrl_c_twice_in_a_row_leaves_no_process_either(installation: Installation) -> None:
    service = with_running_tasks(installation)
    service.process.send_signal(signal.SIGINT)
    time.sleep(0.05)
    service.stop(signal.SIGINT)
    until(lambda: not marked(installation.mark), "every process to be gone")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda n: n.name)
def test_a_signal_while_it_starts_leaves_no_process(installation: Installation, number: signal.Signals) -> None:
    installation.write("quick.py", QUICK)
    for wait in (0.1, 0.4, 0.8):
        service = installation.start()
        time.sleep(wait)
        service.stop(number)
        until(lambda: not marked(installation.mark), "every process to be gone")
