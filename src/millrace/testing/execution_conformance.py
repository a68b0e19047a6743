"""What every :class:`~millrace.interfaces.ExecutionStore` keeps to: runs, leases, steps, cancelling, listings.

Subclass it and give the fixtures ``execution`` and ``pipelines``, two stores over one fresh, empty place.
"""

from __future__ import annotations

import math
import threading
from concurrent.futures import ThreadPoolExecutor

import attrs
import pytest

from millrace.core.attempts import Usage
from millrace.core.errors import ConflictError, MillraceError, NotFoundError, UsageError
from millrace.core.records import ArtifactUse, PipelineRun, Step
from millrace.core.states import AttemptState, RunState, TaskState
from millrace.interfaces import ExecutionStore, LeaseLost, PipelineStore
from millrace.testing.fakes import SequentialIds
from millrace.testing.storage_samples import NOW, TTL, Samples, sample_version


def admit_all(_pipeline: str, _active: int) -> int:
    return 1000


class ExecutionStoreConformance:
    """See the module."""

    @pytest.fixture
    def samples(self, execution: ExecutionStore) -> Samples:
        return Samples(execution, SequentialIds())

    def lease(self, store: ExecutionStore, owner: str = "s1", *, now: int = NOW, limit: int = 100) -> list[PipelineRun]:
        return store.lease(owner, now=now, ttl=TTL, limit=limit, admit=admit_all)

    # --- runs --------------------------------------------------------------------------------------------------

    def test_a_created_run_is_read_back_equal(self, execution: ExecutionStore, samples: Samples) -> None:
        run = samples.run(logical_date=NOW)
        assert execution.create_run(run) == run
        assert execution.run(run.run_id) == run

    @pytest.mark.parametrize("value", [math.inf, 2**70, {"deep": [1, {"x": None}]}, "\N{SNOWMAN}\x00'\"", 0.1 + 0.2])
    def test_params_come_back_as_they_were(self, execution: ExecutionStore, samples: Samples, value: object) -> None:
        run = execution.create_run(attrs.evolve(samples.run(), params={"x": value, "none": None}))
        assert execution.run(run.run_id).params == {"x": value, "none": None}

    def test_a_param_that_is_not_a_number_stays_so(self, execution: ExecutionStore, samples: Samples) -> None:
        run = execution.create_run(attrs.evolve(samples.run(), params={"x": math.nan}))
        assert math.isnan(execution.run(run.run_id).params["x"])

    def test_text_of_users_is_stored_whatever_is_in_it(self, execution: ExecutionStore, samples: Samples) -> None:
        run = samples.leased()
        step = self.whole_step(samples, run)
        odd = "NUL \x00, half a pair \udcff, snow \N{SNOWMAN}"
        (attempt,) = step.new_attempts
        failed = attrs.evolve(attempt, state=AttemptState.FAILED, reason=odd, detail=odd, worker=odd)
        events = (attrs.evolve(samples.event(run, 1), payload={"reason": odd}),)
        execution.commit([attrs.evolve(step, new_attempts=(failed,), events=events)])
        stored = execution.attempt(attempt.attempt_id)
        assert stored.reason == stored.detail == stored.worker == "NUL \\x00, half a pair \\udcff, snow \N{SNOWMAN}"
        assert execution.events(run.run_id)[0].payload == {"reason": odd}
        assert execution.last_event(run.run_id) == 1
        assert execution.last_event(samples.queued().run_id) == 0

    def test_a_run_is_found_by_the_beginning_or_end_of_its_id(
        self, execution: ExecutionStore, samples: Samples
    ) -> None:
        run, other = samples.queued(), samples.queued()
        assert execution.run(run.run_id[-8:]).run_id == run.run_id
        assert execution.run(run.run_id[-8:].upper()).run_id == run.run_id
        assert execution.run(run.run_id[:-2]).run_id == run.run_id
        assert execution.run(other.run_id[-6:]).run_id == other.run_id
        with pytest.raises(UsageError, match="several runs"):
            execution.run(run.run_id[:8])
        for unknown in (run.run_id[-5:], "", "ffffffff", "%%%%%%%%", "________", run.run_id + "0"):
            with pytest.raises(NotFoundError):
                execution.run(unknown)

    def test_one_scheduled_run_per_logical_date(
        self, execution: ExecutionStore, pipelines: PipelineStore, samples: Samples
    ) -> None:
        pipelines.register(sample_version(), source="main.py", next_due_at=NOW, now=NOW)
        execution.create_run(samples.run(logical_date=NOW), next_due_at=NOW + 60)
        assert pipelines.pipeline("main").next_due_at == NOW + 60
        with pytest.raises(ConflictError):
            execution.create_run(samples.run(logical_date=NOW), next_due_at=NOW + 120)
        assert pipelines.pipeline("main").next_due_at == NOW + 60, "a refused run moves nothing"
        assert len(execution.runs()[0]) == 1
        execution.create_run(samples.run("other", logical_date=NOW))
        manual = attrs.evolve(samples.run(), logical_date=NOW)
        execution.create_run(manual)
        execution.create_run(attrs.evolve(manual, run_id=samples.ids.new()))

    def test_a_manual_run_leaves_the_schedule_alone(self, pipelines: PipelineStore, samples: Samples) -> None:
        pipelines.register(sample_version(), source="main.py", next_due_at=NOW, now=NOW)
        samples.queued()
        assert pipelines.pipeline("main").next_due_at == NOW

    def test_the_end_of_a_schedule_is_kept(
        self, execution: ExecutionStore, pipelines: PipelineStore, samples: Samples
    ) -> None:
        pipelines.register(sample_version(), source="main.py", next_due_at=NOW, now=NOW)
        execution.create_run(samples.run(logical_date=NOW), next_due_at=None)
        assert pipelines.pipeline("main").next_due_at is None

    # --- leases ------------------------------------------------------------------------------------------------

    def test_a_lease_takes_queued_runs_oldest_first(self, execution: ExecutionStore, samples: Samples) -> None:
        late, early, middle = (samples.queued(queued_at=NOW + i) for i in (2, 0, 1))
        leased = self.lease(execution, limit=2)
        assert [r.run_id for r in leased] == [early.run_id, middle.run_id]
        assert {(r.lease_owner, r.lease_epoch, r.lease_expires_at, r.state) for r in leased} == {
            ("s1", 1, NOW + TTL, RunState.QUEUED)
        }
        assert execution.run(early.run_id) == leased[0]
        assert [r.run_id for r in self.lease(execution, "s2")] == [late.run_id]
        assert self.lease(execution, "s3") == []

    def test_a_lease_that_has_ended_is_taken_over(self, execution: ExecutionStore, samples: Samples) -> None:
        run = samples.leased()
        execution.commit([attrs.evolve(samples.step(run), run=attrs.evolve(run, state=RunState.RUNNING))])
        assert self.lease(execution, "s2", now=NOW + TTL - 1) == []
        (taken,) = self.lease(execution, "s2", now=NOW + TTL)
        assert (taken.lease_owner, taken.lease_epoch, taken.state) == ("s2", 2, RunState.RUNNING)

    def test_a_run_taken_over_is_not_asked_for_admission(self, execution: ExecutionStore, samples: Samples) -> None:
        run = samples.leased()
        execution.commit([attrs.evolve(samples.step(run), run=attrs.evolve(run, state=RunState.RUNNING))])
        taken = execution.lease("s2", now=NOW + TTL, ttl=TTL, limit=5, admit=lambda _p, _a: 0)
        assert [r.run_id for r in taken] == [run.run_id]

    def test_admission_counts_runs_that_are_running_or_about_to(
        self, execution: ExecutionStore, samples: Samples
    ) -> None:
        running = samples.leased()
        execution.commit([attrs.evolve(samples.step(running), run=attrs.evolve(running, state=RunState.RUNNING))])
        samples.leased()  # leased and still queued
        waiting = [samples.queued(queued_at=NOW + i) for i in range(5)]
        elsewhere = samples.queued("other")
        asked: dict[str, int] = {}

        def admit(pipeline: str, active: int) -> int:
            asked[pipeline] = active
            return 4 - active if pipeline == "main" else 0

        leased = execution.lease("s2", now=NOW + 1, ttl=TTL, limit=100, admit=admit)
        assert asked == {"main": 2, "other": 0}
        assert [r.run_id for r in leased] == [r.run_id for r in waiting[:2]]
        assert execution.run(elsewhere.run_id).lease_owner is None

    def test_a_queue_that_may_not_start_holds_no_other_pipeline_up(
        self, execution: ExecutionStore, samples: Samples
    ) -> None:
        for _ in range(30):
            samples.queued("blocked")
        free = samples.queued("free", queued_at=NOW + 1)
        leased = execution.lease("s1", now=NOW, ttl=TTL, limit=5, admit=lambda p, _a: 5 if p == "free" else 0)
        assert [r.run_id for r in leased] == [free.run_id]

    def test_renewing_keeps_only_what_is_still_held(self, execution: ExecutionStore, samples: Samples) -> None:
        kept, lost = samples.leased(), samples.leased()
        execution.release("scheduler-1", [lost.run_id])
        self.lease(execution, "s2")
        later = NOW + TTL // 2
        assert execution.renew("scheduler-1", [kept.run_id, lost.run_id], now=later, ttl=TTL) == [kept.run_id]
        assert execution.run(kept.run_id).lease_expires_at == later + TTL
        assert execution.run(lost.run_id).lease_owner == "s2"

    def test_a_released_run_can_be_taken_at_once(self, execution: ExecutionStore, samples: Samples) -> None:
        run = samples.leased()
        execution.commit([attrs.evolve(samples.step(run), run=attrs.evolve(run, state=RunState.RUNNING))])
        execution.release("someone-else", [run.run_id])
        assert self.lease(execution, "s2") == [], "only the owner releases"
        execution.release("scheduler-1", [run.run_id])
        (taken,) = self.lease(execution, "s2")
        assert taken.lease_epoch == 2
        with pytest.raises(LeaseLost):
            execution.commit([samples.step(run)])

    def test_wakes_at_the_earliest_end_of_a_lease(self, execution: ExecutionStore, samples: Samples) -> None:
        assert execution.wakes_at() is None
        samples.queued()
        assert execution.wakes_at() is None
        self.lease(execution)
        samples.queued()
        self.lease(execution, "s2", now=NOW + 5)
        assert execution.wakes_at() == NOW + TTL
        first = execution.runs()[0][-1]
        ended = attrs.evolve(first, state=RunState.SUCCESS, ended_at=NOW)
        execution.commit([attrs.evolve(samples.step(first), run=ended)])
        assert execution.wakes_at() == NOW + 5 + TTL

    def test_schedulers_that_lease_at_once_never_share_a_run(self, execution: ExecutionStore, samples: Samples) -> None:
        runs = {samples.queued(("one", "two")[i % 2], queued_at=NOW + i).run_id for i in range(60)}
        start = threading.Barrier(6)

        def scheduler(name: str) -> list[str]:
            start.wait()
            taken: list[str] = []
            while leased := self.lease(execution, name, limit=3):
                taken += [r.run_id for r in leased]
            return taken

        with ThreadPoolExecutor(6) as pool:
            taken = [t for got in pool.map(scheduler, [f"s{i}" for i in range(6)]) for t in got]
        assert sorted(taken) == sorted(runs)

    def test_schedulers_that_lease_at_once_keep_to_the_limit(self, execution: ExecutionStore, samples: Samples) -> None:
        for i in range(40):
            samples.queued(queued_at=NOW + i)
        start = threading.Barrier(6)

        def scheduler(name: str) -> int:
            start.wait()
            leased = 0
            for _ in range(5):
                leased += len(execution.lease(name, now=NOW, ttl=TTL, limit=9, admit=lambda _p, a: max(0, 10 - a)))
            return leased

        with ThreadPoolExecutor(6) as pool:
            assert sum(pool.map(scheduler, [f"s{i}" for i in range(6)])) == 10

    # --- steps -------------------------------------------------------------------------------------------------

    def whole_step(self, samples: Samples, run: PipelineRun) -> Step:
        first, second = samples.task_run(run, "b"), samples.task_run(run, "a")
        attempt = samples.attempt(first)
        artifact = samples.artifact(attempt, metadata={"rows": 3, "nan": math.inf})
        return attrs.evolve(
            samples.step(run),
            run=attrs.evolve(run, state=RunState.RUNNING, started_at=NOW + 1, reason="because"),
            new_task_runs=(first, second),
            new_attempts=(attempt,),
            artifacts=(artifact,),
            uses=(ArtifactUse(attempt.attempt_id, artifact.artifact_id, "examples", 0),),
            values=(samples.value(first, {"x": [1, 2]}),),
            events=(samples.event(run, 1), samples.event(run, 2, "AttemptSucceeded")),
        )

    def test_a_step_is_written_whole(self, execution: ExecutionStore, samples: Samples) -> None:
        run = samples.leased()
        step = self.whole_step(samples, run)
        execution.commit([step])
        assert execution.run(run.run_id) == step.run
        assert tuple(execution.task_runs(run.run_id)) == step.new_task_runs, "in the order given: the graph's"
        assert tuple(execution.attempts(run.run_id)) == step.new_attempts
        assert tuple(execution.events(run.run_id)) == step.events
        assert execution.events(run.run_id, after=1) == [step.events[1]]
        task_run = step.new_task_runs[0]
        outputs = execution.outputs([task_run.task_run_id, step.new_task_runs[1].task_run_id])
        assert outputs[task_run.task_run_id].values == {"return_value": {"x": [1, 2]}}
        assert outputs[task_run.task_run_id].artifacts == {"out": step.artifacts[0]}
        assert outputs[step.new_task_runs[1].task_run_id].values == {}
        assert execution.task_run(task_run.task_run_id) == task_run
        assert execution.attempt(step.new_attempts[0].attempt_id) == step.new_attempts[0]

    def test_a_later_step_changes_every_field(self, execution: ExecutionStore, samples: Samples) -> None:
        run = samples.leased()
        execution.commit([step := self.whole_step(samples, run)])
        task_run = attrs.evolve(
            step.new_task_runs[0],
            state=TaskState.UP_FOR_RETRY,
            tries=1,
            token=2,
            queued_at=NOW + 1,
            started_at=NOW + 2,
            ended_at=NOW + 3,
            due_at=NOW + 4,
            reason="raised ValueError",
            cached_from="another",
        )
        attempt = attrs.evolve(
            step.new_attempts[0],
            state=AttemptState.FAILED,
            worker="w1",
            started_at=NOW + 1,
            ended_at=NOW + 2,
            kind="raised",
            reason="ValueError",
            detail="Traceback",
            exit_code=3,
            usage=Usage(1.25, 2**40),
        )
        ended = attrs.evolve(run, state=RunState.FAILED, started_at=NOW, ended_at=NOW + 9, reason="a failed")
        execution.commit([attrs.evolve(samples.step(run), run=ended, task_runs=(task_run,), attempts=(attempt,))])
        assert execution.run(run.run_id) == ended
        assert execution.task_run(task_run.task_run_id) == task_run
        assert execution.attempt(attempt.attempt_id) == attempt

    def test_attempts_are_listed_oldest_first_and_by_task(self, execution: ExecutionStore, samples: Samples) -> None:
        run = samples.leased()
        a, b = samples.task_run(run, "a"), samples.task_run(run, "b")
        attempts = tuple(samples.attempt(t, number=n) for n in (1, 2) for t in (a, b))
        execution.commit([attrs.evolve(samples.step(run), new_task_runs=(a, b), new_attempts=attempts[::-1])])
        assert [x.number for x in execution.attempts(run.run_id)] == [1, 1, 2, 2]
        assert execution.attempts(run.run_id, "b") == [attempts[1], attempts[3]]

    def test_what_the_step_does_not_own_is_not_written(self, execution: ExecutionStore, samples: Samples) -> None:
        """The scheduler's copy of the run is older than a renewed lease and a request to cancel."""
        run = samples.leased()
        execution.renew("scheduler-1", [run.run_id], now=NOW + 10, ttl=TTL)
        execution.request_cancel(run.run_id, now=NOW + 10)
        execution.commit([attrs.evolve(samples.step(run), run=attrs.evolve(run, state=RunState.RUNNING))])
        stored = execution.run(run.run_id)
        assert (stored.lease_expires_at, stored.cancel_requested) == (NOW + 10 + TTL, True)

    @pytest.mark.parametrize("how", ["epoch", "owner", "released", "unknown run"])
    def test_a_step_without_the_lease_writes_nothing(
        self, execution: ExecutionStore, samples: Samples, how: str
    ) -> None:
        run, other = samples.leased(), samples.leased()
        step = self.whole_step(samples, run)
        good = self.whole_step(samples, other)
        if how == "epoch":
            self.lease(execution, "scheduler-1", now=NOW + TTL)
            good = attrs.evolve(good, lease_epoch=2)
        elif how == "owner":
            step = attrs.evolve(step, lease_owner="s2")
        elif how == "released":
            execution.release("scheduler-1", [run.run_id])
        else:
            step = attrs.evolve(step, run_id=samples.ids.new())
        before = execution.run(run.run_id)
        with pytest.raises(LeaseLost):
            execution.commit([good, step])
        assert execution.run(run.run_id) == before
        for written in (run, other):
            assert execution.task_runs(written.run_id) == []
            assert execution.events(written.run_id) == []
        execution.commit([good])

    def test_a_step_that_cannot_be_written_leaves_nothing(self, execution: ExecutionStore, samples: Samples) -> None:
        run = samples.leased()
        step = self.whole_step(samples, run)
        twice = attrs.evolve(step, events=(samples.event(run, 1), samples.event(run, 1)))
        unknown = attrs.evolve(step, task_runs=(samples.task_run(run, "never inserted"),))
        for bad in (twice, unknown):
            with pytest.raises(MillraceError):
                execution.commit([bad])
            assert execution.task_runs(run.run_id) == []
            assert execution.run(run.run_id) == run
        execution.commit([step])

    def test_many_steps_go_in_one_transaction(self, execution: ExecutionStore, samples: Samples) -> None:
        runs = [samples.leased() for _ in range(5)]
        execution.commit([self.whole_step(samples, r) for r in runs])
        assert all(len(execution.task_runs(r.run_id)) == 2 for r in runs)
        first, second = execution.task_runs(runs[0].run_id)
        assert execution.task_runs(runs[0].run_id, second.task_id) == [second] != [first]
        assert execution.task_runs(runs[0].run_id, "nothing") == []

    def test_steps_of_several_threads_are_all_there(self, execution: ExecutionStore, samples: Samples) -> None:
        runs = [samples.leased() for _ in range(4)]

        def scheduler(run: PipelineRun) -> None:
            for seq in range(1, 26):
                execution.commit([attrs.evolve(samples.step(run), events=(samples.event(run, seq),))])

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(scheduler, runs))
        assert [len(execution.events(r.run_id)) for r in runs] == [25] * 4

    # --- cancelling --------------------------------------------------------------------------------------------

    def test_a_queued_run_is_cancelled_at_once(self, execution: ExecutionStore, samples: Samples) -> None:
        run = samples.queued()
        cancelled = execution.request_cancel(run.run_id, now=NOW + 7)
        assert (cancelled.state, cancelled.ended_at) == (RunState.CANCELLED, NOW + 7)
        assert execution.run(run.run_id) == cancelled
        assert self.lease(execution) == []
        with pytest.raises(ConflictError):
            execution.request_cancel(run.run_id, now=NOW + 8)

    def test_a_scheduler_that_slept_cannot_start_a_cancelled_run(
        self, execution: ExecutionStore, samples: Samples
    ) -> None:
        run = samples.leased()
        execution.request_cancel(run.run_id, now=NOW + TTL + 1)
        with pytest.raises(LeaseLost):
            execution.commit([attrs.evolve(samples.step(run), run=attrs.evolve(run, state=RunState.RUNNING))])
        assert execution.run(run.run_id).state is RunState.CANCELLED

    def test_a_held_run_is_marked_for_its_scheduler(self, execution: ExecutionStore, samples: Samples) -> None:
        run, other = samples.leased(), samples.leased()
        asked = execution.request_cancel(run.run_id[-12:], now=NOW + 1)
        assert (asked.cancel_requested, asked.state) == (True, RunState.QUEUED)
        assert execution.cancel_requests([other.run_id, run.run_id]) == [run.run_id]
        assert execution.cancel_requests([]) == []
        with pytest.raises(NotFoundError):
            execution.request_cancel(samples.ids.new(), now=NOW)

    # --- listings ----------------------------------------------------------------------------------------------

    def test_runs_are_listed_newest_first_and_paged(self, execution: ExecutionStore, samples: Samples) -> None:
        runs = [samples.queued(("main", "other")[i % 2]) for i in range(7)]
        newest_first = [r.run_id for r in reversed(runs)]
        assert [r.run_id for r in execution.runs()[0]] == newest_first
        assert execution.runs()[1] is None
        assert execution.runs(limit=7)[1] is None, "no empty page at the end"
        seen: list[str] = []
        cursor = None
        while True:
            page, cursor = execution.runs(limit=2, cursor=cursor)
            seen += [r.run_id for r in page]
            samples.queued()  # what arrives meanwhile neither repeats nor hides a run
            if cursor is None:
                break
        assert seen == newest_first
        assert [r.run_id for r in execution.runs(pipeline="other")[0]] == newest_first[1::2]

    def test_runs_are_listed_by_their_states(self, execution: ExecutionStore, samples: Samples) -> None:
        ended = [
            samples.finished((RunState.SUCCESS, RunState.FAILED, RunState.CANCELLED)[i % 3], {}).run_id
            for i in range(9)
        ]
        samples.queued()
        states = (RunState.FAILED, RunState.CANCELLED)
        wanted = [r for i, r in reversed(list(enumerate(ended))) if i % 3]
        page, cursor = execution.runs(states=states, limit=4)
        rest, end = execution.runs(states=states, limit=4, cursor=cursor)
        assert [r.run_id for r in page + rest] == wanted
        assert end is None
        assert execution.runs(states=(RunState.RUNNING,))[0] == []
        assert len(execution.runs(pipeline="main", states=(RunState.QUEUED, RunState.SUCCESS))[0]) == 4

    def test_unknown_ids_are_not_found(self, execution: ExecutionStore, samples: Samples) -> None:
        with pytest.raises(NotFoundError):
            execution.task_run(samples.ids.new())
        with pytest.raises(NotFoundError):
            execution.attempt(samples.ids.new())
        assert execution.task_runs(samples.ids.new()) == []
        assert execution.outputs([]) == {}
