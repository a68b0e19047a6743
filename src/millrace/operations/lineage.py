"""Lineage: which attempt read and wrote which artifact, walked both ways."""

from __future__ import annotations

from millrace.core.records import Attempt
from millrace.core.types import Json
from millrace.interfaces import ArtifactIndex, ExecutionStore
from millrace.operations.documents import artifact_document

MOST_NODES = 2_000


class LineageWalk:
    """A breadth-first walk from one artifact, ``depth`` attempts far in both directions."""

    def __init__(self, index: ArtifactIndex, execution: ExecutionStore) -> None:
        self._index = index
        self._execution = execution
        self._nodes: dict[str, Json] = {}
        self._edges: dict[tuple[str, str, str], Json] = {}

    def walk(self, artifact_id: str, depth: int) -> Json:
        """``{"nodes": [...], "edges": [...]}``; an edge points the way data went."""
        frontier = {self._artifact(artifact_id)}
        for _ in range(depth):
            attempts: set[str] = set()
            for artifact in frontier:
                attempts |= self._around_artifact(artifact)
            fresh: set[str] = set()
            for attempt in attempts:
                fresh |= self._around_attempt(attempt)
            frontier = fresh
            if not frontier or len(self._nodes) >= MOST_NODES:
                break
        return {"nodes": list(self._nodes.values()), "edges": list(self._edges.values())}

    def _around_artifact(self, artifact_id: str) -> set[str]:
        found: set[str] = set()
        record = self._index.artifact(artifact_id)
        if record.producer is not None:
            self._attempt(record.producer)
            self._edge(record.producer, artifact_id, record.output)
            found.add(record.producer)
        for use in self._index.uses_of(artifact_id):
            self._attempt(use.attempt_id)
            self._edge(artifact_id, use.attempt_id, use.name)
            found.add(use.attempt_id)
        return found

    def _around_attempt(self, attempt_id: str) -> set[str]:
        found: set[str] = set()
        attempt = self._execution.attempt(attempt_id)
        for use in self._index.used_by(attempt_id):
            if use.artifact_id not in self._nodes:
                found.add(self._artifact(use.artifact_id))
            self._edge(use.artifact_id, attempt_id, use.name)
        for record in self._written(attempt):
            if record not in self._nodes:
                found.add(self._artifact(record))
            self._edge(attempt_id, record, self._nodes[record]["output"])
        return found

    def _written(self, attempt: Attempt) -> list[str]:
        outputs = self._execution.outputs([attempt.task_run_id]).get(attempt.task_run_id)
        if outputs is None:
            return []
        return [a.artifact_id for a in outputs.artifacts.values() if a.producer == attempt.attempt_id]

    def _artifact(self, artifact_id: str) -> str:
        record = self._index.artifact(artifact_id)
        self._nodes[artifact_id] = {"kind": "artifact", "id": artifact_id, **artifact_document(record)}
        return artifact_id

    def _attempt(self, attempt_id: str) -> None:
        if attempt_id in self._nodes:
            return
        attempt = self._execution.attempt(attempt_id)
        self._nodes[attempt_id] = {
            "kind": "attempt",
            "id": attempt_id,
            "run_id": attempt.run_id,
            "task_id": attempt.task_id,
            "number": attempt.number,
            "state": attempt.state.value,
        }

    def _edge(self, source: str, target: str, name: str) -> None:
        self._edges[source, target, name] = {"from": source, "to": target, "name": name}
