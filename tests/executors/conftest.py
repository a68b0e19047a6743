"""Benches over the executors of the product, with real stores and real processes."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest

from millrace.executors.in_process import InProcessExecutor
from millrace.executors.local import LocalExecutor
from millrace.storage.artifacts import LocalArtifactStore
from millrace.storage.clock import SystemClock
from millrace.storage.logs import FileLogStore
from millrace.testing.executor_bench import ExecutorBench
from millrace.testing.sample_tasks import SampleLoader
from millrace.worker.attempt import run_attempt

WORKER_ENTRY = Path(__file__).parent / "worker_entry.py"
MakeBench = Callable[..., ExecutorBench]


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[ExecutorBench]:
    """A bench without an executor."""
    logs = FileLogStore(tmp_path / "logs")
    yield ExecutorBench(LocalArtifactStore(tmp_path / "artifacts"), logs)
    logs.close()
    assert list((tmp_path / "artifacts" / ".staging").glob("*/*")) == []


@pytest.fixture
def in_process_bench(stores: ExecutorBench) -> Iterator[ExecutorBench]:
    clock = SystemClock()
    run = partial(run_attempt, loader=SampleLoader(), artifacts=stores.artifacts, clock=clock)
    stores.attach(InProcessExecutor(run, services_for=stores.services_for, clock=clock, logs=stores.logs))
    yield stores
    stores.executor.close()


@pytest.fixture
def local_bench(stores: ExecutorBench) -> Iterator[MakeBench]:
    """Makes a bench over a :class:`LocalExecutor`; no process may be left after the test."""

    def make(**settings: Any) -> ExecutorBench:
        given: dict[str, Any] = {"parallelism": 2, "prestart": 2, "grace": 0.3, **settings}
        command = given.pop("command", [sys.executable, str(WORKER_ENTRY), stores.artifacts.root])
        stores.attach(
            LocalExecutor(command, logs=stores.logs, services_for=stores.services_for, clock=SystemClock(), **given)
        )
        return stores

    before = {p.pid for p in psutil.Process().children()}
    yield make
    stores.executor.close()
    assert {p.pid for p in psutil.Process().children()} <= before
