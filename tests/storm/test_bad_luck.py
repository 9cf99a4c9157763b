"""Payments flow while everything dies and comes back; afterwards the books are right."""

import asyncio
import os
import sys
from collections.abc import Sequence
from functools import partial

import pytest
from redis.asyncio import Redis

from runtime.topics import topic_map
from tests.storm.checking import check
from tests.storm.killing import kill_child, kill_server
from tests.support.waiting import eventually
from titan.chaos.check_flow import FINAL
from titan.chaos.garbage import BROKEN_NAME, strew
from titan.chaos.history import Intent
from titan.chaos.load import Load
from titan.chaos.people import CROWD, claim, open_account
from titan.chaos.target import RECOVERY_S_MAX, Target

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


def load_on(storm: Target) -> Load:
    return Load(storm.client, CROWD, rate_per_s=RATE_PER_S)


async def test_stages_killed_in_the_middle_of_their_work(storm: Target) -> None:
    load = load_on(storm)
    async with load.flowing():
        for _ in range(KILLS):
            for worker in storm.workers:
                # A burst makes large batches; the kill falls somewhere into them.
                await storm.client.pay_many(load.intents(BURST))
                await asyncio.sleep(storm.client.history.random.random() * 0.3)
                await kill_child(storm, worker)

    books = await check(storm)
    assert books.repeats > 0, "no kill fell into any work"


@pytest.mark.parametrize("name", ["Kafka", "PostgreSQL", "Valkey"])
async def test_a_server_killed_while_payments_flow(storm: Target, name: str) -> None:
    load = load_on(storm)
    async with load.flowing():
        await storm.client.pay_many(load.intents(BURST))
        await kill_server(storm, name)
        await storm.client.pay_many(load.intents(BURST))

    await check(storm)


async def test_everything_killed_in_the_same_moment(storm: Target) -> None:
    load = load_on(storm)
    async with load.flowing():
        await storm.client.pay_many(load.intents(BURST))
        await asyncio.gather(
            *(kill_child(storm, child) for child in [*storm.workers, *storm.edges]),
            *(kill_server(storm, name) for name in ["Kafka", "PostgreSQL", "Valkey"]),
        )
        await storm.client.pay_many(load.intents(BURST))

    await check(storm)


async def test_the_cache_erased_while_payments_flow(storm: Target) -> None:
    load = load_on(storm)
    async with load.flowing(), Redis.from_url(storm.titan.addresses.redis_url) as redis:
        for _ in range(ERASURES):
            await storm.client.pay_many(load.intents(50))
            await redis.flushall()

    await check(storm)


async def test_edges_killed_with_requests_under_way(storm: Target) -> None:
    load = load_on(storm)
    async with load.flowing():
        for edge in storm.edges:
            await kill_child(storm, edge)

    await check(storm)


async def test_processes_held_up_for_a_while(storm: Target) -> None:
    load = load_on(storm)
    async with load.flowing():
        for child in (storm.worker_of("payment_projection"), *storm.edges):
            with storm.held(child.pid):
                await asyncio.sleep(HELD_S)

    await check(storm)


async def test_a_worker_that_was_taken_for_dead_wakes_as_a_zombie(storm: Target) -> None:
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


async def test_garbage_of_every_kind_on_every_topic(storm: Target) -> None:
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
        account_id = await open_account(storm.client, "after.garbage")
        await claim(storm.client, "after.garbage", account_id)

    await check(storm)
    assert [worker for worker in storm.workers if not await storm.is_up(worker)] == []


async def test_a_payment_is_followed_past_garbage(storm: Target) -> None:
    """`titan watch` reads the very partitions that hold what no client library can read."""
    topics = [topic for topic in topic_map().topics if topic.name.startswith("payment.")]
    intent = storm.client.history.intend("alice", "bob", 100)
    await storm.client.pay(intent)
    storm.garbage += await strew(
        topics,
        bootstrap=storm.titan.addresses.kafka_bootstrap,
        chance=storm.client.history.random,
        kinds=[BROKEN_NAME] * 12,
    )

    watching = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "titan", "watch", str(intent.payment_id)),
        env={**os.environ, "TITAN_DATA_DIRECTORY": str(storm.titan.directory)},
        stdout=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(RECOVERY_S_MAX):
        told, _ = await watching.communicate()

    assert (watching.returncode, "posted" in told.decode()) == (0, True)
    await check(storm)


async def all_ended(storm: Target, intents: Sequence[Intent]) -> bool:
    """Whether the edge tells of all these payments that they have ended."""
    for intent in intents:
        payment = await storm.client.payment(intent)
        if payment is None or payment["state"] not in FINAL:
            return False
    return True
