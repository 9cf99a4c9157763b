"""Payments flow while everything dies and comes back; afterwards the books are right."""

import asyncio

import pytest
from redis.asyncio import Redis

from tests.storm.books import Books, check
from tests.storm.client import Load
from tests.storm.place import Storm

pytestmark = [
    pytest.mark.storm,
    pytest.mark.timeout(180),
    pytest.mark.asyncio(loop_scope="session"),
]

RATE_PER_S = 150.0
BURST = 300
KILLS = 3


def load_on(storm: Storm) -> Load:
    return Load(storm.client, storm.handles, rate_per_s=RATE_PER_S)


async def test_stages_killed_in_the_middle_of_their_work(storm: Storm) -> None:
    load = load_on(storm)
    async with load.flowing():
        for _ in range(KILLS):
            for worker in storm.workers:
                # A burst makes large batches; the kill falls somewhere into them.
                await storm.client.pay_many(load.intents(BURST))
                await asyncio.sleep(storm.client.history.random.random() * 0.3)
                await storm.kill_child(worker)

    told(await check(storm))


@pytest.mark.parametrize("name", ["Kafka", "PostgreSQL", "Valkey"])
async def test_a_server_killed_while_payments_flow(storm: Storm, name: str) -> None:
    load = load_on(storm)
    async with load.flowing():
        await storm.client.pay_many(load.intents(BURST))
        await storm.kill_server(name)
        await storm.client.pay_many(load.intents(BURST))

    told(await check(storm))


async def test_the_cache_erased_while_payments_flow(storm: Storm) -> None:
    load = load_on(storm)
    async with load.flowing(), Redis.from_url(storm.titan.addresses.redis_url) as redis:
        for _ in range(5):
            await storm.client.pay_many(load.intents(50))
            await redis.flushall()

    told(await check(storm))


async def test_edges_killed_with_requests_under_way(storm: Storm) -> None:
    load = load_on(storm)
    async with load.flowing():
        for edge in storm.edges:
            await storm.kill_child(edge)

    told(await check(storm))


def told(books: Books) -> None:
    print(books)
