"""What every :class:`~millrace.interfaces.PipelineStore` and :class:`~millrace.interfaces.ArtifactIndex` keeps to.

Subclass them and give the fixtures ``pipelines``, or ``execution`` and ``index``, over one fresh, empty place.
"""

from __future__ import annotations

import attrs
import pytest

from millrace.core.errors import NotFoundError
from millrace.core.records import ArtifactUse, ImportFailure
from millrace.core.states import RunState
from millrace.interfaces import ArtifactIndex, ExecutionStore, PipelineStore
from millrace.testing.fakes import SequentialIds
from millrace.testing.storage_samples import NOW, Samples, sample_version

_SUCCESS = RunState.SUCCESS


class PipelineStoreConformance:
    """See the module."""

    def register(
        self, store: PipelineStore, name: str = "main", *, source: str = "main.py", due: int | None = None
    ) -> None:
        store.register(sample_version(name), source=source, next_due_at=due, now=NOW)

    def test_a_version_is_read_back_equal(self, pipelines: PipelineStore) -> None:
        version = sample_version()
        made = pipelines.register(version, source="main.py", next_due_at=NOW + 5, now=NOW)
        assert pipelines.version(version.version) == version
        assert pipelines.pipeline("main") == made
        assert (made.name, made.version, made.paused, made.tags, made.next_due_at) == (
            "main",
            version.version,
            False,
            ("sample",),
            NOW + 5,
        )
        assert pipelines.pipelines() == [made]

    def test_registering_again_changes_only_what_differs(self, pipelines: PipelineStore) -> None:
        first = pipelines.register(sample_version(), source="main.py", next_due_at=None, now=NOW)
        assert pipelines.register(sample_version(), source="main.py", next_due_at=None, now=NOW + 1) == first
        pipelines.set_paused("main", paused=True, now=NOW + 2)
        wider = sample_version(tasks=("a", "b", "c"))
        second = pipelines.register(wider, source="moved.py", next_due_at=None, now=NOW + 3)
        assert (second.version, second.source, second.paused) == (wider.version, "moved.py", True)
        assert (second.created_at, second.updated_at) == (NOW, NOW + 3)
        assert pipelines.pipeline("main") == second
        assert pipelines.version(first.version) == sample_version(), "old versions stay: their runs need them"

    def test_a_known_version_is_not_written_again(self, pipelines: PipelineStore) -> None:
        pipelines.register(sample_version(version="v"), source="main.py", next_due_at=None, now=NOW)
        changed = attrs.evolve(sample_version(version="v"), created_at=NOW + 9, environment={})
        pipelines.register(changed, source="main.py", next_due_at=None, now=NOW + 9)
        assert pipelines.version("v") == sample_version(version="v")

    def test_a_missed_due_time_survives_registering_again(self, pipelines: PipelineStore) -> None:
        version = sample_version()
        pipelines.register(version, source="main.py", next_due_at=NOW, now=NOW)
        again = sample_version(tasks=("a",))
        assert pipelines.register(again, source="main.py", next_due_at=NOW + 60, now=NOW + 50).next_due_at == NOW
        scheduled = attrs.evolve(again, version="v3", graph=attrs.evolve(again.graph, schedule={"cron": "@daily"}))
        registered = pipelines.register(scheduled, source="main.py", next_due_at=NOW + 90, now=NOW + 60)
        assert (registered.next_due_at, registered.schedule) == (NOW + 90, {"cron": "@daily"})
        assert pipelines.pipeline("main") == registered

    def test_unknown_names_say_what_is_near(self, pipelines: PipelineStore) -> None:
        self.register(pipelines, "training")
        with pytest.raises(NotFoundError, match="'training'"):
            pipelines.pipeline("trainng")
        with pytest.raises(NotFoundError):
            pipelines.version("none")
        with pytest.raises(NotFoundError):
            pipelines.set_paused("trainng", paused=True, now=NOW)
        with pytest.raises(NotFoundError):
            pipelines.set_next_due("trainng", NOW)

    def test_what_is_due(self, pipelines: PipelineStore) -> None:
        for name, due in (("late", NOW), ("early", NOW - 5), ("future", NOW + 1), ("never", None)):
            self.register(pipelines, name, due=due)
        assert [p.name for p in pipelines.due(NOW)] == ["early", "late"]
        assert pipelines.next_due() == NOW - 5
        assert pipelines.set_paused("early", paused=True, now=NOW).paused
        assert [p.name for p in pipelines.due(NOW)] == ["late"]
        pipelines.set_next_due("late", NOW + 3)
        assert pipelines.due(NOW) == []
        assert pipelines.next_due() == NOW + 1
        pipelines.set_next_due("future", None)
        pipelines.set_next_due("late", None)
        assert pipelines.next_due() is None

    def test_a_file_that_lost_a_pipeline(self, pipelines: PipelineStore) -> None:
        for name, source in (("a", "one.py"), ("b", "one.py"), ("c", "two.py")):
            self.register(pipelines, name, source=source)
        assert pipelines.remove_missing("one.py", ["b"], NOW) == ["a"]
        assert [p.name for p in pipelines.pipelines()] == ["b", "c"]
        assert pipelines.remove_missing("one.py", ["b"], NOW) == []
        assert pipelines.version(sample_version("a").version) == sample_version("a")
        assert pipelines.remove_missing("two.py", [], NOW) == ["c"]

    def test_failed_imports_are_kept_until_they_are_mended(self, pipelines: PipelineStore) -> None:
        failure = ImportFailure("b.py", "NameError: x", "Traceback ...", NOW)
        pipelines.set_import_failure("b.py", failure)
        pipelines.set_import_failure("a.py", attrs.evolve(failure, file="a.py"))
        newer = attrs.evolve(failure, message="SyntaxError", at=NOW + 1)
        pipelines.set_import_failure("b.py", newer)
        assert pipelines.import_failures() == [attrs.evolve(failure, file="a.py"), newer]
        pipelines.set_import_failure("a.py", None)
        pipelines.set_import_failure("never.py", None)
        assert pipelines.import_failures() == [newer]


