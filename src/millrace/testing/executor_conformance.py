"""What every executor keeps to. Subclass the suites and give a ``bench`` fixture.

:class:`ExecutorConformance` holds for any executor, in process too; :class:`IsolationConformance` for those that run
attempts in processes of their own. The worker loads :mod:`millrace.testing.sample_tasks`.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from pathlib import Path

import psutil
import pytest

from millrace.core.attempts import FailureKind, ResolvedArtifact, ResolvedInput, WrittenOutput
from millrace.core.types import INLINE_LIMIT, Json, Value
from millrace.testing.executor_bench import PATIENCE, ExecutorBench, Outcome
from millrace.testing.sample_tasks import wait_for


def resolved(*outputs: WrittenOutput, many: bool = False, kind: str = "artifact") -> ResolvedInput:
    """The published outputs as the input of a later task."""
    artifacts = tuple(ResolvedArtifact(o.name, o.type, o.uri, o.digest, o.metadata) for o in outputs)
    return ResolvedInput(kind, None, artifacts, many)


def until_gone(pid: int) -> None:
    """Wait until no live process has this id."""
    deadline = time.monotonic() + PATIENCE
    with contextlib.suppress(psutil.NoSuchProcess):  # it may go between two looks at it
        while psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
            assert time.monotonic() < deadline, f"process {pid} is still there"
            time.sleep(0.01)


def failed(outcome: Outcome, kind: FailureKind, *words: str) -> None:
    """It failed as ``kind`` and the reason holds all ``words``."""
    assert outcome.end.event == "failed", outcome.end
    assert outcome.end.kind is kind, outcome.end
    for word in words:
        assert word in outcome.end.reason, outcome.end.reason


def _nested(depth: int) -> Json:
    value: Json = 0
    for _ in range(depth):
        value = [value]
    return value


class ExecutorConformance:
    """For every executor."""

    def test_values_in_and_out(self, bench: ExecutorBench) -> None:
        outcome = bench.run("add", {"a": 1, "b": 2})
        assert outcome.end.event == "succeeded"
        assert outcome.values == {"return_value": 3}
        assert outcome.end.kind is None
        assert outcome.end.token == outcome.launch.token
        assert outcome.end.worker

    def test_the_start_is_known_and_before_the_end(self, bench: ExecutorBench) -> None:
        outcome = bench.run("nothing")
        assert [r.event for r in outcome.reports] in (["started", "succeeded"], ["succeeded"])
        assert outcome.end.started_at is not None
        assert outcome.end.started_at <= outcome.end.at
        assert {r.at for r in outcome.reports[:-1]} <= {outcome.end.started_at}

    def test_usage_is_measured(self, bench: ExecutorBench) -> None:
        small = bench.run("nothing").end.usage
        large = bench.run("use_memory", {"mebibytes": 200}).end.usage
        assert small is not None
        assert large is not None
        assert large.cpu_seconds >= small.cpu_seconds >= 0
        assert large.peak_bytes > 200 * 2**20

    @pytest.mark.parametrize("value", [None, True, -1, 2.5, "text \u00e9\n", [1, [2]], {"a": {"b": []}}])
    def test_any_json_comes_through(self, bench: ExecutorBench, value: object) -> None:
        assert bench.run("echo", {"value": value}).values == {"return_value": value}

    @pytest.mark.parametrize("value", [float("nan"), float("-inf"), 2**70, "\ud800", _nested(300)])
    def test_what_json_has_no_common_spelling_for_reaches_the_task(self, bench: ExecutorBench, value: object) -> None:
        outcome = bench.run(
            "describe",
            {
                "value": value,
            },
        )
        assert outcome.values == {"return_value": repr(value)}

    def test_artifacts_are_published_and_read(self, bench: ExecutorBench) -> None:
        written = bench.run("write_rows", {"text": "a,b\n1,2\n"})
        rows = next(o for o in written.end.outputs if o.name == "rows")
        assert rows.kind == "artifact"
        assert rows.type == "Dataset"
        assert rows.metadata == {"length": 8}
        assert rows.uri == f"{written.launch.output_uri}/rows"
        assert rows.size == 8
        bench.artifacts.verify(rows.uri, rows.digest)
        read = bench.run("read_rows", inputs={"rows": resolved(rows)})
        assert read.values["return_value"] == {
            "text": "a,b\n1,2\n",
            "type": "Dataset",
            "name": "rows",
            "metadata": {"length": 8},
        }
        many = bench.run("read_many", inputs={"parts": resolved(rows, rows, many=True)})
        assert many.values["return_value"] == ["a,b\n1,2\n"] * 2

    def test_an_input_that_is_gone(self, bench: ExecutorBench) -> None:
        gone = ResolvedArtifact("a", "Dataset", f"{bench.artifacts.root}/samples/run-1/write/0/rows", "sha256:0")
        outcome = bench.run("read_rows", inputs={"rows": ResolvedInput("artifact", None, (gone,))})
        failed(outcome, FailureKind.RAISED, "input 'rows' cannot be read")
        assert outcome.end.started_at is None

    def test_functions_are_inputs(self, bench: ExecutorBench) -> None:
        outcome = bench.run("apply", {"number": 21}, inputs={"function": ResolvedInput("function", "sample:double")})
        assert outcome.values == {"return_value": 42}

    def test_a_large_value_is_spilled_and_read_again(self, bench: ExecutorBench) -> None:
        count = 70 * 1024
        (output,) = bench.run("return_characters", {"count": count}).end.outputs
        assert output.kind == "artifact"
        assert output.type == Value.type_name
        assert json.loads(bench.artifacts.fetch(output.uri).read_text()) == "x" * count
        read = bench.run("echo", inputs={"value": resolved(output, kind="value")})
        assert read.end.outputs[0].digest == output.digest
        (inline,) = bench.run("return_characters", {"count": INLINE_LIMIT - 2}).end.outputs
        assert inline.kind == "value"

    def test_a_value_that_is_not_json(self, bench: ExecutorBench) -> None:
        outcome = bench.run("return_date")
        failed(outcome, FailureKind.RAISED, "'return_date'", "['days'][1]", "datetime.datetime", "not JSON")

    def test_an_output_that_was_not_written(self, bench: ExecutorBench) -> None:
        outcome = bench.run("forget_output")
        failed(outcome, FailureKind.RAISED, "'forget_output'", "'second'", "second.path")
        assert outcome.end.outputs == ()
        assert not bench.artifacts.exists(f"{outcome.launch.output_uri}/first")

    def test_raising(self, bench: ExecutorBench) -> None:
        outcome = bench.run("raise_value_error", {"text": "seven\nlines"})
        failed(outcome, FailureKind.RAISED, "ValueError: seven lines (sample_tasks.py:")
        assert "seven\nlines" in outcome.end.detail
        assert "KeyError: 'inner'" in outcome.end.detail
        assert "worker/attempt.py" not in outcome.end.detail

    def test_a_module_that_does_not_import(self, bench: ExecutorBench) -> None:
        outcome = bench.run("broken_import")
        failed(outcome, FailureKind.RAISED, "ModuleNotFoundError", "(broken.py:1)")
        assert '/broken.py", line 1' in outcome.end.detail
        assert outcome.end.started_at is None

    def test_skipping(self, bench: ExecutorBench) -> None:
        end = bench.run("skip").end
        assert (end.event, end.kind, end.reason) == ("skipped", None, "there is no new data")

    def test_failing_for_good(self, bench: ExecutorBench) -> None:
        failed(bench.run("fail_without_retry"), FailureKind.NO_RETRY, "the file is not for us")

    @pytest.mark.parametrize(("code", "exit_code"), [(3, 3), (0, 0), (None, 0), ("bye", 1), (2**70 + 7, 7), (-1, 255)])
    def test_sys_exit(self, bench: ExecutorBench, code: object, exit_code: int) -> None:
        outcome = bench.run("leave", {"code": code})
        shown = "" if code is None else repr(exit_code if isinstance(code, int) else code)
        failed(outcome, FailureKind.EXITED, f"sys.exit({shown})")
        assert outcome.end.exit_code == exit_code

    def test_memory_error(self, bench: ExecutorBench) -> None:
        failed(bench.run("raise_memory_error"), FailureKind.OUT_OF_MEMORY, "out of memory")

    def test_a_time_limit(self, bench: ExecutorBench, tmp_path: Path) -> None:
        outcome = bench.run("never_return", {"marker": str(tmp_path / "running")}, timeout=0.25)
        failed(outcome, FailureKind.TIMED_OUT, "did not finish within 250 ms")
        assert "in never_return" in outcome.end.detail
        assert bench.log(outcome.launch) == ["cleaning up"]
        assert bench.run("add", {"a": 1, "b": 1}).values == {"return_value": 2}

    def test_a_time_limit_that_is_kept(self, bench: ExecutorBench) -> None:
        assert bench.run("add", {"a": 1, "b": 1}, timeout=3600).end.event == "succeeded"

    def test_what_is_printed_is_in_the_log(self, bench: ExecutorBench) -> None:
        first, silent, second = (
            bench.launch("print_one", {"text": "one"}),
            bench.launch("nothing"),
            bench.launch("print_one", {"text": "two\nthree"}),
        )
        bench.submit(first, silent, second)
        bench.outcomes(first, silent, second)
        assert [bench.log(launch) for launch in (first, silent, second)] == [["one"], [], ["two", "three"]]
        text, _ = bench.logs.read(first.attempt_id)
        stamp, rest = text[:28], text[28:]
        assert rest == "one\n"
        assert time.strptime(stamp, f"%Y-%m-%dT%H:%M:%S.{stamp[20:26]}Z ")

    def test_metrics_are_logged(self, bench: ExecutorBench) -> None:
        outcome = bench.run("score")
        (output,) = (o for o in outcome.end.outputs if o.name == "scores")
        assert output.metadata == {"accuracy": 0.75, "note": "text is no metric"}
        assert json.loads(bench.artifacts.fetch(output.uri).read_text()) == output.metadata
        assert outcome.asked == (
            ("tracking.log_batch", {"metrics": [{"key": "accuracy", "value": 0.75}]}),
            ("tracking.end_run", {"status": "FINISHED"}),
        )

    def test_all_that_was_sent_is_done_before_the_end(self, bench: ExecutorBench) -> None:
        outcome = bench.run("log_numbers", {"count": 200})
        values = [m["value"] for verb, a in outcome.asked if verb == "tracking.log_batch" for m in a["metrics"]]
        assert values == list(range(200))
        assert outcome.asked[-1] == ("tracking.end_run", {"status": "FINISHED"})

    def test_a_task_that_asks_nothing_costs_the_platform_nothing(self, bench: ExecutorBench) -> None:
        assert bench.run("nothing").asked == ()

    def test_threads_get_their_own_answers(self, bench: ExecutorBench) -> None:
        assert bench.run("log_from_threads", {"threads": 4, "count": 25}).values == {"return_value": 100}

    def test_errors_of_a_verb_keep_their_class(self, bench: ExecutorBench) -> None:
        answer = bench.run("ask_for_the_missing").values["return_value"]
        assert answer.startswith("NotFoundError: there is no thing 'missing'")
        assert "Did you mean 'mission'?" in answer

    def test_a_send_that_fails_ends_the_attempt(self, bench: ExecutorBench) -> None:
        failed(bench.run("send_what_fails"), FailureKind.RAISED, "there is no thing 'missing'")

    def test_many_at_once_end_once_each(self, bench: ExecutorBench) -> None:
        launches = [bench.launch("add", {"a": i, "b": i}) for i in range(100)]
        bench.submit(*launches)
        outcomes = bench.outcomes(*launches)
        assert [o.values["return_value"] for o in outcomes] == [2 * i for i in range(100)]

    def test_stopping_what_waits_or_is_unknown(self, bench: ExecutorBench) -> None:
        launches = [bench.launch("nothing") for _ in range(300)]
        bench.submit(*launches)
        bench.executor.stop(launches[-1].attempt_id, "not wanted any more")
        bench.executor.stop("unknown", "whatever")
        outcomes = bench.outcomes(*launches)
        failed(outcomes[-1], FailureKind.CANCELLED, "not wanted any more")
        assert {o.end.event for o in outcomes[:-1]} == {"succeeded"}

    def test_closing_reports_what_waited(self, bench: ExecutorBench) -> None:
        launches = [bench.launch("process_id") for _ in range(300)]
        bench.submit(*launches)
        bench.executor.close()
        ends = {o.end.event: o for o in bench.outcomes(*launches)}
        assert set(ends) <= {"succeeded", "failed"}
        assert ends["failed"].end.kind in (FailureKind.NOT_STARTED, FailureKind.LOST)
        bench.executor.close()  # twice does no harm


class IsolationConformance:
    """For executors whose attempts run in processes of their own."""

    def test_os_exit(self, bench: ExecutorBench) -> None:
        outcome = bench.run("vanish", {"code": 3})
        failed(outcome, FailureKind.EXITED, "exited with code 3")
        assert outcome.end.exit_code == 3
        assert outcome.end.started_at is not None
        assert bench.log(outcome.launch) == ["about to go", "without a newline"]
        assert bench.run("add", {"a": 1, "b": 1}).end.event == "succeeded"

    @pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGKILL, signal.SIGABRT, signal.SIGTERM])
    def test_a_signal(self, bench: ExecutorBench, number: signal.Signals) -> None:
        outcome = bench.run("kill_itself", {"number": int(number)})
        failed(outcome, FailureKind.SIGNALLED, number.name)
        assert bench.run("add", {"a": 1, "b": 1}).end.event == "succeeded"

    def test_stopping(self, bench: ExecutorBench, tmp_path: Path) -> None:
        marker = tmp_path / "running"
        launch = bench.launch("never_return", {"marker": str(marker)})
        bench.submit(launch)
        wait_for(str(marker))
        bench.executor.stop(launch.attempt_id, "a person asked")
        (outcome,) = bench.outcomes(launch)
        failed(outcome, FailureKind.CANCELLED, "a person asked")
        assert bench.log(launch) == ["cleaning up"]
        until_gone(int(marker.read_text()))

    def test_what_refuses_to_stop_is_killed_with_its_children(self, bench: ExecutorBench, tmp_path: Path) -> None:
        marker = tmp_path / "running"
        outcome = bench.run("refuse_to_stop", {"marker": str(marker)}, timeout=0.3)
        failed(outcome, FailureKind.TIMED_OUT, "did not finish within 300 ms")
        for pid in marker.read_text().split():
            until_gone(int(pid))

    def test_only_the_stopped_attempt_is_hit(self, bench: ExecutorBench, tmp_path: Path) -> None:
        for _ in range(20):  # short ones, so that launches wait inside workers
            bench.run("nothing")
        marker, go = tmp_path / "running", tmp_path / "go"
        held = bench.launch("hold", {"marker": str(marker), "until": str(go)})
        others = [bench.launch("add", {"a": i, "b": 0}) for i in range(50)]
        bench.submit(held, *others)
        wait_for(str(marker))
        bench.executor.stop(held.attempt_id, "enough")
        failed(bench.outcomes(held)[0], FailureKind.CANCELLED, "enough")
        outcomes = bench.outcomes(*others)
        assert [o.values.get("return_value") for o in outcomes] == list(range(50))

    def test_a_long_attempt_holds_nobody_up(self, bench: ExecutorBench, tmp_path: Path) -> None:
        for _ in range(20):
            bench.run("nothing")
        marker, go = tmp_path / "running", tmp_path / "go"
        held = bench.launch("hold", {"marker": str(marker), "until": str(go)})
        others = [bench.launch("nothing") for _ in range(50)]
        bench.submit(held, *others)
        assert {o.end.event for o in bench.outcomes(*others)} == {"succeeded"}
        go.write_text("go")
        assert bench.outcomes(held)[0].end.event == "succeeded"

    def test_lines_stream_while_the_attempt_runs(self, bench: ExecutorBench, tmp_path: Path) -> None:
        go = tmp_path / "go"
        launch = bench.launch("print_lines", {"count": 2000, "marker": str(go)})
        bench.submit(launch)
        deadline = time.monotonic() + PATIENCE
        while bench.log(launch) != ["line 0"]:
            assert time.monotonic() < deadline
            time.sleep(0.005)
        go.write_text("go")
        bench.outcomes(launch)
        assert bench.log(launch) == [
            *(f"line {i}" for i in range(2000)),
            "from the descriptor",
            "from a subprocess",
            "from its stderr",
            "progress 100%",
            "to stderr",
            "no newline",
        ]

    def test_no_line_goes_to_another_attempt(self, bench: ExecutorBench) -> None:
        launches = [bench.launch("print_one", {"text": f"text {i}"}) for i in range(200)]
        bench.submit(*launches)
        for i, outcome in enumerate(bench.outcomes(*launches)):
            assert bench.log(outcome.launch) == [f"text {i}"]

    def test_processes_left_behind_are_ended(self, bench: ExecutorBench, tmp_path: Path) -> None:
        marker = tmp_path / "grandchild"
        outcome = bench.run("leave_processes", {"marker": str(marker)})
        assert outcome.end.event == "succeeded"
        until_gone(outcome.values["return_value"])
        until_gone(int(marker.read_text()))

    def test_an_attempt_leaves_its_surroundings_as_they_were(self, bench: ExecutorBench, tmp_path: Path) -> None:
        before = bench.run("look_around")
        bench.run("change_surroundings", {"folder": str(tmp_path)})
        launches = [bench.launch("look_around") for _ in range(4)]
        bench.submit(*launches)
        for outcome in bench.outcomes(*launches):
            assert outcome.values == before.values
            assert bench.log(outcome.launch) == ["still here"]

    def test_attempts_run_outside_this_process(self, bench: ExecutorBench) -> None:
        assert bench.run("process_id").values["return_value"] != os.getpid()

    def test_closing_ends_every_process(self, bench: ExecutorBench, tmp_path: Path) -> None:
        marker = tmp_path / "running"
        launch = bench.launch("refuse_to_stop", {"marker": str(marker)})
        bench.submit(launch)
        wait_for(str(marker))
        bench.executor.close()
        failed(bench.outcomes(launch)[0], FailureKind.LOST, "closed")
        for pid in marker.read_text().split():
            until_gone(int(pid))
