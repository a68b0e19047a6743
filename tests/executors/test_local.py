"""What is particular to the local executor: starting, limits, warm processes, versions."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import psutil
import pytest

from millrace.core.attempts import FailureKind
from millrace.core.errors import ServiceError
from millrace.executors.local import LocalExecutor
from millrace.testing.executor_bench import ExecutorBench
from millrace.testing.executor_conformance import failed, until_gone
from millrace.testing.sample_tasks import wait_for
from tests.executors.conftest import MakeBench


def pid_of(bench: ExecutorBench, version: str = "v1") -> int:
    pid = bench.run("process_id", version=version).values["return_value"]
    assert isinstance(pid, int)
    return pid


def test_a_command_that_is_not_there(local_bench: MakeBench) -> None:
    outcome = local_bench(command=["/nowhere/python", "-m", "anything"]).run("nothing")
    failed(outcome, FailureKind.NOT_STARTED, "did not start", "/nowhere/python", "No such file")


def test_a_failed_start_without_a_launch_is_said_in_the_log(
    local_bench: MakeBench, caplog: pytest.LogCaptureFixture
) -> None:
    bench = local_bench(command=["/nowhere/python"], prestart=1)
    bench.executor.close()
    assert "cannot run /nowhere/python" in caplog.text


def test_every_launch_is_refused_where_nothing_can_start(local_bench: MakeBench) -> None:
    bench = local_bench(command=["/nowhere/python"], prestart=0)
    launches = [bench.launch("nothing") for _ in range(5)]
    bench.submit(*launches)
    assert {o.end.kind for o in bench.outcomes(*launches)} == {FailureKind.NOT_STARTED}


def test_a_log_that_cannot_be_written_fails_no_attempt(
    local_bench: MakeBench, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "logs").write_text("a file where the folder should be")
    bench = local_bench()
    assert bench.run("print_lines", {"count": 3}).end.event == "succeeded"
    assert bench.run("add", {"a": 1, "b": 1}).end.event == "succeeded"
    assert "is incomplete: cannot write the log" in caplog.text


def test_a_worker_that_fails_to_start(local_bench: MakeBench) -> None:
    bench = local_bench(command=[sys.executable, "-c", "import not_a_module"])
    outcome = bench.run("nothing")
    failed(outcome, FailureKind.NOT_STARTED, "exited with code 1", "No module named 'not_a_module'")
    assert outcome.end.detail.startswith("Traceback")
    assert outcome.end.started_at is None


def test_failing_starts_back_off(local_bench: MakeBench) -> None:
    bench = local_bench(command=[sys.executable, "-c", "raise SystemExit(4)"], prestart=0, parallelism=1)
    launches = [bench.launch("nothing") for _ in range(4)]
    bench.submit(*launches)
    ends = [o.end.at for o in bench.outcomes(*launches)]
    assert ends[3] - ends[2] >= 900_000


def test_a_worker_that_does_not_get_ready(local_bench: MakeBench) -> None:
    bench = local_bench(command=[sys.executable, "-c", "import time; time.sleep(3600)"], start_timeout=0.3)
    failed(bench.run("nothing"), FailureKind.NOT_STARTED, "was not ready within 300 ms")


def test_code_that_does_not_finish_loading(local_bench: MakeBench) -> None:
    outcome = local_bench(load_timeout=0.3).run("hangs_in_import")
    failed(outcome, FailureKind.TIMED_OUT, "its code was not loaded within 300 ms")
    assert outcome.end.started_at is None


def test_a_memory_limit(local_bench: MakeBench) -> None:
    bench = local_bench(memory_limit=150 * 2**20)
    failed(bench.run("allocate", {"mebibytes": 400}), FailureKind.OUT_OF_MEMORY, "limit of 150 MiB")
    assert bench.run("use_memory", {"mebibytes": 10}).end.event == "succeeded"


def test_peak_memory_is_that_of_the_attempt(local_bench: MakeBench) -> None:
    bench = local_bench(parallelism=1)
    large = bench.run("use_memory", {"mebibytes": 200}).end.usage
    small = bench.run("nothing").end.usage
    assert large is not None
    assert small is not None
    assert small.peak_bytes < 150 * 2**20 < large.peak_bytes


def test_processes_stay_warm_and_are_recycled(local_bench: MakeBench) -> None:
    bench = local_bench(parallelism=1, recycle_after=3)
    pids = [pid_of(bench) for _ in range(7)]
    assert len(set(pids[:3])) == len(set(pids[3:6])) == 1
    assert len(set(pids)) == 3


def test_versions_do_not_share_a_process(local_bench: MakeBench) -> None:
    bench = local_bench(parallelism=2)
    versions = ["v1", "v2", "v3", "v1", "v3", "v3", "v2"]
    launches = [bench.launch("process_id", version=version) for version in versions * 3]
    bench.submit(*launches)
    seen: dict[int, str] = {}
    for outcome in bench.outcomes(*launches):
        version = outcome.launch.code.version
        assert seen.setdefault(outcome.values["return_value"], version) == version


def test_the_same_process_serves_its_version_again(local_bench: MakeBench) -> None:
    bench = local_bench(parallelism=2)
    first, other = pid_of(bench, "v1"), pid_of(bench, "v2")
    assert first != other
    assert pid_of(bench, "v1") == first
    assert pid_of(bench, "v2") == other


def test_a_process_with_left_over_children_is_not_used_again(local_bench: MakeBench, tmp_path: Path) -> None:
    bench = local_bench(parallelism=1)
    before = pid_of(bench)
    bench.run("leave_processes", {"marker": str(tmp_path / "grandchild")})
    assert pid_of(bench) != before
    until_gone(before)


def test_a_worker_loads_only_what_is_light(local_bench: MakeBench) -> None:
    loaded = set(local_bench().run("loaded_modules").values["return_value"])
    assert "millrace" in loaded
    assert not loaded & {"fastapi", "numpy", "pandas", "polars", "psutil", "pyarrow", "pydantic", "sqlalchemy"}


def test_a_launch_larger_than_the_pipe(local_bench: MakeBench, tmp_path: Path) -> None:
    bench = local_bench(parallelism=1)
    large = ["x" * 1000] * 5000
    outcome = bench.run("echo", {"value": large})
    assert outcome.end.outputs[0].size > 5_000_000


def test_slots_count_what_was_submitted(local_bench: MakeBench, tmp_path: Path) -> None:
    bench = local_bench(parallelism=2)
    assert bench.executor.slots() == 2
    launches = [
        bench.launch("hold", {"marker": str(tmp_path / f"running-{i}"), "until": str(tmp_path / "go")}) for i in (0, 1)
    ]
    bench.submit(*launches)
    assert bench.executor.slots() == 0
    (tmp_path / "go").write_text("go")
    bench.outcomes(*launches)
    assert bench.executor.slots() >= 2
    for _ in range(30):
        bench.run("nothing")
    assert bench.executor.slots() > 2  # short attempts may wait inside workers


def test_an_idle_executor_has_no_timer(local_bench: MakeBench) -> None:
    bench = local_bench()
    bench.run("nothing")
    executor = bench.executor
    assert isinstance(executor, LocalExecutor)
    assert executor._loop is not None
    deadline = time.monotonic() + 60
    while executor._loop._seconds_to_next_timer() is not None:  # the second process gets ready
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_an_idle_worker_that_dies_is_replaced(local_bench: MakeBench) -> None:
    bench = local_bench(parallelism=1, prestart=1)
    pid = pid_of(bench)
    psutil.Process(pid).kill()
    until_gone(pid)
    assert pid_of(bench) != pid


def test_stopping_a_launch_that_waits_inside_a_worker(local_bench: MakeBench, tmp_path: Path) -> None:
    bench = local_bench(parallelism=1)
    for _ in range(30):
        bench.run("nothing")
    marker, go = tmp_path / "running", tmp_path / "go"
    held = bench.launch("hold", {"marker": str(marker), "until": str(go)})
    waiting = [bench.launch("add", {"a": i, "b": 0}) for i in range(6)]
    bench.submit(held, *waiting)
    for launch in waiting[::2]:
        bench.executor.stop(launch.attempt_id, "not this one")
    wait_for(str(marker))
    for outcome in bench.outcomes(*waiting[::2]):
        failed(outcome, FailureKind.CANCELLED, "not this one")
    go.write_text("go")
    assert [o.values["return_value"] for o in bench.outcomes(*waiting[1::2])] == [1, 3, 5]
    assert bench.outcomes(held)[0].end.event == "succeeded"


def test_killing_an_attempt_again_and_again_loses_nothing(local_bench: MakeBench, tmp_path: Path) -> None:
    bench = local_bench(parallelism=2)
    for _ in range(20):
        bench.run("nothing")
    others = []
    for i in range(8):
        marker = tmp_path / f"running-{i}"
        held = bench.launch("hold", {"marker": str(marker), "until": str(tmp_path / "never")})
        more = [bench.launch("add", {"a": n, "b": i}) for n in range(20)]
        bench.submit(*more[:10], held, *more[10:])
        wait_for(str(marker))
        bench.executor.stop(held.attempt_id, "enough")
        failed(bench.outcomes(held)[0], FailureKind.CANCELLED, "enough")
        others += more
    assert {o.end.event for o in bench.outcomes(*others)} == {"succeeded"}


def test_after_closing_it_refuses(local_bench: MakeBench) -> None:
    bench = local_bench()
    bench.executor.close()
    assert bench.executor.slots() == 0
    with pytest.raises(ServiceError, match="not running"):
        bench.submit(bench.launch("nothing"))
