"""What is particular to running in the caller's own thread."""

from __future__ import annotations

import signal
import sys
import threading
import time
from functools import partial
from pathlib import Path

import pytest

from millrace.core.attempts import FailureKind
from millrace.executors.in_process import InProcessExecutor
from millrace.storage.clock import SystemClock
from millrace.testing.executor_bench import ExecutorBench
from millrace.testing.executor_conformance import failed
from millrace.testing.sample_tasks import SampleLoader, wait_for
from millrace.worker.attempt import run_attempt


def test_one_pump_is_one_attempt_and_one_call(in_process_bench: ExecutorBench) -> None:
    bench = in_process_bench
    bench.submit(bench.launch("nothing"), bench.launch("nothing"))
    assert bench.batches == []
    assert bench.executor.pump()
    assert [[r.event for r in batch] for batch in bench.batches] == [["started", "succeeded"]]
    assert bench.executor.pump()
    assert not bench.executor.pump()


def test_what_is_printed_is_in_the_terminal_too(
    in_process_bench: ExecutorBench, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sys.stdout, sys.stderr
    outcome = in_process_bench.run("print_one", {"text": "one\ntwo"})
    assert capsys.readouterr().out == "one\ntwo\n"
    assert in_process_bench.log(outcome.launch) == ["one", "two"]
    assert (sys.stdout, sys.stderr) == before


def test_without_a_log_store_the_streams_are_left_alone(stores: ExecutorBench) -> None:
    clock = SystemClock()
    run = partial(run_attempt, loader=SampleLoader(), artifacts=stores.artifacts, clock=clock)
    stores.attach(InProcessExecutor(run, services_for=stores.services_for, clock=clock))
    outcome = stores.run("print_one", {"text": "one"})
    assert stores.log(outcome.launch) == []


def test_ctrl_c_cancels_and_goes_on(in_process_bench: ExecutorBench, tmp_path: Path) -> None:
    bench, marker = in_process_bench, tmp_path / "running"
    launch = bench.launch("never_return", {"marker": str(marker)})
    bench.submit(launch, bench.launch("nothing"))

    def interrupt() -> None:
        wait_for(str(marker))
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        bench.executor.pump()
    thread.join()
    (outcome,) = bench.outcomes(launch)
    failed(outcome, FailureKind.CANCELLED, "interrupted")
    assert bench.log(launch) == ["cleaning up"]
    assert bench.executor.pump()


def test_the_alarm_handler_is_put_back(in_process_bench: ExecutorBench, tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGALRM)
    in_process_bench.run("never_return", {"marker": str(tmp_path / "running")}, timeout=0.05)
    in_process_bench.run("nothing", timeout=3600)
    assert signal.getsignal(signal.SIGALRM) == before
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def in_a_thread(bench: ExecutorBench) -> threading.Thread:
    thread = threading.Thread(target=bench.executor.pump)
    thread.start()
    return thread


def test_a_time_limit_in_another_thread(in_process_bench: ExecutorBench) -> None:
    bench = in_process_bench
    launch = bench.launch("count_for_ever", timeout=0.1)
    bench.submit(launch)
    in_a_thread(bench).join()
    failed(bench.outcomes(launch)[0], FailureKind.TIMED_OUT, "did not finish within 100 ms")


def test_stopping_from_another_thread(in_process_bench: ExecutorBench, tmp_path: Path) -> None:
    bench, marker = in_process_bench, tmp_path / "running"
    launch = bench.launch("count_for_ever", {"marker": str(marker)})
    bench.submit(launch)
    thread = in_a_thread(bench)
    wait_for(str(marker))
    bench.executor.stop(launch.attempt_id, "enough")
    thread.join()
    failed(bench.outcomes(launch)[0], FailureKind.CANCELLED, "enough")


def test_a_stopped_launch_is_not_pumped(stores: ExecutorBench) -> None:
    clock = SystemClock()
    run = partial(run_attempt, loader=SampleLoader(), artifacts=stores.artifacts, clock=clock)
    stores.attach(InProcessExecutor(run, services_for=stores.services_for, clock=clock))
    first, second = stores.launch("nothing"), stores.launch("nothing")
    stores.submit(first, second)
    stores.executor.pump()
    stores.executor.stop(second.attempt_id, "enough")
    assert not stores.executor.pump()
    failed(stores.outcomes(second)[0], FailureKind.CANCELLED, "enough")


def test_a_no_op_is_cheap(in_process_bench: ExecutorBench) -> None:
    """No measure of speed: it must not touch the disk, which the folders show."""
    start = time.time()
    launches = [in_process_bench.launch("nothing") for _ in range(100)]
    in_process_bench.submit(*launches)
    in_process_bench.outcomes(*launches)
    root = Path(in_process_bench.artifacts.root)
    assert not root.exists() or root.stat().st_mtime < start
    assert not list(root.parent.glob("logs/*"))
