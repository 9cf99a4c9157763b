"""The empty pipeline on real servers: it hands on what came, as large as an event, and commits."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer

from bench.floor import floor_topics
from bench.floor_worker import NEXT, TABLE, floor_app, handed_on
from bench.flow import STAGES
from runtime.publisher import KafkaPublisher
from runtime.settings import Settings
from runtime.topic_admin import apply_topics
from runtime.topics import group_of, topic_map
from schemas.payment import PaymentPosted, PaymentScreened
from tests.support.events import payment_id, screened
from tests.support.memory_stage import RawRecord, message_of
from titan.servers import Endpoints

COUNT = 20


@pytest.mark.real
@pytest.mark.timeout(60)
@pytest.mark.parametrize("commits", [True, False])
async def test_records_go_from_topic_to_topic(
    *, commits: bool, endpoints: Endpoints, database_dsn: str, topic_prefix: str
) -> None:
    settings = Settings.model_validate(
        {
            "kafka_bootstrap": endpoints.kafka_bootstrap,
            "postgres_dsn": database_dsn,
            "topic_prefix": topic_prefix,
        }
    )
    await apply_topics(
        endpoints.kafka_bootstrap, topic_map(), prefix=topic_prefix, profile=settings.profile
    )
    before = await committed(database_dsn)
    app = floor_app("ledger_posting", settings, commits=commits)
    async with running(app), publishing(settings) as publisher:
        messages = [
            message_of(screened(payment_id=payment_id(f"{number}"))) for number in range(COUNT)
        ]
        await publisher.publish(messages, deadline_s=15.0)
        records = await read(endpoints, topic_prefix + PaymentPosted.TOPIC, COUNT)

    assert sorted(record.key for record in records) == sorted(each.key for each in messages)
    assert {len(record.value) for record in records} == {NEXT["ledger_posting"][1]}
    assert await committed(database_dsn) - before == (COUNT if commits else 0)


def test_there_is_every_topic_that_its_stages_read_or_publish_to() -> None:
    there = {topic.name for topic in floor_topics().topics}

    for stage in STAGES:
        assert there.issuperset(topic.name for topic in topic_map().of_group(group_of(stage)))
    assert there.issuperset(topic for topic, _ in NEXT.values())


def test_what_is_handed_on_is_cut_or_repeated_to_its_size() -> None:
    record = RawRecord(PaymentScreened.TOPIC, 0, 0, b"key", b"abc", [("ce_id", b"1"), ("x", None)])

    assert handed_on(record, "next", 2).value == b"ab"
    assert handed_on(record, "next", 7).value == b"abcabca"
    assert handed_on(record, "next", 7).headers == [("ce_id", b"1")]


@asynccontextmanager
async def running(app: Any) -> AsyncIterator[None]:
    await app.start()
    try:
        yield
    finally:
        await app.stop()


@asynccontextmanager
async def publishing(settings: Settings) -> AsyncIterator[KafkaPublisher]:
    assert settings.kafka_bootstrap is not None
    publisher = KafkaPublisher(
        settings.kafka_bootstrap, prefix=settings.topic_prefix, settings=settings, role="test"
    )
    await publisher.start()
    try:
        yield publisher
    finally:
        await publisher.stop()


async def read(endpoints: Endpoints, topic: str, count: int) -> list[Any]:
    consumer = AIOKafkaConsumer(
        topic,
        bootstrap_servers=endpoints.kafka_bootstrap,
        group_id=None,
        auto_offset_reset="earliest",
    )
    await consumer.start()
    records: list[Any] = []
    try:
        async with asyncio.timeout(40):
            while len(records) < count:
                for found in (await consumer.getmany(timeout_ms=200)).values():
                    records += found
    finally:
        await consumer.stop()
    return records


async def committed(dsn: str) -> int:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(TABLE)
        return int(await connection.fetchval("SELECT coalesce(sum(records), 0) FROM bench_floor"))
    finally:
        await connection.close()
