"""The verbs as a script sees them: output, JSON, exit codes. Each is the real command in a process of its own."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from millrace.operations.local import LocalOperations
from millrace.server.documents import MODELS
from millrace.version import __version__
from tests.cli.conftest import Millrace
from tests.small_project import SmallProject
from tests.small_server import SmallServer

LISTINGS = {
    ("pipelines",): None,
    ("runs",): "RunPage",
    ("runs", "list", "--state", "failed"): "RunPage",
    ("artifacts",): "ArtifactPage",
    ("models",): "RegisteredModelPage",
    ("models", "show", "small-model"): "RegisteredModelDetail",
    ("experiments", "list"): "ExperimentPage",
    ("experiments", "runs", "small"): "TrackingRunPage",
    ("pipelines", "show", "small"): "PipelineDetail",
    ("pipelines", "unpause", "small"): "Pipeline",
    ("runs", "show", "GOOD"): "RunDetail",
    ("tasks", "list", "GOOD"): None,
    ("tasks", "GOOD"): None,
    ("tasks", "show", "GOOD", "train"): "TaskRunDetail",
}


def _filled(arguments: tuple[str, ...], project: SmallProject) -> list[str]:
    return [project.good_run if a == "GOOD" else a for a in arguments]


@pytest.mark.parametrize("arguments", LISTINGS, ids=" ".join)
def test_json_is_one_document_of_the_api(arguments: tuple[str, ...], millrace: Millrace, project: SmallProject) -> None:
    done = millrace(*_filled(arguments, project), "--json")
    assert (done.returncode, done.stderr) == (0, "")
    document = json.loads(done.stdout)
    model = LISTINGS[arguments]
    if model is None:
        assert document["next_cursor"] is None
        assert document["items"]
    else:
        MODELS[model].model_validate(document)


@pytest.mark.parametrize("arguments", LISTINGS, ids=" ".join)
def test_plain_output_is_plain(arguments: tuple[str, ...], millrace: Millrace, project: SmallProject) -> None:
    done = millrace(*_filled(arguments, project))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.isascii()
    assert "\x1b" not in done.stdout
    assert done.stdout.strip()


@pytest.mark.parametrize("arguments", [("runs", "show", "GOOD"), ("pipelines",), ("tasks", "show", "GOOD", "train")])
def test_a_server_gives_what_the_store_gives(
    arguments: tuple[str, ...], millrace: Millrace, project: SmallProject, server: SmallServer
) -> None:
    filled = _filled(arguments, project)
    assert millrace(*filled, "--json", "--url", server.url).stdout == millrace(*filled, "--json").stdout
    assert millrace(*filled, MILLRACE_URL=server.url).stdout == millrace(*filled).stdout


def test_global_options_stand_before_or_after_the_verb(millrace: Millrace, tmp_path: Path) -> None:
    before = millrace("--home", str(tmp_path / "h"), "runs", "list")
    after = millrace("runs", "list", "--home", str(tmp_path / "h"))
    assert before.stdout == after.stdout == "No runs yet.\n"
    assert millrace("runs", "--home", str(tmp_path / "h"), "--json").stdout.startswith("{")


def test_run_tells_each_change_and_ends_with_zero(millrace: Millrace, project: SmallProject, tmp_path: Path) -> None:
    done = millrace("run", str(project.file), "-p", "x=6", "--home", str(tmp_path / "h"))
    assert done.returncode == 0, done.stderr
    for words in ("double running", "doubling 6", "double success", "check success", "of small success"):
        assert words in done.stdout


def test_run_json_keeps_what_tasks_print_off_stdout(millrace: Millrace, project: SmallProject, tmp_path: Path) -> None:
    done = millrace("run", f"{project.file}:small", "-p", "x=6", "--json", "--home", str(tmp_path / "h"))
    document = json.loads(done.stdout)
    assert (document["state"], document["params"]["x"]) == ("success", 6)
    assert "doubling 6" in done.stderr


def test_a_failed_run_exits_1_without_a_traceback_of_ours(
    millrace: Millrace, project: SmallProject, tmp_path: Path
) -> None:
    done = millrace("run", str(project.file), "-p", "fail=true", "--home", str(tmp_path / "h"))
    assert done.returncode == 1
    assert "asked to fail" in done.stdout
    assert "millrace/" not in done.stderr


def test_plan_says_what_changed(millrace: Millrace, project: SmallProject) -> None:
    same = json.loads(millrace("plan", str(project.file), "-p", "x=4", "--json").stdout)["tasks"]
    assert {t["task_id"]: t["verdict"] for t in same}["double"] == "cached"
    other = millrace("plan", str(project.file), "-p", "x=5")
    assert other.returncode == 0
    assert "from 4 to 5" in other.stdout
    assert other.stdout.splitlines()[-1] == "3 run"


def test_replay_runs_a_task_again_and_exits_by_its_outcome(millrace: Millrace, project: SmallProject) -> None:
    good = millrace("replay", project.good_run, "train", "--json")
    assert json.loads(good.stdout)["event"] == "succeeded"
    bad = millrace("replay", project.bad_run, "check")
    assert bad.returncode == 1
    assert "ValueError: asked to fail" in bad.stdout
    assert millrace("replay", project.bad_run, "check", "--pdb", "--json").returncode == 2


def test_trigger_queues_a_run_with_typed_parameters(
    millrace: Millrace, operations: LocalOperations, server: SmallServer
) -> None:
    for extra in ([], ["--url", server.url]):
        done = millrace("trigger", "small", "-p", "x=9", "-p", "rate=2", "--json", *extra)
        run = json.loads(done.stdout)
        MODELS["Run"].model_validate(run)
        assert (run["state"], run["params"]) == ("queued", {"x": 9, "fail": False, "rate": 2})
        cancelled = millrace("runs", "cancel", run["run_id"], "--json", *extra)
        assert json.loads(cancelled.stdout)["state"] == "cancelled"


@pytest.mark.parametrize("options", [["--json"], []])
def test_trigger_wait_ends_with_the_run(
    options: list[str], millrace: Millrace, project: SmallProject, operations: LocalOperations
) -> None:
    before = {r["run_id"] for r in _queued(operations)}
    command = [sys.executable, "-m", "millrace", "trigger", "small", "--wait", *options]
    environ = {**os.environ, "MILLRACE_HOME": str(project.home)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environ) as process:
        while not (new := {r["run_id"] for r in _queued(operations)} - before):
            assert process.poll() is None
        operations.cancel(new.pop())
        out, _ = process.communicate()
    assert process.returncode == 1  # it did not succeed
    if options:
        run = json.loads(out)
        MODELS["Run"].model_validate(run)
        assert run["state"] == "cancelled"
    else:
        assert "cancelled" in out


def _queued(operations: LocalOperations) -> list[dict[str, str]]:
    found: list[dict[str, str]] = operations.runs(pipeline=None, state="queued", limit=100, cursor=None)["items"]
    return found


def test_logs(millrace: Millrace, project: SmallProject) -> None:
    for arguments in ([], ["--follow"], ["--attempt", "1"]):
        done = millrace("runs", "logs", project.good_run, "double", *arguments)
        assert done.returncode == 0
        assert done.stdout.splitlines()[0].endswith("doubling 4")


def test_lineage_names_the_tasks(millrace: Millrace, project: SmallProject) -> None:
    page = json.loads(millrace("artifacts", "list", "--run", project.good_run, "--type", "Model", "--json").stdout)
    done = millrace("artifacts", "lineage", page["items"][0]["artifact_id"])
    assert "train #1" in done.stdout
    assert "check #1" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["frobnicate"], 2, "No such command"),
        (["rusn"], 2, "'runs'"),
        (["trigger"], 2, "Missing argument 'PIPELINE'"),
        (["runs", "list", "--limit", "x"], 2, "--limit"),
        (["runs", "list", "--limit", "0"], 2, "--limit"),
        (["run", "small.py", "-p", "x"], 2, "-p takes NAME=VALUE, not 'x'"),
        (["run", "small.py", "-p", "x=1", "-p", "x=2"], 2, "parameter 'x' is given twice"),
        (["run", "small.py", "-p", "x=four"], 2, "parameter 'x' takes an integer, not 'four'"),
        (["run", "small.py", "-p", "y=4"], 2, "no parameter 'y'"),
        (["run", "small.py:smal"], 1, "Did you mean 'small'?"),
        (["run", "missing.py"], 2, "missing.py"),
        (["trigger", "small", "-p", "rat=4"], 2, "'rate'"),
        (["runs", "show", "0123456789"], 1, "there is no"),
        (["pipelines", "show", "smal"], 1, "Did you mean 'small'?"),
        (["runs", "list", "--home", "s3://x"], 2, "--home"),
        (["runs", "list", "--database", "nonsense"], 2, "sqlite:///"),
        (["runs", "list", "--url", "http://127.0.0.1:9"], 1, "no Millrace server answers at http://127.0.0.1:9"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_mistakes_are_said_in_words(
    arguments: list[str], code: int, said: str, millrace: Millrace, project: SmallProject
) -> None:
    done = millrace(*arguments)
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr


def test_traceback_only_when_asked(millrace: Millrace) -> None:
    assert "Traceback" not in millrace("pipelines", "show", "smal").stderr
    assert "Traceback (most recent call last)" in millrace("pipelines", "show", "smal", "--traceback").stderr
    assert "Traceback (most recent call last)" in millrace("--traceback", "pipelines", "show", "smal").stderr


def test_a_file_that_does_not_import_shows_the_users_frames(millrace: Millrace, tmp_path: Path) -> None:
    file = tmp_path / "broken.py"
    file.write_text("import millrace\n\n1 / 0\n", encoding="utf-8")
    done = millrace("run", str(file))
    assert done.returncode == 2
    assert f"{file}:3" in done.stderr
    assert "ZeroDivisionError" in done.stderr
    assert "Traceback" not in done.stderr
    asked = millrace("run", str(file), "--traceback")
    assert "1 / 0" in asked.stderr


def test_a_folder_that_cannot_be_written_is_said(millrace: Millrace, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    done = millrace("runs", "list", "--home", str(blocked / "home"))
    assert done.returncode == 1
    assert str(blocked) in done.stderr
    assert "unexpected" not in done.stderr


def test_a_settings_file_with_an_error_stops_with_2(millrace: Millrace, tmp_path: Path) -> None:
    (tmp_path / "millrace.toml").write_text("prot = 1\n", encoding="utf-8")
    done = millrace("runs", "list", cwd=tmp_path)
    assert done.returncode == 2
    assert "millrace.toml" in done.stderr
    assert "Did you mean 'port'" in done.stderr


def test_a_closed_pipe_is_quiet(project: SmallProject) -> None:
    command = f"{shlex.quote(sys.executable)} -m millrace pipelines show small | true; echo ${{PIPESTATUS[0]}}"
    environ = {**os.environ, "MILLRACE_HOME": str(project.home)}
    done = subprocess.run(["bash", "-c", command], env=environ, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert done.stdout.strip() in {"141", "0"}  # 0 when the reader left after the last write


def test_ctrl_c_is_quiet(project: SmallProject) -> None:
    environ = {**os.environ, "MILLRACE_HOME": str(project.home)}
    command = [sys.executable, "-c", "import sys\nfrom millrace.cli import main\nprint('on', flush=True)\nmain()"]
    command += ["trigger", "small", "--wait"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environ) as process:
        assert process.stdout is not None
        while "queued" not in process.stdout.readline():
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate()
    assert process.returncode == 130
    assert errors == ""


def test_version(millrace: Millrace) -> None:
    assert millrace("version").stdout == f"{__version__}\n"
    assert json.loads(millrace("version", "--json").stdout)["version"] == __version__


def test_doctor_exits_1_when_something_is_wrong(millrace: Millrace, tmp_path: Path) -> None:
    fine = millrace("doctor", "--json", "--home", str(tmp_path / "h"), cwd=tmp_path)
    assert fine.returncode == 0, fine.stdout
    assert json.loads(fine.stdout)["ok"] is True
    (tmp_path / "file").write_text("")
    wrong = millrace("doctor", "--home", str(tmp_path / "file"), cwd=tmp_path)
    assert wrong.returncode == 1
    assert "bad" in wrong.stdout
    assert "home: " in wrong.stdout


def test_database_verbs(millrace: Millrace, tmp_path: Path) -> None:
    home = ["--home", str(tmp_path / "h"), "--json"]
    done = millrace("db", "upgrade", *home)
    assert done.returncode == 0, done.stderr
    assert json.loads(millrace("db", "status", *home).stdout)["state"] == "current"


def test_init_writes_a_project_once(millrace: Millrace, tmp_path: Path) -> None:
    first = millrace("init", "new project", cwd=tmp_path)
    assert first.returncode == 0, first.stderr
    assert (tmp_path / "new project" / "pipelines" / "pipeline.py").is_file()
    again = millrace("init", "new project", cwd=tmp_path)
    assert again.returncode == 1
    assert "project already" in again.stderr
