"""A plain HTTP/1.1 client: it costs little beside what it measures, and hides no failure."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import urlsplit

ANSWER_S_MAX: Final = 15.0
"""Longer than an edge takes for an answer, or for saying that it has none."""

_END_OF_HEAD: Final = b"\r\n\r\n"

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class NoAnswer(Exception):  # noqa: N818 - it is no error: the request may have been heard
    """The connection broke or the time was up."""


@dataclass(frozen=True)
class Answer:
    """What came back; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def is_success(self) -> bool:
        """Whether the server did what was asked."""
        return HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES

    def json(self) -> Any:  # noqa: ANN401 - JSON is anything
        """The body's document."""
        return json.loads(self.content)


class Http:
    """Keeps connections open, as many to each server as there are requests at once."""

    def __init__(self) -> None:
        self._idle: dict[str, list[Connection]] = {}

    async def request(
        self,
        method: str,
        url: str,
        *,
        document: Any = None,  # noqa: ANN401 - JSON is anything
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> Answer:
        """One request, sent once; NoAnswer if nobody can say whether it was heard."""
        parts = urlsplit(url)
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        body = b"" if document is None else json.dumps(document).encode()
        lines = [
            f"{method} {path} HTTP/1.1",
            f"Host: {parts.netloc}",
            f"Content-Length: {len(body)}",
            *(() if document is None else ("Content-Type: application/json",)),
            *(f"{name}: {value}" for name, value in headers.items()),
        ]
        request = "\r\n".join(lines).encode() + _END_OF_HEAD + body
        try:
            async with asyncio.timeout(ANSWER_S_MAX):
                connection = await self._connection(parts.netloc)
                try:
                    answer = await _exchanged(connection, request)
                except BaseException:
                    connection[1].transport.abort()
                    raise
        except (OSError, EOFError, TimeoutError) as error:
            raise NoAnswer(type(error).__name__) from error
        self._idle[parts.netloc].append(connection)
        return answer

    def close(self) -> None:
        """Hang up."""
        for connections in self._idle.values():
            for _, writer in connections:
                writer.transport.abort()
            connections.clear()

    async def _connection(self, server: str) -> Connection:
        idle = self._idle.setdefault(server, [])
        while idle:
            reader, writer = idle.pop()
            if not reader.at_eof() and not writer.is_closing():
                return reader, writer
            writer.transport.abort()
        host, port = server.split(":")
        return await asyncio.open_connection(host, int(port))


async def _exchanged(connection: Connection, request: bytes) -> Answer:
    reader, writer = connection
    writer.write(request)
    head = (await reader.readuntil(_END_OF_HEAD)).decode("latin-1").splitlines()
    headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
    content = await reader.readexactly(int(headers.get("content-length", "0")))
    return Answer(int(head[0].split()[1]), headers, content)
