"""A receiver of webhooks that costs next to nothing: it notes when each came, and answers 204.

What is sent to SLOW is answered after SLOW_S. One server for all: endpoints differ by their paths.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, cast

from runtime.clock import Clock

SLOW: Final = "/slow"
SLOW_S: Final = 10.0

_END_OF_HEAD: Final = b"\r\n\r\n"
_LENGTH: Final = b"content-length: "
_ID: Final = b"webhook-id: "
_ANSWER: Final = b"HTTP/1.1 204 No Content\r\n\r\n"


class Sink:
    """What came, and when, by the id of the delivery."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.port = 0
        self.came_s: dict[str, float] = {}
        """When each came first, in monotonic seconds; what is sent to SLOW is not noted."""
        self.repeats = 0

    def url(self, path: str) -> str:
        """What an endpoint is made with."""
        return f"http://127.0.0.1:{self.port}{path}"

    def note(self, delivery_id: str) -> None:
        """It came just now."""
        if delivery_id in self.came_s:
            self.repeats += 1
        else:
            self.came_s[delivery_id] = self._clock.monotonic_s()


class _Door(asyncio.Protocol):
    """One connection, one request at a time."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are ones by what they do, not by their class.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head_end = self._buffer.find(_END_OF_HEAD)
        if head_end < 0:
            return
        head = self._buffer[:head_end]
        if len(self._buffer) < head_end + len(_END_OF_HEAD) + int(_after(_LENGTH, head)):
            return
        self._buffer = b""
        if head.startswith(f"POST {SLOW} ".encode()):
            asyncio.get_running_loop().call_later(SLOW_S, self._answer)
        else:
            self._sink.note(_after(_ID, head).decode())
            self._answer()

    def _answer(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(_ANSWER)


@asynccontextmanager
async def open_sink(clock: Clock) -> AsyncIterator[Sink]:
    """A sink for as long as the block."""
    sink = Sink(clock)
    server = await asyncio.get_running_loop().create_server(lambda: _Door(sink), "127.0.0.1", 0)
    sink.port = server.sockets[0].getsockname()[1]
    try:
        yield sink
    finally:
        server.close()


def _after(name: bytes, head: bytes) -> bytes:
    start = head.index(name) + len(name)
    return head[start:].split(b"\r\n", 1)[0]
