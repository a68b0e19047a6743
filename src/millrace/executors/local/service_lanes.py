"""Answers what tasks in worker processes ask of the platform, off the executor's loop.

Invariant: the requests of one attempt are done one after another in the order of the pipe; its end report goes out only
after all of them are done. Different attempts do not wait for one another.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

import attrs

from millrace.core.attempts import AttemptReport, FailureKind, Launch
from millrace.core.messages import error_to_json
from millrace.core.types import Json
from millrace.executors.task_services import AttemptServices
from millrace.interfaces import TaskServices

_THREADS = 4


@attrs.define
class _Lane:
    """The requests of one attempt. Used by the executor's loop only."""

    launch: Launch
    services: AttemptServices | None = None
    waiting: deque[Json] = attrs.field(factory=deque)
    running: bool = False
    end: AttemptReport | None = None
    closing: bool = False
    error: BaseException | None = None


class ServiceLanes:
    """``reply(attempt id, document)`` and ``ended(report)`` are called on the loop's thread, through ``post``."""

    def __init__(
        self,
        services_for: Callable[[Launch], TaskServices],
        *,
        post: Callable[[Callable[[], None]], None],
        reply: Callable[[str, Json], None],
        ended: Callable[[AttemptReport], None],
    ) -> None:
        self._services_for = services_for
        self._post = post
        self._reply = reply
        self._ended = ended
        self._lanes: dict[str, _Lane] = {}
        self._pool: ThreadPoolExecutor | None = None

    @property
    def busy(self) -> bool:
        return bool(self._lanes)

    def add(self, launch: Launch, document: Json) -> None:
        """A ``call`` or ``send`` of a running attempt."""
        lane = self._lanes.get(launch.attempt_id)
        if lane is None:
            lane = self._lanes[launch.attempt_id] = _Lane(launch)
        lane.waiting.append(document)
        self._advance(lane)

    def end(self, report: AttemptReport) -> None:
        """The attempt has ended: :attr:`ended` is called with its report when all it asked for is done."""
        lane = self._lanes.get(report.attempt_id)
        if lane is None:
            self._ended(report)
            return
        lane.end = report
        self._advance(lane)

    def close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True)

    def _advance(self, lane: _Lane) -> None:
        if lane.running:
            return
        if lane.waiting:
            document = lane.waiting.popleft()
            self._submit(lane, document, partial(self._perform, lane, document))
        elif lane.end is not None and not lane.closing:
            lane.closing = True
            lane.end = _with_error(lane.end, lane.error)
            services = lane.services
            if services is None:  # even making the services failed
                self._finish(lane)
            else:
                self._submit(lane, None, partial(_close, services, lane.end))
        elif lane.end is not None:
            self._finish(lane)

    def _submit(self, lane: _Lane, document: Json, work: Callable[[], Json]) -> None:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="millrace-services")
        lane.running = True
        future = self._pool.submit(work)
        future.add_done_callback(lambda done: self._post(partial(self._done, lane, document, done)))

    def _perform(self, lane: _Lane, document: Json) -> Json:
        """On a thread of the pool; the lane has no other work at that time."""
        if lane.services is None:
            lane.services = AttemptServices(self._services_for(lane.launch))
        arguments: Mapping[str, Json] = document["arguments"]
        if document["type"] == "call":
            return lane.services.call(document["verb"], arguments)
        lane.services.send(document["verb"], arguments)
        return None

    def _done(self, lane: _Lane, document: Json, future: Future[Json]) -> None:
        lane.running = False
        error = future.exception()
        attempt_id = lane.launch.attempt_id
        if document is None:
            lane.error = lane.error or error
            if lane.end is not None:
                lane.end = _with_error(lane.end, error)
        elif document["type"] == "call":
            described = None if error is None else error_to_json(error)
            answer = future.result() if error is None else None
            reply = {"type": "reply", "request": document["request"], "answer": answer, "error": described}
            self._reply(attempt_id, reply)
        elif error is not None:
            lane.error = lane.error or error
            self._reply(attempt_id, {"type": "broken", "error": error_to_json(error)})
        self._advance(lane)

    def _finish(self, lane: _Lane) -> None:
        del self._lanes[lane.launch.attempt_id]
        assert lane.end is not None
        self._ended(lane.end)


def _close(services: AttemptServices, end: AttemptReport) -> None:
    services.close(end)


def _with_error(end: AttemptReport, error: BaseException | None) -> AttemptReport:
    """An attempt whose ``send`` failed has failed, unless it had already."""
    if error is None or end.event == "failed":
        return end
    return attrs.evolve(
        end,
        event="failed",
        kind=FailureKind.RAISED,
        reason=f"what the task logged could not be stored: {' '.join(str(error).split())}",
        outputs=(),
    )
