"""Registers what a pipeline file defines: graph, code snapshot and fingerprints become a version of the pipeline."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import attrs

from millrace.core.attempts import CodeLocation
from millrace.core.errors import MillraceError
from millrace.core.graph import Graph
from millrace.core.records import ImportFailure, PipelineVersion
from millrace.core.types import Json
from millrace.interfaces import ArtifactStore, Clock, ExecutionStore, Notifier, PipelineStore
from millrace.scheduler.due_runs import first_due_at

SNAPSHOTS = ".snapshots"
"""The folder of code snapshots in the artifact store; a snapshot is named by its digest."""


@attrs.frozen
class Registrar:
    """Writes pipelines and versions to the store, and wakes the scheduler when something changed."""

    pipelines: PipelineStore
    execution: ExecutionStore
    artifacts: ArtifactStore
    notifier: Notifier
    clock: Clock

    def now(self) -> int:
        return self.clock.now()

    def register(self, file: str, descriptions: Sequence[Mapping[str, Json]], root: str) -> ImportFailure | None:
        """Register the pipelines that ``file`` in the pipelines folder ``root`` defines, and forget those that it no
        longer defines.

        A pipeline whose name another file of the folder has is refused: the failure says which.
        """
        taken = {p.name: p.source for p in self.pipelines.pipelines()}
        names = []
        failure = None
        for description in descriptions:
            name = description["graph"]["name"]
            owner = taken.get(name, file)
            if owner != file and Path(owner).is_relative_to(root) and Path(owner).exists():
                failure = ImportFailure(
                    file, f"{file}: pipeline {name!r} is already defined in {owner}; rename one", "", self.now()
                )
                continue
            names.append(name)
            self.register_one(file, description)
        self.pipelines.remove_missing(file, names, self.now())
        if failure is None:
            self.pipelines.set_import_failure(file, None)
        self.notifier.notify()
        return failure

    def register_one(self, file: str, description: Mapping[str, Json]) -> PipelineVersion:
        """Make this the pipeline's latest version, and set when it is due next."""
        version = self.version_of(description)
        last = self.execution.last_scheduled(version.graph.name)
        now = self.now()
        self.pipelines.register(version, source=file, next_due_at=first_due_at(version.graph, last, now), now=now)
        return version

    def register_for_run(self, file: str, description: Mapping[str, Json]) -> PipelineVersion:
        """For a run by hand: nothing gets scheduled by it, and a pipeline of that name from another file stays."""
        version = self.version_of(description)
        known = {p.name: p for p in self.pipelines.pipelines()}.get(version.graph.name)
        if known is not None and known.source != file and Path(known.source).exists():
            self.pipelines.add_version(version)
            return version
        now = self.now()
        due = None
        if known is not None and known.next_due_at is not None:
            due = first_due_at(version.graph, self.execution.last_scheduled(known.name), now)
        self.pipelines.register(version, source=file, next_due_at=due, now=now)
        return version

    def version_of(self, description: Mapping[str, Json], *, publish: bool = True) -> PipelineVersion:
        """The version that a description stands for; its snapshot is published, nothing else is written. Without
        ``publish`` nothing at all: such a version is for looking at, not for running."""
        graph = Graph.from_json(description["graph"])
        snapshot = description.get("snapshot")
        return PipelineVersion(
            version=description["version"],
            graph=graph,
            code=CodeLocation(
                root=description["root"],
                file=description["file"],
                pipeline=graph.name,
                version=description["version"],
                snapshot=self._publish(snapshot) if publish and snapshot is not None else None,
            ),
            code_fingerprints=description["code_fingerprints"],
            environment=description["environment"],
            created_at=self.now(),
        )

    def failed(self, failure: ImportFailure) -> None:
        self.pipelines.set_import_failure(failure.file, failure)

    def forget(self, file: str) -> None:
        """The file is gone: so are its pipelines (their runs stay) and its failure."""
        self.pipelines.remove_missing(file, [], self.now())
        self.pipelines.set_import_failure(file, None)

    def known_files(self, root: str) -> set[str]:
        """Files below ``root`` that pipelines or failures are known of."""
        files: Iterable[str] = [
            *(p.source for p in self.pipelines.pipelines()),
            *(f.file for f in self.pipelines.import_failures()),
        ]
        return {f for f in files if Path(f).is_relative_to(root)}

    def _publish(self, snapshot: Json) -> str:
        text = json.dumps(snapshot, sort_keys=True, separators=(",", ":")).encode()
        uri = f"{self.artifacts.root}/{SNAPSHOTS}/{hashlib.sha256(text).hexdigest()}.json"
        if self.artifacts.exists(uri) and self.artifacts.fetch(uri).read_bytes() != text:
            self.artifacts.delete(uri)  # it was damaged
        if not self.artifacts.exists(uri):
            with tempfile.TemporaryDirectory(prefix="millrace-") as folder:
                local = Path(folder, "snapshot.json")
                local.write_bytes(text)
                try:
                    self.artifacts.publish(local, uri)
                except MillraceError:
                    if not self.artifacts.exists(uri):  # another process published the same bytes
                        raise
        return uri
