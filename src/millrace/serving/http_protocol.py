"""HTTP/1.1 for uvicorn with the header and the body of an answer in one write.

uvicorn writes them apart. On a kept-alive connection two small segments can wait for a delayed acknowledgement
(40 ms), and each costs a system call. Invariant: bytes leave in the order they were written, and a header is
held at most until the event loop's next turn, so streamed answers start as promptly as before.
"""

from __future__ import annotations

import asyncio
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_STATUS_LINE = b"HTTP/1.1 "


class _HeaderHoldingTransport:
    """A transport that sends a header together with what is written next. All else is the transport's own."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._held = b""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        if not self._held and data.startswith(_STATUS_LINE):
            self._held = data
            self._loop.call_soon(self.flush)
        else:
            data, self._held = self._held + data, b""
            self._transport.write(data)

    def flush(self) -> None:
        if self._held:
            data, self._held = self._held, b""
            self._transport.write(data)

    def close(self) -> None:
        self.flush()
        self._transport.close()


class OneWriteHttpProtocol(HttpToolsProtocol):
    """Give it to uvicorn as ``Config(http=OneWriteHttpProtocol)``."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's own does
        super().connection_made(cast("asyncio.Transport", _HeaderHoldingTransport(transport, self.loop)))
