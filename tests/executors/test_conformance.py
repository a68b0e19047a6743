"""The executors of the product keep to the conformance suites."""

from __future__ import annotations

import pytest

from millrace.testing.executor_bench import ExecutorBench
from millrace.testing.executor_conformance import ExecutorConformance, IsolationConformance
from tests.executors.conftest import MakeBench


class TestInProcess(ExecutorConformance):
    @pytest.fixture
    def bench(self, in_process_bench: ExecutorBench) -> ExecutorBench:
        return in_process_bench


class TestLocal(ExecutorConformance, IsolationConformance):
    @pytest.fixture
    def bench(self, local_bench: MakeBench) -> ExecutorBench:
        return local_bench()
