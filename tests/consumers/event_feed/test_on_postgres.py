"""Several processes append to the same feeds: numbers have no gap, and readers miss nothing."""

import asyncio
import json
from collections.abc import AsyncIterator
from random import Random
from uuid import uuid4

import pytest

from consumers.event_feed.handler import on_events
from consumers.event_feed.store import PostgresFeed
from projections import feed
from projections.feed import Batch
from runtime.clock import SystemClock
from runtime.database import Database
from runtime.unit import PostgresUnits
from schemas.event import Event
from tests.support.public_events import delivered, payment, public_ids

pytestmark = pytest.mark.real


@pytest.fixture
async def database(database_dsn: str) -> AsyncIterator[Database]:
    database = await Database.connect(database_dsn, name="tests")
    yield database
    await database.close()


async def run_stage(database: Database, batches: list[list[Event]]) -> None:
    """One process of the stage works through these batches."""
    units, store = PostgresUnits(database), PostgresFeed(SystemClock())
    for batch in batches:
        async with units.plain() as unit:
            await on_events([delivered(event) for event in batch], unit, feed=store)


async def read_all(database: Database, client_id: str, *, limit: int = 7) -> list[str]:
    """The ids that somebody finds who follows the cursor until nothing is left."""
    found: list[str] = []
    place = None
    while True:
        async with database.connection() as connection:
            batch = await feed.read(connection, client_id, place, types=None, limit=limit)
        assert isinstance(batch, Batch)
        found += [json.loads(document)["id"] for document in batch.documents]
        place = batch.end
        if not batch.has_more:
            return found


@pytest.mark.parametrize("seed", range(3))
async def test_processes_that_share_payments_lose_nothing_and_readers_see_each_once(
    database: Database, seed: int
) -> None:
    chance = Random(seed)
    client_id = f"client:{uuid4()}"
    events = [
        event
        for number in range(60)
        for event in payment(client_id, outcome=("posted", "refused", "conflicted")[number % 3])
    ]
    # Each process reads its own topics; a rebalance gives some records to two of them.
    shares: list[list[Event]] = [[], [], []]
    for event in events:
        for share in chance.sample(shares, chance.choice((1, 1, 2))):
            share.append(event)
    for share in shares:
        chance.shuffle(share)
    cut = [[share[n : n + 9] for n in range(0, len(share), 9)] for share in shares]
    followed: list[str] = []

    async def follow() -> None:
        place = None
        while len(followed) < len(events):
            async with database.connection() as connection:
                batch = await feed.read(connection, client_id, place, types=None, limit=5)
            assert isinstance(batch, Batch)
            followed.extend(json.loads(document)["id"] for document in batch.documents)
            place = batch.end

    async with asyncio.timeout(15):
        await asyncio.gather(follow(), *(run_stage(database, batches) for batches in cut))

    assert sorted(followed) == sorted(public_ids(events))
    assert await read_all(database, client_id) == followed
    async with database.connection() as connection:
        heads = await feed.heads(connection, [client_id])
    assert heads == {client_id: len(events)}


async def test_a_batch_that_comes_again_after_its_commit_was_lost_changes_nothing(
    database: Database,
) -> None:
    client_id = f"client:{uuid4()}"
    events = payment(client_id)

    await run_stage(database, [events, events, list(reversed(events))])

    assert await read_all(database, client_id) == public_ids(events)
