"""Streams of server-sent events: so many of each client, each for as long as its caller is let in.

Whoever must stop is told nothing more: a stream that is open asks again what was asked at the door.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import contextmanager

from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from domain.errors import Unavailable
from runtime.http import limits
from runtime.http.authorization import admit_again
from runtime.http.caller import CALLER, Caller
from runtime.http.problem import ProblemError


class Streams:
    """The streams that one process of an edge serves."""

    def __init__(self) -> None:
        self._open: Counter[str] = Counter()

    def __len__(self) -> int:
        return self._open.total()

    @contextmanager
    def place_of(self, client_id: str) -> Iterator[None]:
        """One stream more, for as long as the block.

        ProblemError 429 if this client has too many of them, Unavailable if all have together.
        """
        if self._open[client_id] >= limits.STREAMS_OF_CLIENT_MAX:
            raise ProblemError(
                429,
                "too_many_streams",
                "too many of your streams are open; close one and try again",
                headers={"Retry-After": str(limits.STREAMS_RETRY_AFTER_S)},
            )
        if len(self) >= limits.STREAMS_MAX:
            raise Unavailable("too many streams are open")
        self._open[client_id] += 1
        try:
            yield
        finally:
            self._open[client_id] -= 1
            if self._open[client_id] <= 0:
                del self._open[client_id]


class EventStream(StreamingResponse):
    """A route's answer that goes on: these texts, while the request's caller is let in."""

    media_type = "text/event-stream"

    def __init__(self, request: Request, texts: AsyncGenerator[str], streams: Streams) -> None:
        super().__init__(_while_let_in(request, texts), headers={"X-Accel-Buffering": "no"})
        caller: Caller = request.scope[CALLER]
        self._client_id = caller.client_id
        self._streams = streams

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve it. A stream that finds no place is answered with a problem, and never begins."""
        with self._streams.place_of(self._client_id):
            await super().__call__(scope, receive, send)


async def _while_let_in(request: Request, texts: AsyncGenerator[str]) -> AsyncIterator[str]:
    """The texts, until there are no more or the caller must stop.

    A stream that ends is asked for anew, and whoever asks is then told why it ended.
    """
    coming: asyncio.Task[str | None] | None = None
    try:
        while True:
            coming = coming or asyncio.create_task(_next(texts))
            await asyncio.wait([coming], timeout=limits.STREAM_ASK_S)
            # Before each text too: what has just come is not told to who must stop.
            await admit_again(request)
            if not coming.done():
                continue
            text, coming = coming.result(), None
            if text is None:
                return
            yield text
    except (ProblemError, Unavailable):
        return
    finally:
        if coming is not None:
            coming.cancel()
            await asyncio.gather(coming, return_exceptions=True)
        await texts.aclose()


async def _next(texts: AsyncGenerator[str]) -> str | None:
    return await anext(texts, None)
