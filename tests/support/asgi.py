"""Call an ASGI application as a server would, byte for byte, however ill-bred the client is."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http.client import BAD_REQUEST
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
    started: "asyncio.Future[Answer] | None" = None,
) -> Answer:
    """Send a request whose body arrives in these chunks, and read the whole answer.

    `never_ends` leaves the body open: nothing more comes, and nothing says that it is over.
    `started` gets the answer without its body, as soon as that is known.
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
        if started is not None and message["type"] == "http.response.start":
            started.set_result(_answer(message, b""))

    await app(scope, receive, send)
    [start, *parts] = sent
    return _answer(start, b"".join(part.get("body", b"") for part in parts))


async def call_stream(app: FastAPI, method: str, path: str, *, headers: Headers = ()) -> Answer:
    """Ask for a stream, which may never end, and hang up once it has begun."""
    started: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
    asking = asyncio.create_task(call(app, method, path, headers=headers, started=started))
    await asyncio.wait({asking, started}, return_when=asyncio.FIRST_COMPLETED)
    if asking.done() or started.result().status >= BAD_REQUEST:
        return await asking
    asking.cancel()
    await asyncio.wait([asking])
    return started.result()


def _bytes(value: str | bytes) -> bytes:
    return value.encode("latin-1") if isinstance(value, str) else value


def _answer(start: Any, body: bytes) -> Answer:
    headers = {name.decode(): value.decode("latin-1") for name, value in start["headers"]}
    return Answer(status=start["status"], headers=headers, body=body)
