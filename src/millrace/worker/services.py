"""The platform's services as a task in a worker process sees them: messages over the pipe.

Invariant: what one thread asks is asked in that order; a request gets its own answer. After its attempt has ended
the services refuse, so a thread that was left behind cannot write into the next attempt.
"""

from __future__ import annotations

import itertools
import os
import queue
from collections.abc import Mapping

from millrace.core.errors import ServiceError
from millrace.core.messages import error_from_json
from millrace.core.types import Json
from millrace.worker.channel import Channel


class PipeServices:
    """``TaskServices`` over a :class:`Channel`, for one attempt."""

    def __init__(self, channel: Channel, attempt_id: str) -> None:
        self._channel = channel
        self._attempt_id = attempt_id
        self._process = os.getpid()
        self._requests = itertools.count(1)
        self._waiting: dict[int, queue.SimpleQueue[Json]] = {}
        self._failure: Json = None
        self._closed = False

    def call(self, verb: str, arguments: Mapping[str, Json]) -> Json:
        """The verb's answer; its error is raised here as its own class."""
        self._check(verb)
        request = next(self._requests)
        answer: queue.SimpleQueue[Json] = queue.SimpleQueue()
        self._waiting[request] = answer
        try:
            self._post("call", verb, arguments, request)
            reply = answer.get()
        finally:
            del self._waiting[request]
        if reply["error"] is not None:
            raise error_from_json(reply["error"])
        return reply["answer"]

    def send(self, verb: str, arguments: Mapping[str, Json]) -> None:
        """Without waiting. When it fails, the next use of the services raises, and the attempt fails in any case."""
        self._check(verb)
        self._post("send", verb, arguments, 0)

    def replied(self, document: Json) -> None:
        """Called by the thread that reads the pipe."""
        waiting = self._waiting.get(document["request"])
        if waiting is not None:
            waiting.put(document)

    def failed(self, error: Json) -> None:
        """A ``send`` has failed on the other side."""
        self._failure = error

    def close(self) -> None:
        self._closed = True

    def _check(self, verb: str) -> None:
        if self._failure is not None:
            raise error_from_json(self._failure)
        if self._closed:
            raise ServiceError(f"{verb}: the attempt that this thread belonged to has ended")
        if os.getpid() != self._process:
            raise ServiceError(
                f"{verb}: a forked child of the worker cannot reach the platform",
                remedy="Log from the task's own process, with what the child hands back.",
            )

    def _post(self, kind: str, verb: str, arguments: Mapping[str, Json], request: int) -> None:
        document: Json = {
            "type": kind,
            "attempt": self._attempt_id,
            "request": request,
            "verb": verb,
            "arguments": dict(arguments),
        }
        self._channel.send(document)
