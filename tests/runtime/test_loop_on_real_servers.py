"""The loop over real Kafka and PostgreSQL: garbage, restarts, rebalances, zombies."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4, uuid5

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.record.util import calc_crc32c
from faststream import FastStream

from domain.errors import Unavailable
from runtime.app import stage_app
from runtime.clock import SystemClock
from runtime.publisher import KafkaPublisher
from runtime.settings import Settings
from runtime.stage import Stage
from runtime.topic_admin import apply_topics
from runtime.topics import topic_map
from runtime.unit import PostgresUnit, Unit
from schemas.event import Delivered, Event
from schemas.payment import PaymentPosted
from schemas.wire import Message, first_message
from tests.support.events import ALICE, BOB, screened
from tests.support.waiting import eventually
from titan.servers import Endpoints

pytestmark = [pytest.mark.real, pytest.mark.timeout(60)]

SCREENED, POSTED = "payment.screened.v1", "payment.posted.v1"
GROUP = "ledger-posting"


def fresh_message(number: int) -> Message:
    """A payment of its own, dated now (the loop refuses what is too old)."""
    payment = uuid4()
    event = screened(
        payment_id=payment,
        accepted_at=SystemClock().now(),
        payer_account_id=uuid5(ALICE, str(number % 7)),
    )
    return first_message(
        event, event_id=payment, source="tests", now=SystemClock().now(), traceparent=None
    )


def posted(item: Delivered[Any]) -> Event:
    return PaymentPosted(
        payment_id=item.event.payment_id,
        accepted_at=item.event.accepted_at,
        posting_id=uuid5(item.event.payment_id, "posting"),
        payer_account_id=item.event.payer_account_id,
        payee_account_id=BOB,
        amount_minor=item.event.amount_minor,
        currency=item.event.currency,
    )


@dataclass
class Place:
    """A broker, a database and topics of this test's own."""

    settings: Settings
    publisher: KafkaPublisher
    handled: list[str] = field(default_factory=list)
    failures: list[Exception] = field(default_factory=list)
    hold: asyncio.Event | None = None
    inside: asyncio.Event = field(default_factory=asyncio.Event)

    async def handler(self, fresh: Sequence[Delivered[Any]], unit: Unit) -> list[Event | None]:
        assert isinstance(unit, PostgresUnit)
        if self.failures:
            raise self.failures.pop()
        self.inside.set()
        if self.hold is not None:
            await self.hold.wait()
        self.handled += [str(item.event.payment_id) for item in fresh]
        return [posted(item) for item in fresh]

    def app(self, instance_id: str | None = None) -> FastStream:
        settings = self.settings.model_copy(update={"instance_id": instance_id})
        return stage_app(
            "ledger_posting", lambda _: Stage("ledger_posting", self.handler), settings
        )

    async def send(self, messages: Sequence[Message]) -> None:
        await self.publisher.publish(messages, deadline_s=10)

    async def read(self, topic: str) -> list[Any]:
        """All records of a topic, from its start."""
        consumer = AIOKafkaConsumer(
            self.settings.topic_prefix + topic,
            bootstrap_servers=self.settings.kafka_bootstrap,
            auto_offset_reset="earliest",
        )
        await consumer.start()
        try:
            ends = await consumer.end_offsets(consumer.assignment())
            records: list[Any] = []
            while len(records) < sum(ends.values()):
                for batch in (await consumer.getmany(timeout_ms=200)).values():
                    records += batch
            return records
        finally:
            await consumer.stop()

    async def posted_ids(self) -> list[str]:
        return [dict(record.headers)["ce_subject"].decode() for record in await self.read(POSTED)]


@pytest.fixture
async def place(endpoints: Endpoints, database_dsn: str, topic_prefix: str) -> AsyncIterator[Place]:
    used = topic_map().model_copy(update={"topics": [topic_map()[SCREENED], topic_map()[POSTED]]})
    await apply_topics(endpoints.kafka_bootstrap, used, prefix=topic_prefix)
    settings = Settings(
        kafka_bootstrap=endpoints.kafka_bootstrap,
        postgres_dsn=database_dsn,  # type: ignore[arg-type] # pydantic makes it a secret
        topic_prefix=topic_prefix,
        vault_key="A" * 43 + "=",  # type: ignore[arg-type]
    )
    publisher = KafkaPublisher(
        endpoints.kafka_bootstrap, prefix=topic_prefix, settings=settings, role="tests"
    )
    await publisher.start()
    yield Place(settings, publisher)
    await publisher.stop()


@asynccontextmanager
async def running(app: FastStream) -> AsyncIterator[None]:
    await app.start()
    try:
        yield
    finally:
        await app.stop()


async def test_posts_each_record_and_starts_again_where_it_left_off(place: Place) -> None:
    messages = [fresh_message(number) for number in range(50)]
    ids = sorted(dict(message.headers)["ce_subject"].decode() for message in messages)

    await place.send(messages[:25])
    async with running(place.app()):
        await eventually(lambda: len(place.handled) == 25)
    await place.send(messages[25:])
    async with running(place.app()):
        await eventually(lambda: len(place.handled) == 50)

    assert sorted(await place.posted_ids()) == ids
    assert sorted(place.handled) == ids


