"""The SQL stores keep every promise of their interfaces, on SQLite and on PostgreSQL."""

from __future__ import annotations

from millrace.testing.execution_conformance import ExecutionStoreConformance
from millrace.testing.outputs_conformance import OutputsConformance


class TestExecution(ExecutionStoreConformance):
    pass


class TestOutputs(OutputsConformance):
    pass
