"""A TCP proxy that can be slow, deaf, gone, or lose just the reply that tells of a success."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from titan.chaos.spies import MakeSpy, Spy
from titan.servers.ports import LOOPBACK, free_port

_CHUNK_BYTES: Final = 64 * 1024


@dataclass(eq=False)
class _Connection:
    """A client's connection, and ours to the server."""

    client: asyncio.StreamWriter
    spies: Mapping[str, Spy]
    server: asyncio.StreamWriter | None = None
    losing: str | None = None
    """What the spy of that name is to lose the reply of."""

    def abort(self) -> None:
        """Reset both ends."""
        for writer in (self.client, self.server):
            if writer is not None:
                writer.transport.abort()


@dataclass(eq=False)
class Link:
    """One port that hands on to another. What is done to it concerns all its connections."""

    name: str
    spies: Mapping[str, MakeSpy]
    port: int = field(default_factory=free_port)
    target_port: int = 0
    delay_s: float = 0.0
    """Each piece of data, in both directions, comes so much later."""
    is_refusing: bool = False
    """New connections are reset at once."""
    lost: Counter[str] = field(default_factory=Counter)
    """Replies that were lost on purpose so far, by spy."""
    _wanted: str | None = None
    _server: asyncio.Server | None = None
    _connections: set[_Connection] = field(default_factory=set)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _open: asyncio.Event = field(default_factory=asyncio.Event)

    async def listen(self) -> None:
        """Take connections from now on."""
        self._open.set()
        self._server = await asyncio.start_server(self._serve, LOOPBACK, self.port)

    async def close(self) -> None:
        """Hang up and listen no more."""
        if self._server is not None:
            self._server.close()
        self.cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def hold(self) -> None:
        """Let nothing through: neither an answer nor an end, as a network that swallows."""
        self._open.clear()

    def release(self) -> None:
        """Let everything through that was held, late."""
        self._open.set()

    def cut(self) -> int:
        """Reset all connections; how many there were."""
        connections = list(self._connections)
        for connection in connections:
            connection.abort()
        return len(connections)

    def lose_reply(self, spy: str) -> None:
        """Lose the next reply that this spy waits for, and the connection with it."""
        self._wanted = spy

    def keep_replies(self) -> None:
        """Lose no reply any more."""
        self._wanted = None
        for connection in self._connections:
            connection.losing = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.is_refusing:
            writer.transport.abort()
            return
        connection = _Connection(writer, {name: make() for name, make in self.spies.items()})
        self._connections.add(connection)
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._open.wait()
            server_reader, connection.server = await asyncio.open_connection(
                LOOPBACK, self.target_port
            )
            await asyncio.gather(
                self._ask(connection, reader, connection.server),
                self._answer(connection, server_reader, writer),
            )
        except OSError:
            # The server is away or has hung up: so do we.
            pass
        finally:
            connection.abort()
            self._connections.discard(connection)
            self._tasks.discard(task)

    async def _ask(
        self, connection: _Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        while data := await reader.read(_CHUNK_BYTES):
            for name, spy in connection.spies.items():
                if spy.asks(data) and name == self._wanted:
                    self._wanted, connection.losing = None, name
            await self._hand_on(data, writer)
        # Half of the connection may still be in use, but none of ours does that.
        connection.abort()

    async def _answer(
        self, connection: _Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        while data := await reader.read(_CHUNK_BYTES):
            for name, spy in connection.spies.items():
                if spy.answers(data) and name == connection.losing:
                    self.lost[name] += 1
                    connection.abort()
                    return
            await self._hand_on(data, writer)
        connection.abort()

    async def _hand_on(self, data: bytes, writer: asyncio.StreamWriter) -> None:
        if self.delay_s:
            await asyncio.sleep(self.delay_s)
        await self._open.wait()
        # Of a connection that has just been cut, the event loop says an error of its own.
        with suppress(RuntimeError):
            writer.write(data)
            await writer.drain()
