"""Sweeps the artifact store: removes what attempts published that ended without their outputs being taken.

A worker publishes before it reports. When it is killed in between, or its report is fenced off, its folder stays and no
artifact names it.

Invariant: a folder goes only when this database knows its attempt as ended for a while, none of its live artifacts and
no model version lies in it. A folder of an attempt that this database does not know may be another installation's.
"""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from millrace.core.states import AttemptState
from millrace.interfaces import ArtifactIndex, ArtifactStore, Clock, ExecutionStore, RegistryStore

SETTLED = 3_600_000_000
"""Microseconds after its end in which an attempt's folder is left alone: a lost one may still be writing."""
_PAGE = 1_000


@attrs.frozen
class Sweeper:
    execution: ExecutionStore
    index: ArtifactIndex
    registry: RegistryStore
    artifacts: ArtifactStore
    clock: Clock

    def sweep(self, *, remove: bool) -> list[str]:
        """URIs of the folders that nothing names; with ``remove`` they are deleted."""
        registered = self._registered()
        found = []
        for uri in self.artifacts.uris():
            if self._abandoned(uri) and not any(_lies_in(source, uri) for source in registered):
                found.append(uri)
                if remove:
                    self.artifacts.delete(uri)
        return found

    def _abandoned(self, uri: str) -> bool:
        _, run_id, task_id, token = uri.rsplit("/", 3)
        attempts = self.execution.attempts(run_id, task_id)
        attempt = next((a for a in attempts if str(a.token) == token), None)
        if attempt is None or not attempt.state.ended or attempt.state is AttemptState.SUCCEEDED:
            return False
        if attempt.ended_at is None or attempt.ended_at > self.clock.now() - SETTLED:
            return False
        return not any(_lies_in(live, uri) for live in self._live(run_id, task_id))

    def _live(self, run_id: str, task_id: str) -> Iterator[str]:
        cursor: str | None = None
        while True:
            page, cursor = self.index.artifacts(run_id=run_id, task_id=task_id, limit=_PAGE, cursor=cursor)
            yield from (artifact.uri for artifact in page)
            if cursor is None:
                return

    def _registered(self) -> list[str]:
        """Where the versions of all registered models lie."""
        models = self.registry.registered_models()
        return [version.source for model in models for version in self.registry.model_versions(model.name)]


def _lies_in(uri: str, folder: str) -> bool:
    return uri == folder or uri.startswith(folder + "/")
