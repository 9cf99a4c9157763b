"""Who only pulls ends with what the log holds, whatever is killed meanwhile."""

import asyncio
from contextlib import AsyncExitStack
from random import Random

import httpx
import pytest

from runtime.clock import SystemClock
from schemas.event import Event
from schemas.payment import PaymentRequested
from schemas.public import PUBLIC_TYPES
from tests.producers.feed.place import Place
from tests.support.public_events import payment, released
from tests.support.victim import Victim
from titan.servers.ports import free_port

pytestmark = [pytest.mark.real, pytest.mark.timeout(180)]

OWNER = "demo"
ROUNDS = 5
KILLED_ROUND = 1
TWIN_ROUND = 3
DEATHS_MIN = 3
TIME_S_MAX = 170


class Puller:
    """Keeps each answer's events together with its cursor, and asks again after what it keeps."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client
        self._after: str | None = None
        self.seen: list[dict[str, str]] = []
        self.failures = 0

    async def pull(self) -> None:
        parameters = {"limit": "9"} | ({} if self._after is None else {"after": self._after})
        try:
            answer = await self._client.get(
                "/events", params=parameters, headers={"Prefer": "wait=1"}
            )
        except httpx.HTTPError:
            self.failures += 1
            await asyncio.sleep(0.05)
            return
        if answer.status_code == httpx.codes.OK:
            document = answer.json()
            self.seen += document["data"]
            self._after = document["next_cursor"]
        else:
            assert answer.status_code == httpx.codes.SERVICE_UNAVAILABLE


async def owned(place: Place) -> set[str]:
    """The ids of what the log holds for the owner, by reading the log alone."""
    records = await place.logged(sorted(PUBLIC_TYPES))
    headers = [dict(record.headers) for record in records]
    subjects = {
        attributes["ce_subject"]
        for record, attributes in zip(records, headers, strict=True)
        if f'"client_id":"{OWNER}"'.encode() in record.value
    }
    return {
        attributes["ce_id"].decode()
        for attributes in headers
        if attributes["ce_subject"] in subjects
    }


async def test_a_client_that_only_pulls_has_each_event_of_the_log_once_after_kills(
    place: Place,
) -> None:
    chance = Random(6)
    port = free_port()
    edge = Victim(place.settings, {"TITAN_FEED_PORT": str(port)}, "titan.edge", "feed")
    stage, twin = (
        Victim(place.settings, {"TITAN_INSTANCE_ID": name}, "titan.worker", "event_feed")
        for name in ("one", "two")
    )
    published = 0
    client = httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=3)
    async with (
        asyncio.timeout(TIME_S_MAX),
        client,
        edge.running(),
        stage.running(),
        AsyncExitStack() as later,
    ):
        puller = Puller(client)
        while not puller.seen:
            if not published:
                await place.publish(payment(OWNER, at=SystemClock().now()))
                published = 2
            await puller.pull()
        for number in range(ROUNDS):
            if number == TWIN_ROUND:
                # Half of the partitions change hands in the middle of it all.
                await later.enter_async_context(twin.running())
                await place.until_members(2)
            at = SystemClock().now()
            events: list[Event] = [
                event
                for owner in (OWNER, "client:another")
                for _ in range(15)
                for event in (*payment(owner, outcome="conflicted", at=at), *released(owner, at=at))
            ]
            # Side by side, as topics are: an outcome may be read before its request.
            chance.shuffle(events)
            await place.publish(events)
            published += len(events) // 2
            enough = len(puller.seen) + chance.randrange(1, 50)
            while len(puller.seen) < min(enough, published):
                await puller.pull()
            edge.kill()
            if (victim := {KILLED_ROUND: stage, TWIN_ROUND: twin}.get(number)) is not None:
                victim.kill()
        while len(puller.seen) < published:
            await puller.pull()

    ids = [event["id"] for event in puller.seen]
    assert len(ids) == len(set(ids))
    assert set(ids) == await owned(place)
    assert edge.deaths >= DEATHS_MIN
    assert (stage.deaths, twin.deaths) == (1, 1)
    assert puller.failures > 0
    begun: set[str] = set()
    for event in puller.seen:
        if event["type"] == PaymentRequested.TOPIC:
            begun.add(event["subject"])
        assert event["subject"] in begun or not event["type"].startswith("payment.")
