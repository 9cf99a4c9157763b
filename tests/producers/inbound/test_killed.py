"""What a provider was told is taken is in the log, whenever the edge is killed."""

import asyncio
from random import Random
from uuid import uuid4

import httpx
import pytest

from runtime.clock import SystemClock
from tests.producers.inbound.place import Place
from tests.producers.inbound.senders import stripe
from tests.support.victim import Victim
from tests.support.waiting import eventually
from titan.servers.ports import free_port

pytestmark = [pytest.mark.real, pytest.mark.timeout(90)]

DEATHS = 3
MESSAGES = 90
AT_ONCE = 8
RETRY_S = 0.3


class Sender:
    """A provider: sends each message again and again until it is 200."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client
        self._gate = asyncio.Semaphore(AT_ONCE)
        self._chance = Random(4)
        self.taken: set[str] = set()
        self.failures = 0

    async def send(self, message_id: str) -> None:
        async with self._gate:
            while not await self._try(message_id):
                await SystemClock().sleep(RETRY_S * self._chance.random())
            self.taken.add(message_id)

    async def _try(self, message_id: str) -> bool:
        body = f'{{"id":"{message_id}"}}'.encode()
        headers = stripe(body, int(SystemClock().now().timestamp()))
        try:
            answer = await self._client.post("/inbound/stripe", content=body, headers=headers)
        except httpx.HTTPError:
            self.failures += 1
            return False
        assert answer.status_code in (httpx.codes.OK, httpx.codes.SERVICE_UNAVAILABLE)
        return answer.status_code == httpx.codes.OK


async def test_every_message_that_was_taken_is_in_the_log_under_one_id(place: Place) -> None:
    port = free_port()
    secrets = place.settings.inbound_secrets
    variables = {"TITAN_INBOUND_PORT": str(port), "TITAN_INBOUND_SECRETS": str(secrets)}
    edge = Victim(place.settings, variables, "titan.edge", "inbound")
    ids = [str(uuid4()) for _ in range(MESSAGES)]

    async def kill(sender: Sender) -> None:
        for death in range(1, DEATHS + 1):
            enough = death * MESSAGES // (DEATHS + 1)
            await eventually(lambda: len(sender.taken) >= enough, timeout_s=60)  # noqa: B023
            edge.kill()

    client = httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=5)
    async with client, edge.running():
        sender = Sender(client)
        await asyncio.gather(kill(sender), *map(sender.send, ids))

    assert edge.deaths == DEATHS
    assert sender.failures > 0
    assert sender.taken == set(ids)
    logged: dict[str, set[bytes]] = {}
    for value in await place.logged():
        logged.setdefault(value["provider_event_id"], set()).add(value["headers"]["ce_id"])
    assert {message_id: len(logged[message_id]) for message_id in ids} == dict.fromkeys(ids, 1)
