"""Folders that attempts left behind go; whatever anybody may still need stays."""

from __future__ import annotations

from pathlib import Path

import attrs
import pytest

from millrace.core.records import Attempt, PipelineRun, Step, TaskRun
from millrace.core.states import AttemptState, RunState, RunTrigger, TaskState
from millrace.operations.sweep import SETTLED, Sweeper
from millrace.testing.fakes import FakeClock
from millrace.wiring.stores import Stores


@attrs.define
class Left:
    """Attempts 1, 2 ... of one task, each with a published folder."""

    stores: Stores
    clock: FakeClock
    run: PipelineRun
    task_run_id: str

    def attempt(self, token: int, state: AttemptState, *, ended_ago: int = SETTLED) -> str:
        ended_at = self.clock.now() - ended_ago if state.ended else None
        attempt = Attempt(
            attempt_id=self.stores.ids.new(),
            task_run_id=self.task_run_id,
            run_id=self.run.run_id,
            task_id="t",
            number=token,
            token=token,
            state=state,
            executor="local",
            launched_at=1,
            ended_at=ended_at,
        )
        step = Step(self.run.run_id, "me", 1, new_attempts=(attempt,))
        self.stores.execution.commit([step])
        return self.publish(self.run.run_id, token)

    def publish(self, run_id: str, token: int) -> str:
        """The folder of the attempt, with one output in it."""
        folder = f"{self.stores.artifacts.root}/p/{run_id}/t/{token}"
        path = self.stores.artifacts.staging(f"{folder}/out")
        path.write_text("rows")
        self.stores.artifacts.publish(path, f"{folder}/out")
        return folder

    def sweep(self, *, remove: bool = True) -> list[str]:
        stores = self.stores
        return Sweeper(stores.execution, stores.index, stores.registry, stores.artifacts, self.clock).sweep(
            remove=remove
        )


@pytest.fixture
def left(stores: Stores) -> Left:
    clock = FakeClock()
    run = PipelineRun(
        run_id=stores.ids.new(),
        pipeline="p",
        version="v",
        trigger=RunTrigger.MANUAL,
        params={},
        state=RunState.RUNNING,
        queued_at=1,
        lease_owner="me",
        lease_epoch=1,
        lease_expires_at=2**60,
    )
    stores.execution.create_run(run)
    task_run = TaskRun(stores.ids.new(), run.run_id, "t", TaskState.RUNNING)
    stores.execution.commit([Step(run.run_id, "me", 1, new_task_runs=(task_run,))])
    return Left(stores, clock, run, task_run.task_run_id)


@pytest.mark.parametrize(
    "state", [AttemptState.LOST, AttemptState.KILLED, AttemptState.FENCED, AttemptState.FAILED, AttemptState.TIMED_OUT]
)
def test_what_an_ended_attempt_left_goes(left: Left, state: AttemptState) -> None:
    folder = left.attempt(1, state)
    assert left.sweep(remove=False) == [folder]
    assert Path(folder).is_dir(), "looked only"
    assert left.sweep() == [folder]
    assert not Path(folder).exists()
    assert left.sweep() == []


def test_what_may_be_needed_stays(left: Left) -> None:
    kept = [
        left.attempt(1, AttemptState.RUNNING),
        left.attempt(2, AttemptState.SUCCEEDED),
        left.attempt(3, AttemptState.LOST, ended_ago=SETTLED // 2),
        left.publish(left.stores.ids.new(), 1),
        left.publish(left.run.run_id, 9),
    ]
    registered = left.attempt(4, AttemptState.FAILED)
    left.stores.registry.create_model_version("m", f"{registered}/out")
    assert left.sweep() == []
    assert all(Path(folder, "out").is_file() for folder in [*kept, registered])