class ArtifactIndexConformance:
    """See the module."""

    @pytest.fixture
    def samples(self, execution: ExecutionStore) -> Samples:
        return Samples(execution, SequentialIds())

    def test_an_artifact_is_read_back_equal(self, index: ArtifactIndex, samples: Samples) -> None:
        run = samples.leased()
        task_run = samples.task_run(run)
        attempt = samples.attempt(task_run)
        artifact = samples.artifact(attempt, metadata={"rows": 3, "by": {"split": [1, 2]}})
        imported = attrs.evolve(
            samples.artifact(attempt), producer=None, run_id=None, task_id=None, pipeline=None, size=2**40
        )
        step = samples.step(run)
        samples.store.commit(
            [attrs.evolve(step, new_task_runs=(task_run,), new_attempts=(attempt,), artifacts=(artifact, imported))]
        )
        assert index.artifact(artifact.artifact_id) == artifact
        assert index.artifact(imported.artifact_id) == imported
        with pytest.raises(NotFoundError):
            index.artifact(samples.ids.new())

    def test_listing_by_run_task_and_type(self, index: ArtifactIndex, samples: Samples) -> None:
        first = samples.finished(_SUCCESS, {"a": {"n": 1}, "b": {"n": 2}})
        second = samples.finished(_SUCCESS, {"a": {"n": 3}, "b": {"n": 4, "state": "deleted"}})
        assert [a.metadata["n"] for a in index.artifacts()[0]] == [3, 2, 1]
        assert [a.metadata["n"] for a in index.artifacts(run_id=first.run_id)[0]] == [2, 1]
        assert [a.metadata["n"] for a in index.artifacts(run_id=second.run_id, task_id="a")[0]] == [3]
        assert index.artifacts(type="Model")[0] == []
        assert len(index.artifacts(type="Dataset", task_id="a")[0]) == 2

    def test_pages_neither_repeat_nor_skip(self, index: ArtifactIndex, samples: Samples) -> None:
        for n in range(5):
            samples.finished(_SUCCESS, {"a": {"n": n}})
        seen, cursor = [], None
        while True:
            page, cursor = index.artifacts(limit=2, cursor=cursor)
            seen += [a.metadata["n"] for a in page]
            samples.finished(_SUCCESS, {"a": {"n": 99}})
            if cursor is None:
                break
        assert seen == [4, 3, 2, 1, 0]

    def test_lineage_in_both_directions(self, index: ArtifactIndex, samples: Samples) -> None:
        run = samples.leased()
        a, b = samples.task_run(run, "a"), samples.task_run(run, "b")
        writer, reader = samples.attempt(a), samples.attempt(b)
        artifact, other = samples.artifact(writer), samples.artifact(writer, output="other")
        uses = (
            ArtifactUse(reader.attempt_id, artifact.artifact_id, "many", 1),
            ArtifactUse(reader.attempt_id, other.artifact_id, "many", 0),
            ArtifactUse(reader.attempt_id, artifact.artifact_id, "also", 0),
        )
        step = attrs.evolve(
            samples.step(run),
            new_task_runs=(a, b),
            new_attempts=(writer, reader),
            artifacts=(artifact, other),
            uses=uses,
        )
        samples.store.commit([step])
        assert index.used_by(reader.attempt_id) == [uses[2], uses[1], uses[0]]
        assert index.used_by(writer.attempt_id) == []
        assert index.uses_of(artifact.artifact_id) == [uses[2], uses[0]]
