"""Faults of data: a cache that forgets, records that come again or mean nothing, a full disk."""

import asyncio
from collections.abc import Mapping
from random import Random
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from redis.asyncio import Redis
from redis.exceptions import RedisError

from runtime.letting_go import stop_consumer
from runtime.topics import topic_map
from titan.chaos.garbage import BROKEN_NAME, KINDS, strew
from titan.chaos.scene import STRIKE_S_MAX, Scene, Strike
from titan.chaos.schedule import Fault, Kind
from titan.chaos.switchboard import POSTGRES
from titan.chaos.waiting import StuckError, until

_KINDS_AT_ONCE: Final = 3
_PLACES: Final = 24
_RECORDS_AT_A_PLACE: Final = 5
_FETCH_MS: Final = 200
_BURST: Final = 40
_FULL: Final = b"No space left on device"


async def flush_cache(scene: Scene, _fault: Fault) -> None:
    """Erase everything that the cache holds, as soon as it is there to be erased."""

    async def is_erased() -> bool:
        async with Redis.from_url(scene.target.titan.addresses.redis_url) as redis:
            try:
                await redis.flushall()
            except (RedisError, OSError):
                return False
        return True

    await until(is_erased, STRIKE_S_MAX, "the cache to be there")


async def garbage(scene: Scene, fault: Fault) -> None:
    """Put records of some kinds that nobody can understand on every topic that has readers."""
    chance = Random(fault.draw)  # noqa: S311 - the same fault has to be the same again
    topics = [topic for topic in topic_map().topics if topic.consumers or topic.tails]
    async with asyncio.timeout(STRIKE_S_MAX):
        scene.target.garbage += await strew(
            topics,
            bootstrap=scene.bootstrap,
            chance=chance,
            kinds=chance.sample((*KINDS, BROKEN_NAME), _KINDS_AT_ONCE),
        )


async def duplicates(scene: Scene, fault: Fault) -> None:
    """Publish some records of the log again, each on its own partition, byte for byte."""
    chance = Random(fault.draw)  # noqa: S311 - likewise
    places = [
        TopicPartition(topic.name, number)
        for topic in topic_map().topics
        if topic.consumers
        for number in range(topic.partitions)
    ]
    async with asyncio.timeout(STRIKE_S_MAX):
        records = await _some(scene, chance, chance.sample(places, _PLACES))
        producer = AIOKafkaProducer(bootstrap_servers=scene.bootstrap)
        await producer.start()
        try:
            for record in records:
                await producer.send_and_wait(
                    record.topic,
                    partition=record.partition,
                    key=record.key,
                    value=record.value,
                    headers=list(record.headers),
                )
        finally:
            await producer.stop()
    if not records:
        raise StuckError("there was no record to publish again")


async def full_disk(scene: Scene, _fault: Fault) -> None:
    """Fill the disk of the ledger until a write was refused, then give the room back."""
    assert scene.disk is not None
    log = scene.target.server(POSTGRES).log_path
    before = log.read_bytes().count(_FULL)
    scene.disk.fill()
    try:
        scene.payer.say(f"burst {_BURST}")
        await until(
            lambda: log.read_bytes().count(_FULL) > before, STRIKE_S_MAX, "the disk to be missed"
        )
    finally:
        scene.disk.free()


STRIKES: Final[Mapping[Kind, Strike]] = {
    Kind.FLUSH_CACHE: flush_cache,
    Kind.GARBAGE: garbage,
    Kind.DUPLICATES: duplicates,
    Kind.FULL_DISK: full_disk,
}


async def _some(scene: Scene, chance: Random, places: list[TopicPartition]) -> list[Any]:
    """A few records from somewhere in each place, none of them garbage."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=scene.bootstrap, group_id=None, enable_auto_commit=False
    )
    await consumer.start()
    found: list[Any] = []
    litter = {each.place for each in scene.target.garbage}
    try:
        consumer.assign(places)
        first = await consumer.beginning_offsets(places)
        end = await consumer.end_offsets(places)
        for place in places:
            consumer.seek(place, chance.randint(first[place], end[place]))
        for place in places:
            try:
                batches = await consumer.getmany(
                    place, timeout_ms=_FETCH_MS, max_records=_RECORDS_AT_A_PLACE
                )
            except UnicodeDecodeError:
                # A header name that no client can read: this place then has none to offer.
                continue
            found += [record for records in batches.values() for record in records]
    finally:
        await stop_consumer(consumer)
    return [each for each in found if (each.topic, each.partition, each.offset) not in litter]
