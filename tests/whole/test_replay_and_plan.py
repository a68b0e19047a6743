"""``millrace replay``, ``millrace plan`` and the cache, each through the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.whole.installation import Installation, states_of, task_of

PIPELINE = """
    import os
    from pathlib import Path

    import millrace
    from millrace import Dataset, Input, Output, component, pipeline

    EFFECTS = Path({effects!r})

    def scale(number: float) -> float:
        return number * {factor}

    @component
    def read(source: str, rows: Output[Dataset]) -> None:
        (EFFECTS / "read").open("a").write("x")
        rows.path.write_text(Path(source).read_text())

    @component
    def train(rows: Input[Dataset], lr: float) -> float:
        (EFFECTS / "train").open("a").write("x")
        millrace.log_metric("loss", 0.25)
        total = sum(float(line) for line in rows.path.read_text().split())
        return scale(total) * lr

    @component
    def report(score: float) -> str:
        (EFFECTS / "report").open("a").write("x")
        return "score " + str(score)

    @pipeline
    def learn(source: str = {source!r}, lr: float = 0.5):
        report(train(read(source), lr))
    """

RAISES = """
    from millrace import pipeline, task

    @task
    def give() -> int:
        return 41

    @task
    def divide(number: int) -> float:
        divisor = number - 41
        return number / divisor

    @pipeline
    def divides():
        divide(give())
    """


class Learning:
    """The pipeline above in a home of its own, and how often its tasks really ran."""

    def __init__(self, installation: Installation) -> None:
        self.installation = installation
        self.effects = installation.folder / "effects"
        self.effects.mkdir()
        self.source = installation.folder / "rows.txt"
        self.source.write_text("1\n2\n3\n")
        self.file = self.write(factor=10)

    def write(self, *, factor: int) -> Path:
        text = PIPELINE.format(effects=str(self.effects), source=str(self.source), factor=factor)
        return self.installation.write("learn.py", text)

    def run(self, *arguments: str) -> dict[str, Any]:
        document = self.installation.millrace("run", self.file, "--json", *arguments).ok().json
        shown: dict[str, Any] = self.installation.millrace("runs", "show", document["run_id"], "--json").ok().json
        return shown

    def plan(self, *arguments: str) -> dict[str, dict[str, Any]]:
        document = self.installation.millrace("plan", self.file, "--json", *arguments).ok().json
        return {task["task_id"]: task for task in document["tasks"]}

    def ran(self) -> dict[str, int]:
        return {f.name: len(f.read_text()) for f in sorted(self.effects.iterdir())}


@pytest.fixture
def learning(installation: Installation) -> Learning:
    return Learning(installation)


def because(task: dict[str, Any]) -> str:
    return " ".join(task["because"])


def test_the_second_run_is_taken_from_the_cache(learning: Learning) -> None:
    first, second = learning.run(), learning.run()
    assert learning.ran() == {"read": 1, "report": 1, "train": 1}
    assert states_of(first) == states_of(second) == {"read": "success", "train": "success", "report": "success"}
    for task in second["tasks"]:
        assert task["cached_from"]
        assert task["attempts"] == []


def test_plan_before_any_run(learning: Learning) -> None:
    plan = learning.plan()
    assert {t["verdict"] for t in plan.values()} <= {"runs", "unknown"}
    assert plan["read"]["verdict"] == "runs"
    assert "not succeeded before" in because(plan["read"])
    assert learning.ran() == {}, "a plan runs nothing"
    rows = learning.installation.rows()
    assert rows["pipeline_run"] == rows["pipeline"] == rows["artifact"] == rows["task_run"] == 0


def test_plan_of_what_is_cached(learning: Learning) -> None:
    learning.run()
    before = learning.installation.content()
    plan = learning.plan()
    assert {t["verdict"] for t in plan.values()} == {"cached"}
    assert learning.installation.content() == before
    assert {t["task_id"] for t in learning.run()["tasks"] if t["cached_from"]} == set(plan)


def test_plan_names_the_parameter_that_changed(learning: Learning) -> None:
    learning.run()
    plan = learning.plan("-p", "lr=0.25")
    assert plan["read"]["verdict"] == "cached"
    assert plan["train"]["verdict"] == "runs"
    assert "lr" in because(plan["train"])
    assert "0.5" in because(plan["train"])
    assert "0.25" in because(plan["train"])
    assert plan["report"]["verdict"] == "unknown"
    assert "train" in because(plan["report"])


def test_plan_names_the_function_whose_code_changed(learning: Learning) -> None:
    learning.run()
    learning.write(factor=20)
    plan = learning.plan()
    assert plan["read"]["verdict"] == "cached"
    assert plan["train"]["verdict"] == "runs"
    assert "scale" in because(plan["train"])
    shown = learning.installation.millrace("plan", learning.file).ok().out
    assert "scale" in shown


def test_plan_sees_an_input_that_changed(learning: Learning) -> None:
    learning.run()
    other = learning.installation.folder / "other.txt"
    other.write_text("4\n")
    learning.run("-p", f"source={other}")
    plan = learning.plan("-p", f"source={other}", "-p", "lr=0.5")
    assert {t["verdict"] for t in plan.values()} == {"cached"}
    learning.installation.write("learn.py", learning.file.read_text().replace("source.read_text()", "source"))
    third = learning.installation.folder / "third.txt"
    third.write_text("5\n")
    plan = learning.plan("-p", f"source={third}")
    assert plan["read"]["verdict"] == "runs"
    assert "third.txt" in because(plan["read"])
    assert plan["train"]["verdict"] == "unknown"
    assert "read" in because(plan["train"])


def test_a_comment_changes_nothing(learning: Learning) -> None:
    learning.run()
    text = learning.file.read_text()
    learning.installation.write(
        "learn.py", "# a comment\n\n" + text.replace("    return number", "    # why\n    return number")
    )
    assert {t["verdict"] for t in learning.plan().values()} == {"cached"}


def test_replay_gives_the_same_and_touches_nothing(learning: Learning) -> None:
    run_id = learning.run()["run_id"]
    learning.write(factor=1000)  # the past run's code is what is replayed, not the file's
    before = learning.installation.content()
    for task in ("read", "train", "report"):
        document = learning.installation.millrace("replay", run_id, task, "--json").ok().json
        assert document["event"] == "succeeded"
        assert [o["same"] for o in document["outputs"]] == [True], document
    train = learning.installation.millrace("replay", run_id, "train", "--json").ok().json
    assert train["logged"]["metrics"] == {"loss": 0.25}
    assert train["outputs"][0]["shown"] == "30.0"
    assert learning.installation.content() == before
    assert learning.ran() == {"read": 2, "report": 2, "train": 3}


def test_replay_of_a_cached_task_runs_where_it_came_from(learning: Learning) -> None:
    learning.run()
    again = learning.run()["run_id"]
    document = learning.installation.millrace("replay", again, "train", "--json").ok().json
    assert document["outputs"][0]["same"] is True


def test_replay_of_a_run_under_up(learning: Learning) -> None:
    with learning.installation.up() as service:
        run = service.finished("learn")
        assert run["state"] == "success"
    document = learning.installation.millrace("replay", run["run_id"], "train", "--json").ok().json
    assert document["outputs"][0]["same"] is True


def test_replay_of_a_failure_shows_it_and_exits_with_1(installation: Installation) -> None:
    file = installation.write("divides.py", RAISES)
    ran = installation.millrace("run", file, "--json")
    assert ran.code == 1
    run_id = ran.json["run_id"]
    assert (
        "ZeroDivisionError" in task_of(installation.millrace("runs", "show", run_id, "--json").json, "divide")["reason"]
    )
    replayed = installation.millrace("replay", run_id, "divide")
    assert replayed.code == 1
    assert "ZeroDivisionError" in replayed.out
    assert "return number / divisor" in replayed.out


def test_replay_with_pdb_stops_where_it_raised(installation: Installation) -> None:
    file = installation.write("divides.py", RAISES)
    run_id = installation.millrace("run", file, "--json").json["run_id"]
    debugged = installation.millrace("replay", run_id, "divide", "--pdb", stdin="p 'number is', number, divisor\nq\n")
    assert debugged.code == 1
    assert "('number is', 41, 0)" in debugged.out
    assert "return number / divisor" in debugged.out
    assert "unexpected error" not in debugged.err


def test_replay_of_what_is_not_there(learning: Learning) -> None:
    run_id = learning.run()["run_id"]
    no_task = learning.installation.millrace("replay", run_id, "trian")
    assert no_task.code == 1
    assert "'train'" in no_task.err
    no_run = learning.installation.millrace("replay", "00000000-0000-0000-0000-000000000000", "train")
    assert no_run.code == 1
    assert "there is no run" in no_run.err
