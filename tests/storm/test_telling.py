"""Clients are told of every payment while those who tell them die: webhooks and notifications.

What was told is what the client's own server wrote down, in a process that nothing hits.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.storm.checking import check
from tests.storm.killing import kill_child, kill_server
from tests.support.waiting import eventually
from titan.chaos.load import Load
from titan.chaos.people import CROWD
from titan.chaos.receiver import ADDRESS, ENDPOINTS
from titan.chaos.scene import Receiver
from titan.chaos.target import Target
from titan.chaos.told import read_hearing

pytestmark = [
    pytest.mark.storm,
    pytest.mark.timeout(180),
    pytest.mark.asyncio(loop_scope="session"),
]

RATE_PER_S = 40.0
BURST = 100
FLAP_S = 2.0


@asynccontextmanager
async def receiving(storm: Target) -> AsyncIterator[Receiver]:
    """The client's server with its endpoints; both are gone afterwards."""
    directory = storm.titan.directory
    (directory / ADDRESS).write_text(json.dumps(storm.titan.webhooks_url))
    receiver = Receiver(directory, say=storm.said.append)
    receiver.child.start()
    try:
        await eventually(lambda: receiver.is_ready, 30.0)
        yield receiver
    finally:
        await forget(storm, directory)
        receiver.child.kill()


async def forget(storm: Target, directory: Path) -> None:
    for endpoint in read_hearing(directory).endpoints:
        url = f"{storm.titan.webhooks_url}/webhooks/endpoints/{endpoint.endpoint_id}"
        await storm.client.send("DELETE", url, headers={"If-Match": "*"})
    (directory / ENDPOINTS).unlink(missing_ok=True)


async def test_everybody_is_told_while_those_who_tell_are_killed(storm: Target) -> None:
    load = Load(storm.client, CROWD, rate_per_s=RATE_PER_S)
    async with receiving(storm) as receiver:
        async with load.flowing():
            for child in (*storm.workers, *storm.pools):
                await storm.client.pay_many(load.intents(BURST))
                await asyncio.sleep(storm.client.history.random.random() * 0.3)
                await kill_child(storm, child)
            before = receiver.heard_bytes
            receiver.flap(FLAP_S)
            await storm.client.pay_many(load.intents(BURST))
            await kill_server(storm, "PostgreSQL")
            await storm.client.pay_many(load.intents(BURST))
        await check(storm, hear=lambda: read_hearing(storm.titan.directory))

        hearing = read_hearing(storm.titan.directory)
        ids = {(each.endpoint_id, each.message_id) for each in hearing.heard}
        storm.tell(f" {len(ids)} deliveries in {len(hearing.heard)} requests")
        assert len(hearing.heard) > len(ids), "nothing had to be told again"
        assert receiver.failed_since(before), "the endpoint never flapped"
