"""The worker's end of the message pipe.

Invariant: frames of several threads never mix, and a stop signal never cuts a frame in two: while the main thread
sends, :attr:`Channel.sending` is true and the signal's handler leaves its work to :attr:`Channel.after_frame`.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator

from millrace.core.messages import FrameDecoder, encode
from millrace.core.types import Json

_CHUNK = 256 * 1024


class Channel:
    """Documents to and from the executor over a connected stream socket."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._lock = threading.Lock()
        self._main = threading.main_thread().ident
        self.sending = False
        """Whether the main thread is in the middle of a frame."""
        self.after_frame: Callable[[], None] | None = None
        """Called once by the main thread when its frame is out."""

    def send(self, document: Json) -> None:
        frame = encode(document)
        if threading.get_ident() != self._main:
            with self._lock:
                self._socket.sendall(frame)
            return
        self.sending = True
        try:
            with self._lock:
                self._socket.sendall(frame)
        finally:
            self.sending = False
        if self.after_frame is not None:
            action, self.after_frame = self.after_frame, None
            action()

    def documents(self) -> Iterator[Json]:
        """What the executor sends, until it is gone."""
        decoder = FrameDecoder()
        while True:
            try:
                data = self._socket.recv(_CHUNK)
            except OSError:  # the executor is gone, or user code closed the descriptor
                return
            if not data:
                return
            yield from decoder.feed(data)
