"""A stream of events goes on while its caller is let in, and each client has its share of them."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI
from starlette.requests import Request
from starlette.responses import Response

from domain.errors import Unavailable
from runtime.clock import SystemClock
from runtime.http import limits
from runtime.http.access_token import invalid_token
from runtime.http.authorization import holder
from runtime.http.caller import Caller, Kind
from runtime.http.edge import edge_app
from runtime.http.problem import ProblemError
from runtime.http.streams import EventStream, Streams
from runtime.settings import Settings
from tests.support.asgi import Answer, call, running
from tests.support.waiting import eventually

ENDED: list[Exception] = [
    invalid_token(),
    ProblemError(403, "suspended", "suspended"),
    Unavailable("changes of standing do not arrive"),
]


@dataclass
class House:
    """An edge with one stream, of texts that the test writes; None ends it."""

    streams: Streams = field(default_factory=Streams)
    texts: "asyncio.Queue[str | None]" = field(default_factory=asyncio.Queue)
    refusal: Exception | None = None
    asked: int = 0
    left: int = 0
    app: FastAPI | None = None

    async def caller_of(self, request: Request) -> Caller:
        self.asked += 1
        if self.refusal is not None:
            raise self.refusal
        return Caller(request.headers["test-client"], Kind.DEMO)

    async def told(self) -> AsyncGenerator[str]:
        try:
            while (text := await self.texts.get()) is not None:
                yield text
        finally:
            self.left += 1

    def follow(self, client_id: str = "ada") -> "asyncio.Task[Answer]":
        assert self.app is not None
        headers = [("test-client", client_id)]
        return asyncio.create_task(call(self.app, "GET", "/follow", headers=headers))

    async def followed(self, count: int) -> None:
        await eventually(lambda: len(self.streams) == count)


@pytest.fixture
async def house(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[House]:
    monkeypatch.setattr(limits, "STREAM_ASK_S", 0.02)
    house, router = House(), APIRouter()

    async def follow(request: Request) -> Response:
        return EventStream(request, house.told(), house.streams)

    router.add_api_route("/follow", follow, response_model=None)

    @asynccontextmanager
    async def resources(*_: object) -> AsyncIterator[Any]:
        yield SimpleNamespace(checks=(), clock=SystemClock(), database=None)

    @asynccontextmanager
    async def open_edge(_: object) -> AsyncIterator[None]:
        yield None

    app = edge_app(
        "test",
        title="Test",
        description="An edge.",
        settings=Settings(),
        open_edge=open_edge,
        routers=[router],
        rules={("GET", "/follow"): holder()},
        resources=resources,
        authenticator=house.caller_of,
    )
    async with running(app) as house.app:
        yield house


async def test_a_stream_tells_what_comes_until_it_is_over(house: House) -> None:
    following = house.follow()
    for text in ("one\n\n", "two\n\n", None):
        house.texts.put_nowait(text)
        await asyncio.sleep(0.05)

    answer = await following

    assert (answer.status, answer.body) == (200, b"one\n\ntwo\n\n")
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["x-accel-buffering"] == "no"
    assert (len(house.streams), house.left) == (0, 1)


@pytest.mark.parametrize("refusal", ENDED, ids=lambda refusal: type(refusal).__name__)
async def test_who_must_stop_is_told_nothing_more_and_their_stream_ends(
    house: House, refusal: Exception
) -> None:
    silent = house.follow()
    house.texts.put_nowait("before\n\n")
    await eventually(house.texts.empty)
    await asyncio.sleep(0.05)

    house.refusal = refusal
    house.texts.put_nowait("after\n\n")
    async with asyncio.timeout(2):
        answer = await silent

    assert (answer.status, answer.body) == (200, b"before\n\n")
    assert (len(house.streams), house.left) == (0, 1)


async def test_a_stream_on_which_nothing_happens_ends_as_soon(house: House) -> None:
    silent = house.follow()
    await house.followed(1)
    await eventually(lambda: house.asked > 3)

    house.refusal = invalid_token()
    async with asyncio.timeout(2):
        answer = await silent

    assert answer.body == b""
    assert (len(house.streams), house.left) == (0, 1)


async def test_one_client_does_not_take_the_streams_of_all(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "STREAMS_OF_CLIENT_MAX", 2)
    monkeypatch.setattr(limits, "STREAMS_MAX", 3)
    # All at once: none of them is counted before another is looked at.
    streams = [house.follow() for _ in range(4)]
    await eventually(lambda: sum(each.done() for each in streams) == 2)
    for refused in (each.result() for each in streams if each.done()):
        assert (refused.status, refused.code) == (429, "too_many_streams")
        assert refused.headers["retry-after"] == str(limits.STREAMS_RETRY_AFTER_S)

    streams.append(house.follow("bob"))
    await house.followed(3)
    full = await house.follow("eve")
    assert (full.status, full.code) == (503, "unavailable")

    for each in streams:
        each.cancel()
    await asyncio.gather(*streams, return_exceptions=True)
    await house.followed(0)
    house.texts.put_nowait(None)
    assert (await house.follow()).status == 200
