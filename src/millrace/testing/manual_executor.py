"""An executor that runs nothing: it keeps what it was given, and the test says how each attempt ends."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from millrace.core.attempts import AttemptReport, FailureKind, Launch, WrittenOutput
from millrace.interfaces import Clock


class ManualExecutor:
    """``launched`` in order; :meth:`start_attempt`, :meth:`succeed` and :meth:`fail` report about one."""

    name = "manual"

    def __init__(self, clock: Clock, *, capacity: int = 1_000) -> None:
        self.launched: list[Launch] = []
        self.live: dict[str, Launch] = {}
        self.stopped: dict[str, str] = {}
        self.capacity = capacity
        self._clock = clock

    def start(self, report: Callable[[Sequence[AttemptReport]], None]) -> None:
        self._report = report

    def slots(self) -> int:
        return self.capacity - len(self.live)

    def submit(self, launches: Sequence[Launch]) -> None:
        self.launched.extend(launches)
        self.live.update({launch.attempt_id: launch for launch in launches})

    def stop(self, attempt_id: str, reason: str) -> None:
        self.stopped[attempt_id] = reason

    def pump(self) -> bool:
        return False

    def close(self) -> None:
        self.live.clear()

    def of(self, task_id: str) -> Launch:
        """The newest launch of a task."""
        return next(launch for launch in reversed(self.launched) if launch.task_id == task_id)

    def start_attempt(self, launch: Launch) -> None:
        self._send(launch, "started")

    def succeed(self, launch: Launch, outputs: Sequence[WrittenOutput] = ()) -> None:
        self.live.pop(launch.attempt_id, None)
        self._send(launch, "succeeded", outputs=tuple(outputs))

    def fail(self, launch: Launch, kind: FailureKind = FailureKind.RAISED, reason: str = "ValueError: no") -> None:
        self.live.pop(launch.attempt_id, None)
        self._send(launch, "failed", kind=kind, reason=reason)

    def _send(
        self,
        launch: Launch,
        event: str,
        *,
        kind: FailureKind | None = None,
        reason: str = "",
        outputs: tuple[WrittenOutput, ...] = (),
    ) -> None:
        report = AttemptReport(
            attempt_id=launch.attempt_id,
            token=launch.token,
            run_id=launch.run_id,
            task_id=launch.task_id,
            event=event,
            at=self._clock.now(),
            kind=kind,
            reason=reason,
            outputs=outputs,
        )
        self._report([report])
