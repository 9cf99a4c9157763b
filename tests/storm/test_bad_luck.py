"""Payments flow while everything dies and comes back; afterwards the books are right."""

import asyncio
from collections.abc import Sequence
from functools import partial

import pytest
from redis.asyncio import Redis

from runtime.topics import topic_map
from tests.storm.books import check
from tests.storm.check_flow import FINAL
from tests.storm.client import Load
from tests.storm.garbage import strew
from tests.storm.history import Intent
from tests.storm.people import CROWD, claim, open_account
from tests.storm.place import RECOVERY_S_MAX, Storm
from tests.support.waiting import eventually

pytestmark = [
    pytest.mark.storm,
    pytest.mark.timeout(180),
    pytest.mark.asyncio(loop_scope="session"),
]

RATE_PER_S = 150.0
BURST = 300
KILLS = 3
ERASURES = 30
HELD_S = 1.5


def load_on(storm: Storm) -> Load:
    return Load(storm.client, CROWD, rate_per_s=RATE_PER_S)


async def test_stages_killed_in_the_middle_of_their_work(storm: Storm) -> None:
    load = load_on(storm)
    async with load.flowing():
        for _ in range(KILLS):
            for worker in storm.workers:
                # A burst makes large batches; the kill falls somewhere into them.
                await storm.client.pay_many(load.intents(BURST))
                await asyncio.sleep(storm.client.history.random.random() * 0.3)
                await storm.kill_child(worker)

    books = await check(storm)
    assert books.repeats > 0, "no kill fell into any work"


@pytest.mark.parametrize("name", ["Kafka", "PostgreSQL", "Valkey"])
async def test_a_server_killed_while_payments_flow(storm: Storm, name: str) -> None:
    load = load_on(storm)
    async with load.flowing():
        await storm.client.pay_many(load.intents(BURST))
        await storm.kill_server(name)
        await storm.client.pay_many(load.intents(BURST))

    await check(storm)


async def test_everything_killed_in_the_same_moment(storm: Storm) -> None:
    load = load_on(storm)
    async with load.flowing():
        await storm.client.pay_many(load.intents(BURST))
        await asyncio.gather(
            *map(storm.kill_child, [*storm.workers, *storm.edges]),
            *map(storm.kill_server, ["Kafka", "PostgreSQL", "Valkey"]),
        )
        await storm.client.pay_many(load.intents(BURST))

    await check(storm)


async def test_the_cache_erased_while_payments_flow(storm: Storm) -> None:
    load = load_on(storm)
    async with load.flowing(), Redis.from_url(storm.titan.addresses.redis_url) as redis:
        for _ in range(ERASURES):
            await storm.client.pay_many(load.intents(50))
            await redis.flushall()

    await check(storm)


async def test_edges_killed_with_requests_under_way(storm: Storm) -> None:
    load = load_on(storm)
    async with load.flowing():
        for edge in storm.edges:
            await storm.kill_child(edge)

    await check(storm)


async def test_processes_held_up_for_a_while(storm: Storm) -> None:
    load = load_on(storm)
    async with load.flowing():
        for child in (storm.worker_of("payment_projection"), *storm.edges):
            with storm.held(child.pid):
                await asyncio.sleep(HELD_S)

    await check(storm)


async def test_a_worker_that_was_taken_for_dead_wakes_as_a_zombie(storm: Storm) -> None:
    """Its twin gets all its partitions, and ends its payments, while it is stopped mid-batch."""
    load = load_on(storm)
    worker = storm.worker_of("ledger_posting")
    async with load.flowing(), storm.twin_of(worker):
        burst = asyncio.create_task(storm.client.pay_many(load.intents(BURST)))
        with storm.held(worker.pid):
            await burst
            late = load.intents(BURST)
            await storm.client.pay_many(late)
            await eventually(partial(all_ended, storm, late), RECOVERY_S_MAX)
        await storm.client.pay_many(load.intents(BURST))
        await eventually(partial(storm.is_up, worker), RECOVERY_S_MAX)

    await check(storm)


async def test_garbage_of_every_kind_on_every_topic(storm: Storm) -> None:
    """Those with a consumer set it aside; the caches that follow a topic step over it."""
    load = load_on(storm)
    topics = [topic for topic in topic_map().topics if topic.consumers or topic.tails]
    async with load.flowing():
        storm.garbage += await strew(
            topics,
            bootstrap=storm.titan.addresses.kafka_bootstrap,
            chance=storm.client.history.random,
        )
        await storm.client.pay_many(load.intents(BURST))
        await open_account(storm, "after.garbage")
        await claim(storm, "after.garbage")

    await check(storm)
    assert [worker for worker in storm.workers if not await storm.is_up(worker)] == []


async def all_ended(storm: Storm, intents: Sequence[Intent]) -> bool:
    """Whether the edge tells of all these payments that they have ended."""
    for intent in intents:
        payment = await storm.client.payment(intent)
        if payment is None or payment["state"] not in FINAL:
            return False
    return True
