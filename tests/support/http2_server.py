"""A server that speaks HTTP/2 over TLS and nothing else, as Apple's and Google's do."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import h2.config
import h2.connection
import h2.events

from tests.support.certificates import LOOPBACK, LocalTls

READ_BYTES = 65_535


@dataclass
class Asked:
    """A request that came in whole."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes = b""

    @property
    def document(self) -> Any:
        return json.loads(self.body)


@dataclass
class Told:
    """What the server answers."""

    status: int = 200
    document: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


Handler = Callable[[Asked], Told]
"""May raise ConnectionResetError: the connection is then cut without an answer."""


@dataclass
class Http2Server:
    """What came in, in order, and over how many connections."""

    port: int = 0
    asked: list[Asked] = field(default_factory=list)
    connections: int = 0

    @property
    def url(self) -> str:
        return f"https://{LOOPBACK}:{self.port}"


@asynccontextmanager
async def http2_server(handler: Handler, tls: LocalTls) -> AsyncIterator[Http2Server]:
    """The server, on a free port of loopback; `tls` was made for the protocol h2."""
    seen = Http2Server()
    writers: set[asyncio.StreamWriter] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.connections += 1
        writers.add(writer)
        try:
            await _Conversation(reader, writer, handler, seen).run()
        except (ConnectionError, asyncio.IncompleteReadError):
            writer.transport.abort()
        finally:
            writers.discard(writer)
            writer.close()

    server = await asyncio.start_server(serve, LOOPBACK, 0, ssl=tls.server)
    seen.port = server.sockets[0].getsockname()[1]
    try:
        yield seen
    finally:
        server.close()
        for writer in writers:
            writer.transport.abort()
        await server.wait_closed()


class _Conversation:
    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        handler: Handler,
        seen: Http2Server,
    ) -> None:
        self._reader, self._writer = reader, writer
        self._handler, self._seen = handler, seen
        config = h2.config.H2Configuration(client_side=False, header_encoding="utf-8")
        self._connection = h2.connection.H2Connection(config)
        self._open: dict[int, Asked] = {}

    async def run(self) -> None:
        self._connection.initiate_connection()
        await self._flush()
        while data := await self._reader.read(READ_BYTES):
            for event in self._connection.receive_data(data):
                self._on(event)
            await self._flush()

    def _on(self, event: h2.events.Event) -> None:
        match event:
            case h2.events.RequestReceived():
                headers = {str(name): str(value) for name, value in event.headers}
                self._open[event.stream_id] = Asked(headers[":method"], headers[":path"], headers)
            case h2.events.DataReceived():
                self._open[event.stream_id].body += event.data
                self._connection.acknowledge_received_data(
                    event.flow_controlled_length, event.stream_id
                )
            case h2.events.StreamEnded():
                self._answer(event.stream_id, self._open.pop(event.stream_id))

    def _answer(self, stream_id: int, asked: Asked) -> None:
        self._seen.asked.append(asked)
        told = self._handler(asked)
        body = b"" if told.document is None else json.dumps(told.document).encode()
        headers = [(":status", str(told.status)), ("content-length", str(len(body)))]
        headers += [(name.lower(), value) for name, value in told.headers.items()]
        self._connection.send_headers(stream_id, headers, end_stream=not body)
        if body:
            self._connection.send_data(stream_id, body, end_stream=True)

    async def _flush(self) -> None:
        self._writer.write(self._connection.data_to_send())
        await self._writer.drain()
