"""The worker process: takes launches from its executor over a pipe, runs them one after another, reports.

The entry point is a module of the composition root, which makes the loader and the artifact store::

    channel = connect()
    serve(channel, loader, artifacts, clock)

Messages are documents with a ``type``. From the executor: ``launch``, ``revoke`` (give back those that are not begun),
``exit``, ``reply`` (to a ``call``), ``broken`` (a ``send`` failed). To it: ``ready``, ``started``, ``end``,
``revoked``, ``call``, ``send``. An ``end`` names the launch that is begun next, so at every moment the executor knows
which launch a worker that vanished had begun.

Invariant: one ``end`` for each launch begun, unless the process dies; and it leaves no process of its attempt behind.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import socket
import threading
from collections.abc import Iterator

import attrs

from millrace.core.attempts import AttemptReport, FailureKind, Launch
from millrace.core.errors import UsageError
from millrace.core.types import Json
from millrace.interfaces import ArtifactStore, Clock, CodeLoader
from millrace.worker.attempt import run_attempt
from millrace.worker.channel import Channel
from millrace.worker.launches import LaunchQueue
from millrace.worker.leftovers import end_children
from millrace.worker.parent_death import adopt_orphans, die_with, kill_own_group
from millrace.worker.services import PipeServices
from millrace.worker.stop_signal import AttemptStopped, Phase, StopSignal
from millrace.worker.surroundings import Surroundings
from millrace.worker.usage import PeakMemory

VARIABLE = "MILLRACE_WORKER"
"""``message descriptor:lifeline descriptor:pid of the executor``. Taken out of the environment at once."""


def connect() -> Channel:
    """The pipe to the executor that started this process. Call it before any slow import."""
    given = os.environ.pop(VARIABLE, None)
    if given is None:
        raise UsageError(
            f"{VARIABLE} is not set: a worker process is started by its executor, not by hand",
            remedy="Use: millrace up, or millrace run FILE",
        )
    messages, lifeline, parent = (int(part) for part in given.split(":"))
    os.set_inheritable(messages, False)
    os.set_inheritable(lifeline, False)
    die_with(parent, lifeline)
    return Channel(socket.socket(fileno=messages))


def serve(messages: Channel, loader: CodeLoader, artifacts: ArtifactStore, clock: Clock) -> None:
    """Run launches until the executor says ``exit`` or is gone."""
    faulthandler.enable()  # a crash in C code leaves the Python stack in the attempt's log
    adopt_orphans()
    worker = _Worker(messages, loader, artifacts, clock)
    threading.Thread(target=worker.read, name="millrace-messages", daemon=True).start()
    messages.send({"type": "ready", "pid": os.getpid()})
    worker.run()


class _Worker:
    def __init__(self, channel: Channel, loader: CodeLoader, artifacts: ArtifactStore, clock: Clock) -> None:
        self._channel = channel
        self._loader = loader
        self._artifacts = artifacts
        self._clock = clock
        self._launches = LaunchQueue()
        self._services: PipeServices | None = None
        self._stop = StopSignal(channel, os.getppid())
        self._stop.install()
        self._peak = PeakMemory()
        self._surroundings = Surroundings()
        self._ending = False

    # the thread that reads the pipe

    def read(self) -> None:
        for document in self._channel.documents():
            self._receive(document)
        if not self._ending:
            kill_own_group()

    def _receive(self, document: Json) -> None:
        services = self._services
        match document["type"]:
            case "launch":
                self._launches.put(Launch.from_json(document["launch"]))
            case "revoke":
                self._channel.send({"type": "revoked", "attempts": self._launches.give_back(document["attempts"])})
            case "exit":
                self._ending = True
                self._launches.close()
            case "reply" if services is not None:
                services.replied(document)
            case "broken" if services is not None:
                services.failed(document["error"])

    # the main thread

    def run(self) -> None:
        launch = self._launches.take(wait=True)
        while launch is not None:
            following = self._attempt(launch)
            if self._ending:
                return
            launch = following or self._launches.take(wait=True)

    def _attempt(self, launch: Launch) -> Launch | None:
        """Run it and report: the launch that is begun next, if one is waiting."""
        self._peak.reset()
        services = self._services = PipeServices(self._channel, launch.attempt_id)
        try:
            self._stop.phase = Phase.RUNNING
            report = run_attempt(
                launch,
                loader=self._loader,
                artifacts=self._artifacts,
                services=services,
                clock=self._clock,
                guard=lambda at: self._started(launch, at),
            )
            self._stop.phase = Phase.REPORTING
        except AttemptStopped:  # the signal came between the end of the attempt and the line above
            os._exit(143)
        services.close()
        report = self._finished(report)
        left_behind = end_children()
        self._stop.install()
        self._surroundings.restore(launch.attempt_id)
        self._ending = self._ending or left_behind > 0 or self._stop.came
        following = None if self._ending else self._launches.take(wait=False)
        self._channel.send(
            {
                "type": "end",
                "report": report.to_json(),
                "next": None if following is None else following.attempt_id,
                "retire": self._ending,
            }
        )
        if following is None:
            self._stop.phase = Phase.IDLE
        return following

    @contextlib.contextmanager
    def _started(self, launch: Launch, at: int) -> Iterator[None]:
        self._channel.send({"type": "started", "attempt": launch.attempt_id, "at": at})
        yield

    def _finished(self, report: AttemptReport) -> AttemptReport:
        assert report.usage is not None
        report = attrs.evolve(report, usage=attrs.evolve(report.usage, peak_bytes=self._peak.read()))
        if self._stop.came and report.event == "failed":
            return attrs.evolve(report, kind=FailureKind.SIGNALLED, reason="ended by SIGTERM")
        return report
