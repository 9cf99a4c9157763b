"""A client that only pulls and one that is only called end with the same events, word for word."""

import asyncio
import json
from random import Random
from typing import Any

import pytest
import standardwebhooks

from producers.webhooks.app import make_app
from runtime.clock import SystemClock
from schemas.event import Event
from tests.producers.feed.place import Place, Reader, client_of
from tests.support.asgi import call, running
from tests.support.public_events import (
    disabled,
    frozen,
    payment,
    public_ids,
    refused_account,
    released,
)
from tests.support.sink import Received, Say, Sink, open_sink
from tests.support.victim import Victim
from tests.support.waiting import eventually

pytestmark = [pytest.mark.real, pytest.mark.timeout(180)]

ROUNDS = 4
TIME_S_MAX = 170
REFUSED_EACH = 9
"""One call in so many is answered 500 by the client, and comes again."""


def life_of(client_id: str) -> list[Event]:
    """Some of everything that clients are told of."""
    at = SystemClock().now()
    return [
        *(e for _ in range(4) for e in payment(client_id, outcome="conflicted", at=at)),
        *(e for _ in range(4) for e in payment(client_id, outcome="refused", at=at)),
        *refused_account(client_id, at=at),
        *released(client_id, at=at),
        *frozen(client_id, at=at),
        *disabled(client_id, at=at),
    ]


async def make_endpoint(place: Place, client_id: str, url: str) -> str:
    """The secret of a new endpoint for everything."""
    async with running(make_app(place.settings, authenticator=client_of)) as app:
        answer = await call(
            app,
            "POST",
            "/webhooks/endpoints",
            headers=[("test-client", client_id), ("content-type", "application/json")],
            chunks=[json.dumps({"url": url}).encode()],
        )
    assert answer.status == 201, answer
    return str(answer.document["secret"])


class Pulling:
    """Follows the feed."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._query = "limit=7"
        self.seen: list[dict[str, Any]] = []

    async def until(self, count: int) -> None:
        while len(self.seen) < count:
            document = await self._reader.pull(self._query, wait_s=1)
            self.seen += document["data"]
            self._query = f"limit=7&after={document['next_cursor']}"


def called(sink: Sink, secret: str) -> dict[str, Any]:
    """What the sink has taken, by event; each call is verified."""
    library = standardwebhooks.Webhook(secret)
    bodies = [library.verify(each.body.decode(), each.headers) for each in sink.received]
    return {body["id"]: body for body in bodies}


async def test_who_only_pulls_and_who_is_only_called_end_with_the_same(
    place: Place, alice: Reader
) -> None:
    chance = Random(7)
    refusals: set[str] = set()

    def answer(received: Received) -> Say:
        name = received.headers["webhook-id"]
        if len(sink.received) % REFUSED_EACH == 0 and name not in refusals:
            refusals.add(name)
            return Say(500)
        return Say(204)

    # As they are packed: these stages share a process, which is killed.
    stages = ("event_feed", "webhooks", "payment_projection")
    worker = Victim(place.settings, {"TITAN_INSTANCE_ID": "one"}, "titan.worker", *stages)
    pool = Victim(place.settings, {}, "titan.pool", "webhook_delivery")
    expected: list[str] = []
    async with (
        asyncio.timeout(TIME_S_MAX),
        open_sink(answer) as sink,
        worker.running(),
        pool.running(),
    ):
        secret = await make_endpoint(place, alice.client_id, sink.url())
        pulling = Pulling(alice)
        for number in range(ROUNDS):
            mine, others = life_of(alice.client_id), life_of("client:another")
            expected += public_ids(mine)
            events = [*mine, *others]
            chance.shuffle(events)
            await place.publish(events)
            if number == 0:
                await eventually(lambda: len(sink.received) > 0, timeout_s=60)
            await pulling.until(len(expected) - chance.randrange(1, len(mine)))
            (worker if number % 2 == 0 else pool).kill()
        await pulling.until(len(expected))
        await eventually(lambda: len(set(sink.ids())) >= len(expected), timeout_s=60)
        taken = called(sink, secret)

    assert (worker.deaths, pool.deaths) == (2, 2)
    assert refusals
    pulled = {event["id"]: event for event in pulling.seen}
    assert len(pulled) == len(pulling.seen)
    assert sorted(pulled) == sorted(expected)
    assert taken == pulled