async def test_one_payers_payments_keep_their_order(place: Place) -> None:
    messages = [fresh_message(number) for number in range(200)]
    await place.send(messages)
    async with running(place.app()):
        await eventually(lambda: len(place.handled) == 200)

    sent: dict[bytes, list[str]] = {}
    for message in messages:
        sent.setdefault(message.key, []).append(dict(message.headers)["ce_subject"].decode())
    found: dict[bytes, list[str]] = {}
    for record in await place.read(POSTED):
        found.setdefault(record.key, []).append(dict(record.headers)["ce_subject"].decode())
    assert found == sent


async def test_garbage_of_every_kind_is_set_aside_and_the_rest_is_handled(place: Place) -> None:
    good = [fresh_message(number) for number in range(10)]
    producer = AIOKafkaProducer(bootstrap_servers=place.settings.kafka_bootstrap)
    await producer.start()
    name = place.settings.topic_prefix + SCREENED
    bad: list[dict[str, Any]] = [
        {"value": b"\xff\x00garbage"},
        {"value": None, "key": b"tombstone"},
        {"value": good[0].value, "key": good[0].key},
        {"value": b"{}", "key": b"k", "headers": [("ce_type", b"\xff")]},
        {"value": b"{}", "key": b"k", "headers": [("ce_type", None)]},
    ]
    for partition in range(3):
        for record in bad:
            await producer.send_and_wait(name, partition=partition, **record)
    await producer.stop()
    await place.send(good)

    async with running(place.app()):
        await eventually(lambda: len(place.handled) == 10)

        async def all_set_aside() -> bool:
            return len(await place.read(f"{SCREENED}.{GROUP}.dlq")) == 15

        await eventually(all_set_aside)

    dead = await place.read(f"{SCREENED}.{GROUP}.dlq")
    assert {dict(record.headers)["x-error-kind"] for record in dead} == {b"invalid"}
    assert {(record.partition) for record in dead} <= set(range(12))


async def test_a_dependency_that_is_down_loses_and_doubles_nothing(place: Place) -> None:
    place.failures = [Unavailable("down") for _ in range(6)]
    messages = [fresh_message(number) for number in range(20)]
    await place.send(messages)

    async with running(place.app()):
        await eventually(lambda: len(place.handled) == 20, timeout_s=30)

    assert len(await place.posted_ids()) == 20


async def test_a_second_member_joins_and_nothing_is_worked_on_twice(place: Place) -> None:
    async with AsyncExitStack() as members:
        await members.enter_async_context(running(place.app("one")))
        for _ in range(10):
            await place.send([fresh_message(number) for number in range(20)])
        await members.enter_async_context(running(place.app("two")))
        for _ in range(10):
            await place.send([fresh_message(number) for number in range(20)])
        await eventually(lambda: len(place.handled) >= 400, timeout_s=30)

    assert len(place.handled) == len(set(place.handled)) == 400


async def test_a_zombie_that_wakes_late_changes_nothing(place: Place) -> None:
    """A member stalls inside its transaction while another decides the same records."""
    place.hold = asyncio.Event()
    await place.send([fresh_message(number) for number in range(20)])
    twin = Place(place.settings, place.publisher)

    async with running(place.app()):
        await place.inside.wait()
        # Another group reads the same records, as the new owner of all partitions would.
        async with running(twin_of(twin)):
            await eventually(lambda: len(twin.handled) == 20)
            place.hold.set()
            await eventually(lambda: len(place.handled) >= 20)

    records = await place.read(POSTED)
    assert len({dict(record.headers)["ce_subject"] for record in records}) == 20
    assert len({(dict(record.headers)["ce_id"], record.value) for record in records}) == 20


async def test_a_header_whose_name_is_not_text_stops_nobody(place: Place) -> None:
    good = [fresh_message(number) for number in range(5)]
    producer = AIOKafkaProducer(bootstrap_servers=place.settings.kafka_bootstrap)
    await producer.start()
    name = place.settings.topic_prefix + SCREENED
    for partition in range(12):
        batch = producer.create_batch()
        batch.append(timestamp=None, key=b"k", value=b"v", headers=[("odd-name", b"v")])
        batch._buffer = with_broken_header_name(bytes(batch._build()))
        await (await producer.send_batch(batch, name, partition=partition))
    await producer.stop()
    await place.send(good)

    async with running(place.app()):
        await eventually(lambda: len(place.handled) == 5)

        async def each_set_aside() -> bool:
            return len(await place.read(f"{SCREENED}.{GROUP}.dlq")) == 12

        await eventually(each_set_aside)
    dead = await place.read(f"{SCREENED}.{GROUP}.dlq")
    codes = {dict(record.headers)["x-error-code"] for record in dead}
    assert codes == {b"unreadable_record"}


def with_broken_header_name(batch: bytes) -> bytes:
    """The record batch (KIP-98) with a header name that is not UTF-8, and a CRC that fits."""
    broken = batch.replace(b"odd-name", b"odd-\xff\xff\xff\xff")
    checksum: int = calc_crc32c(broken[21:])
    return broken[:17] + checksum.to_bytes(4, "big") + broken[21:]


def twin_of(place: Place) -> FastStream:
    settings = place.settings
    app = stage_app("ledger_posting", lambda _: Stage("ledger_posting", place.handler), settings)
    [subscriber] = app.brokers[0].subscribers
    subscriber.group_id = f"{settings.topic_prefix}{GROUP}-twin"  # type: ignore[attr-defined]
    return app
