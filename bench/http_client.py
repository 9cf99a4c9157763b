"""A small HTTP/1.1 client for making load: one request at a time on each kept-open connection.

It costs a fraction of what a general client costs, which matters because it shares the machine
with what it measures.
"""

import asyncio
import itertools
from collections.abc import Sequence
from typing import Final, cast
from urllib.parse import urlsplit

_END_OF_HEAD: Final = b"\r\n\r\n"
_LENGTH: Final = b"content-length:"


class Connection(asyncio.Protocol):
    """One connection; `ask` must not be called again before its answer is there."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self._answer: asyncio.Future[tuple[int, bytes]] | None = None
        self._closed = asyncio.Event()

    @property
    def is_closed(self) -> bool:
        """Whether either side hung up."""
        return self._closed.is_set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember the socket."""
        # uvloop's transports are ones by what they do, not by their class.
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail what waits for an answer."""
        self._closed.set()
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(exc or ConnectionResetError("closed by the server"))

    def data_received(self, data: bytes) -> None:
        """Complete the answer once head and body are whole."""
        self._buffer += data
        head_end = self._buffer.find(_END_OF_HEAD)
        if head_end < 0:
            return
        head = self._buffer[:head_end].lower()
        start = head.index(_LENGTH) + len(_LENGTH)
        length = int(head[start:].split(b"\r\n", 1)[0])
        body = self._buffer[head_end + len(_END_OF_HEAD) :]
        if len(body) >= length and self._answer is not None:
            self._buffer = b""
            self._answer.set_result((int(head.split(b" ", 2)[1]), body))

    def ask(self, request: bytes) -> "asyncio.Future[tuple[int, bytes]]":
        """Send; the future gives status and body."""
        assert self._transport is not None
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return self._answer

    async def close(self) -> None:
        """Hang up, and wait until that is done."""
        if self._transport is not None:
            self._transport.close()
            await self._closed.wait()


class Client:
    """A fixed number of kept-open connections to one server; a request waits for a free one.

    `local_hosts` are addresses of this machine to call from, in turn.
    """

    def __init__(self, url: str, *, local_hosts: Sequence[str] = ()) -> None:
        parts = urlsplit(url)
        assert parts.hostname is not None
        assert parts.port is not None
        self._host, self._port = parts.hostname, parts.port
        self._local_hosts = itertools.cycle(local_hosts or [None])
        # In turn, so that none is idle for so long that the server hangs up.
        self._idle: asyncio.Queue[Connection] = asyncio.Queue()

    async def connect(self, count: int) -> None:
        """Open so many connections."""
        for _ in range(count):
            self._idle.put_nowait(await self._open())

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        """Status and body."""
        connection = await self._idle.get()
        if connection.is_closed:
            connection = await self._open()
        try:
            return await connection.ask(request)
        finally:
            self._idle.put_nowait(connection)

    async def _open(self) -> Connection:
        loop = asyncio.get_running_loop()
        local = next(self._local_hosts)
        _, connection = await loop.create_connection(
            Connection, self._host, self._port, local_addr=None if local is None else (local, 0)
        )
        return connection

    async def close(self) -> None:
        """Hang up everywhere; nothing may be under way."""
        while not self._idle.empty():
            await self._idle.get_nowait().close()


def get_request(path: str) -> bytes:
    """A GET as it goes over the wire."""
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


def post_request(path: str, body: bytes, *, key: str) -> bytes:
    """A POST of JSON with an idempotency key, as it goes over the wire."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Idempotency-Key: {key}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
