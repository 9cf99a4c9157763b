"""Call an ASGI application as a server would, byte for byte, however ill-bred the client is."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI

Headers = Sequence[tuple[str, str | bytes]]


@dataclass(frozen=True)
class Answer:
    """What came back. Header names are lower case; of a repeated header the last value is kept."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        """The body's JSON."""
        return json.loads(self.body)

    @property
    def code(self) -> str | None:
        """The problem's code; None where the answer is no problem."""
        if self.headers.get("content-type") != "application/problem+json":
            return None
        code: str = self.document["code"]
        return code


@asynccontextmanager
async def running(app: FastAPI) -> AsyncIterator[FastAPI]:
    """The application, started; stopped after the block."""
    async with app.router.lifespan_context(app):
        yield app


async def call(
    app: FastAPI,
    method: str,
    path: str,
    *,
    headers: Headers = (),
    chunks: Sequence[bytes] = (b"",),
    never_ends: bool = False,
    client_host: str = "127.0.0.1",
) -> Answer:
    """Send a request whose body arrives in these chunks, and read the whole answer.

    `never_ends` leaves the body open: nothing more comes, and nothing says that it is over.
    """
    path, _, query = path.partition("?")
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(name.encode(), _bytes(value)) for name, value in headers],
        "client": (client_host, 1),
        "server": ("127.0.0.1", 80),
        "state": {},
    }
    waiting = list(chunks)
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        if waiting:
            chunk = waiting.pop(0)
            return {
                "type": "http.request",
                "body": chunk,
                "more_body": bool(waiting) or never_ends,
            }
        await asyncio.Event().wait()
        raise AssertionError("the body is over")

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, send)
    [start, *parts] = sent
    return Answer(
        status=start["status"],
        headers={name.decode(): value.decode("latin-1") for name, value in start["headers"]},
        body=b"".join(part.get("body", b"") for part in parts),
    )


def _bytes(value: str | bytes) -> bytes:
    return value.encode("latin-1") if isinstance(value, str) else value
