"""One worker process as the executor's loop sees it: descriptors, frames, signals. It knows nothing of scheduling.

Invariant: a process is reaped only after its group was killed, so its pid cannot have been given to another by then.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
from collections.abc import Sequence

import psutil

from millrace.core.messages import FrameDecoder, encode
from millrace.core.types import Json

VARIABLE = "MILLRACE_WORKER"
"""How the process finds its descriptors: ``messages:lifeline:pid of the executor``."""
_CHUNK = 256 * 1024


class WorkerProcess:
    """Started in a session of its own, never forked from code that is loaded here. OSError when it cannot run."""

    def __init__(self, command: Sequence[str]) -> None:
        self._decoder = FrameDecoder()
        self._outgoing = bytearray()
        self.hung_up = False
        """Whether the other end of the message pipe is closed."""
        with contextlib.ExitStack() as opened:
            self.messages, theirs = socket.socketpair()
            opened.callback(self.messages.close)
            with theirs:
                self.output, output_end = _pipe(opened, "read")
                lifeline_end, self._lifeline = _pipe(opened, "write")
                try:
                    self._popen = subprocess.Popen(
                        list(command),
                        stdin=subprocess.DEVNULL,
                        stdout=output_end,
                        stderr=output_end,
                        pass_fds=(theirs.fileno(), lifeline_end),
                        start_new_session=True,
                        env={**os.environ, VARIABLE: f"{theirs.fileno()}:{lifeline_end}:{os.getpid()}"},
                    )
                finally:
                    os.close(output_end)
                    os.close(lifeline_end)
            self.pid = self._popen.pid
            self.exited = os.pidfd_open(self.pid)
            opened.callback(os.close, self.exited)
            self._opened = opened.pop_all()
        self.messages.setblocking(False)
        os.set_blocking(self.output, False)

    @property
    def returncode(self) -> int:
        """After :meth:`reap`: the exit code, or minus the signal."""
        code = self._popen.returncode
        assert code is not None
        return code

    def send(self, document: Json) -> None:
        """Queue a document; :meth:`flush` sends."""
        self._outgoing += encode(document)

    def flush(self) -> bool:
        """Send what the pipe takes. Whether something is left."""
        while self._outgoing:
            try:
                sent = self.messages.send(self._outgoing)
            except BlockingIOError:
                return True
            except OSError:  # it is gone; its exit is handled when it is seen
                self._outgoing.clear()
                return False
            del self._outgoing[:sent]
        return False

    def receive(self) -> list[Json]:
        """The documents that have arrived."""
        documents: list[Json] = []
        while True:
            try:
                data = self.messages.recv(_CHUNK)
            except BlockingIOError:
                return documents
            except OSError:
                data = b""
            if not data:
                self.hung_up = True
                return documents
            documents += self._decoder.feed(data)
            if len(data) < _CHUNK:
                return documents

    def read_output(self) -> bytes | None:
        """What it printed, at most a chunk; None at the end of the pipe."""
        try:
            return os.read(self.output, _CHUNK) or None
        except BlockingIOError:
            return b""

    def signal_group(self, number: signal.Signals) -> None:
        """To the process and all that its task started and that stayed in its group."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)

    def kill(self) -> None:
        """SIGKILL to the process, its group, and descendants that left the group."""
        descendants: list[psutil.Process] = []
        with contextlib.suppress(psutil.Error):
            descendants = psutil.Process(self.pid).children(recursive=True)
        self.signal_group(signal.SIGKILL)
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)  # before it made its session it had no group of its own
        for process in descendants:
            with contextlib.suppress(psutil.Error):
                process.kill()

    def resident_bytes(self) -> int:
        """Of the process and its descendants; 0 when it is gone."""
        total = 0
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(self.pid)
            total = process.memory_info().rss
            for child in process.children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    total += child.memory_info().rss
        return total

    def reap(self) -> int:
        """Kill what is left of its group, wait for the process, which has exited."""
        self.signal_group(signal.SIGKILL)
        return self._popen.wait()

    def close(self) -> None:
        """Close every descriptor."""
        self._opened.close()


def _pipe(opened: contextlib.ExitStack, kept: str) -> tuple[int, int]:
    """A pipe whose ``kept`` end is closed with ``opened``."""
    ends = os.pipe()
    opened.callback(os.close, ends[0] if kept == "read" else ends[1])
    return ends
