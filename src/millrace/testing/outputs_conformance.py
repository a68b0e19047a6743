"""What every :class:`~millrace.interfaces.ExecutionStore` keeps to about outputs, the cache and ``Latest`` bindings.

Subclass it and give the fixture ``execution``, a store over a fresh, empty place.
"""

from __future__ import annotations

import attrs
import pytest

from millrace.core.graph import Latest, OutputRef
from millrace.core.records import CacheEntry, PipelineRun, TaskRun
from millrace.core.states import RunState, TaskState
from millrace.interfaces import ExecutionStore
from millrace.testing.fakes import SequentialIds
from millrace.testing.storage_samples import NOW, Samples

SUCCESS, FAILED = RunState.SUCCESS, RunState.FAILED
MODEL, BLESSING, DATA = OutputRef("train", "out"), OutputRef("evaluate", "out"), OutputRef("examples", "out")


class OutputsConformance:
    """See the module."""

    @pytest.fixture
    def samples(self, execution: ExecutionStore) -> Samples:
        return Samples(execution, SequentialIds())

    # --- the cache ---------------------------------------------------------------------------------------------

    def entry(self, task_run: TaskRun, key: str = "k1", created_at: int = NOW) -> CacheEntry:
        return CacheEntry(key, "main", task_run.task_id, {"code": "f1"}, task_run.task_run_id, created_at)

    def cached(self, samples: Samples, run: PipelineRun, *entries: CacheEntry) -> None:
        samples.store.commit([attrs.evolve(samples.step(run), cache_entries=entries)])

    def test_outputs_follow_the_cache(self, execution: ExecutionStore, samples: Samples) -> None:
        run = samples.finished(SUCCESS, {"train": {"n": 1}})
        (origin,) = execution.task_runs(run.run_id)
        again = samples.leased()
        second = attrs.evolve(samples.task_run(again, "renamed"), cached_from=origin.task_run_id)
        third = attrs.evolve(samples.task_run(again, "third"), cached_from=second.task_run_id)
        samples.store.commit(
            [attrs.evolve(samples.step(again), new_task_runs=(second, third), values=(samples.value(origin, 5),))]
        )
        outputs = execution.outputs([third.task_run_id, second.task_run_id])
        assert outputs[second.task_run_id] == outputs[third.task_run_id]
        assert outputs[third.task_run_id].values == {"return_value": 5}
        assert outputs[third.task_run_id].artifacts["out"].metadata == {"n": 1}

    def test_an_entry_is_found_while_its_outputs_live(self, execution: ExecutionStore, samples: Samples) -> None:
        live = samples.finished(SUCCESS, {"train": {}})
        dead = samples.finished(SUCCESS, {"train": {"state": "deleted"}})
        (live_task,), (dead_task,) = execution.task_runs(live.run_id), execution.task_runs(dead.run_id)
        self.cached(samples, live, self.entry(live_task, "live"), self.entry(dead_task, "dead"))
        assert execution.cached("live") == self.entry(live_task, "live")
        assert execution.cached("dead") is None
        assert execution.cached("never") is None
        assert execution.outputs([dead_task.task_run_id])[dead_task.task_run_id].artifacts == {}

    def test_hits_are_counted_and_a_newer_result_replaces(self, execution: ExecutionStore, samples: Samples) -> None:
        run = samples.finished(SUCCESS, {"train": {}, "evaluate": {}})
        first, second = execution.task_runs(run.run_id)
        self.cached(samples, run, self.entry(first))
        samples.store.commit([attrs.evolve(samples.step(run), cache_hits=("k1", "k1"))])
        self.cached(samples, run, self.entry(second, created_at=NOW + 1))
        assert execution.cached("k1") == attrs.evolve(self.entry(second, created_at=NOW + 1), hits=2)

    def test_a_miss_is_explained_against_the_newest_entry(self, execution: ExecutionStore, samples: Samples) -> None:
        run = samples.finished(SUCCESS, {"train": {}, "evaluate": {}})
        train, evaluate = execution.task_runs(run.run_id)
        newest = self.entry(train, "k2", NOW + 5)
        self.cached(samples, run, self.entry(train, "k1", NOW), newest, self.entry(evaluate, "k3", NOW + 9))
        assert execution.cache_entries("main", "train", limit=1) == [newest]
        assert execution.cache_entries("main", "unknown", limit=9) == []
        assert execution.cache_entries("other", "train", limit=9) == []

    # --- Latest ------------------------------------------------------------------------------------------------

    def latest(
        self, store: ExecutionStore, binding: Latest, before: PipelineRun, *, other_than_digest: str | None = None
    ) -> object:
        """The ``n`` of the artifact found."""
        found = store.latest("main", binding, other_than_digest=other_than_digest, before_run=before.run_id)
        return None if found is None else found.metadata["n"]

    def test_latest_of_the_runs_that_succeeded(self, execution: ExecutionStore, samples: Samples) -> None:
        binding = Latest(MODEL)
        first = samples.finished(SUCCESS, {"train": {"n": 1}})
        second = samples.finished(SUCCESS, {"train": {"n": 2}})
        samples.finished(SUCCESS, {"train": {"n": 9}}, pipeline="other")
        samples.finished(FAILED, {"train": {"n": 3}})
        now = samples.queued()
        samples.finished(SUCCESS, {"train": {"n": 4}})
        assert self.latest(execution, binding, now) == 2
        assert self.latest(execution, binding, second) == 1
        assert self.latest(execution, binding, first) is None

    def test_latest_with_a_flag_looks_at_every_run_whose_task_succeeded(
        self, execution: ExecutionStore, samples: Samples
    ) -> None:
        binding = Latest(MODEL, where=BLESSING, flag="blessed")
        samples.finished(SUCCESS, {"train": {"n": 1}, "evaluate": {"blessed": True}})
        samples.finished(FAILED, {"train": {"n": 2}, "evaluate": {"blessed": True}, "push": None})
        samples.finished(SUCCESS, {"train": {"n": 3}, "evaluate": {"blessed": False}})
        samples.finished(SUCCESS, {"train": {"n": 4}, "evaluate": {"blessed": "yes"}})
        samples.finished(SUCCESS, {"train": {"n": 5}, "evaluate": {}})
        samples.finished(FAILED, {"train": {"n": 6}, "evaluate": None})
        samples.finished(SUCCESS, {"train": {"n": 7}})
        assert self.latest(execution, binding, samples.queued()) == 2

    def test_latest_of_a_run_over_other_data(self, execution: ExecutionStore, samples: Samples) -> None:
        binding = Latest(MODEL, where=BLESSING, flag="blessed", other_than=DATA)
        blessed = {"blessed": True}
        for n, digest in ((1, "sha256:a"), (2, "sha256:b"), (3, "sha256:b")):
            samples.finished(SUCCESS, {"examples": {"digest": digest}, "train": {"n": n}, "evaluate": blessed})
        samples.finished(SUCCESS, {"train": {"n": 4}, "evaluate": blessed})
        now = samples.queued()
        assert self.latest(execution, binding, now, other_than_digest="sha256:b") == 1
        assert self.latest(execution, binding, now, other_than_digest="sha256:a") == 3
        assert self.latest(execution, binding, now, other_than_digest="sha256:c") == 3

    def test_latest_is_live_and_follows_the_cache(self, execution: ExecutionStore, samples: Samples) -> None:
        origin = samples.finished(SUCCESS, {"train": {"n": 1}})
        (made,) = execution.task_runs(origin.run_id)
        again = samples.leased()
        cached = attrs.evolve(samples.task_run(again, "train", TaskState.SUCCESS), cached_from=made.task_run_id)
        ended = attrs.evolve(again, state=SUCCESS)
        samples.store.commit([attrs.evolve(samples.step(again), run=ended, new_task_runs=(cached,))])
        samples.finished(SUCCESS, {"train": {"n": 2, "state": "deleted"}})
        assert self.latest(execution, Latest(MODEL), samples.queued()) == 1

    def test_latest_looks_through_a_hundred_runs(self, execution: ExecutionStore, samples: Samples) -> None:
        samples.finished(SUCCESS, {"train": {"n": 1}})
        for _ in range(99):
            samples.queued()
        assert self.latest(execution, Latest(MODEL), samples.queued()) == 1
        assert self.latest(execution, Latest(MODEL), samples.queued()) is None
