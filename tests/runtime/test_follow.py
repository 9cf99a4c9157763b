"""Looking on: a follower sees everything from its place on, as every other does."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition

from domain.errors import Unavailable
from runtime.follow import Followed, Follower
from runtime.publisher import KafkaPublisher
from runtime.settings import Settings
from runtime.topic_admin import apply_topics
from runtime.topics import topic_map
from schemas.payment import PaymentPosted
from schemas.wire import Message, first_message
from tests.support.waiting import eventually
from titan.chaos.garbage import BROKEN_NAME, litter
from titan.servers import Endpoints

pytestmark = pytest.mark.real

POSTED = topic_map()["payment.posted.v1"]
REFUSED = topic_map()["payment.refused.v1"]


def posted() -> PaymentPosted:
    return PaymentPosted(
        payment_id=uuid4(),
        accepted_at=datetime.now(UTC),
        posting_id=uuid4(),
        payer_account_id=uuid4(),
        payee_account_id=uuid4(),
        amount_minor=1000,
        currency="USD",
    )


def record_of(event: PaymentPosted) -> Message:
    return first_message(
        event,
        event_id=uuid4(),
        idempotency_id=event.payment_id,
        source="tests",
        now=datetime.now(UTC),
        traceparent=None,
    )


class Place:
    """A broker with the posted topic, a publisher, and followers."""

    def __init__(self, bootstrap: str, prefix: str, publisher: KafkaPublisher) -> None:
        self.bootstrap = bootstrap
        self.prefix = prefix
        self._publisher = publisher

    async def publish(self, *messages: Message) -> None:
        await self._publisher.publish(messages, deadline_s=5.0)

    async def litter(self, kind: str, partition: int) -> None:
        producer = AIOKafkaProducer(bootstrap_servers=self.bootstrap)
        await producer.start()
        await litter(producer, POSTED, kind, partition=partition, prefix=self.prefix)
        await producer.stop()

    @asynccontextmanager
    async def follower(self, since: datetime | None = None) -> AsyncIterator[Follower]:
        follower = Follower([POSTED], bootstrap=self.bootstrap, prefix=self.prefix, since=since)
        await follower.start()
        yield follower
        await follower.stop()


@pytest.fixture
async def place(endpoints: Endpoints, topic_prefix: str) -> AsyncIterator[Place]:
    only = topic_map().model_copy(update={"topics": [POSTED]})
    await apply_topics(endpoints.kafka_bootstrap, only, prefix=topic_prefix)
    publisher = KafkaPublisher(
        endpoints.kafka_bootstrap, prefix=topic_prefix, settings=Settings(), role="tests"
    )
    await publisher.start()
    yield Place(endpoints.kafka_bootstrap, topic_prefix, publisher)
    await publisher.stop()


async def seen(follower: Follower, count: int) -> list[Followed]:
    found: list[Followed] = []

    async def enough() -> bool:
        found.extend(await follower.poll())
        return len(found) >= count

    await eventually(enough)
    return found


def ids(found: list[Followed]) -> set[UUID]:
    return {followed.delivered.event.subject for followed in found}


async def test_begins_at_the_end_and_sees_what_comes_after(place: Place) -> None:
    before, after = posted(), posted()
    await place.publish(record_of(before))
    async with place.follower() as follower:
        await place.publish(record_of(after))

        [followed] = await seen(follower, 1)

    assert followed.delivered.event == after
    assert followed.delivered.position.topic == POSTED.name
    assert abs(datetime.now(UTC) - followed.appended_at) < timedelta(seconds=10)


async def test_begins_at_a_time_and_sees_all_appended_since(place: Place) -> None:
    old, newer = posted(), [posted() for _ in range(20)]
    await place.publish(record_of(old))
    async with place.follower(since=datetime(2020, 1, 1, tzinfo=UTC)) as follower:
        [first] = await seen(follower, 1)
    since = first.appended_at + timedelta(milliseconds=1)
    await eventually(lambda: datetime.now(UTC) > since)
    await place.publish(*map(record_of, newer))

    async with place.follower(since=since) as follower:
        found = await seen(follower, 20)

    assert ids(found) == {event.payment_id for event in newer}


async def test_a_time_to_come_is_the_end(place: Place) -> None:
    await place.publish(record_of(posted()))
    after = posted()
    async with place.follower(since=datetime.now(UTC) + timedelta(hours=1)) as follower:
        await place.publish(record_of(after))

        assert ids(await seen(follower, 1)) == {after.payment_id}


async def test_every_follower_sees_every_record(place: Place) -> None:
    event = posted()
    async with place.follower() as one, place.follower() as other:
        await place.publish(record_of(event))

        assert ids(await seen(one, 1)) == ids(await seen(other, 1)) == {event.payment_id}


async def test_what_cannot_be_understood_is_passed_over_and_counted(place: Place) -> None:
    event = posted()
    async with place.follower() as follower:
        await place.publish(Message(POSTED.name, b"k", b"not json", []), record_of(event))

        found = await seen(follower, 1)
        await eventually(lambda: follower.skipped == 1)

    assert ids(found) == {event.payment_id}


async def test_a_missing_topic_is_said_at_once(place: Place) -> None:
    follower = Follower([REFUSED], bootstrap=place.bootstrap, prefix=place.prefix)

    with pytest.raises(Unavailable, match=r"no topic .*payment\.refused\.v1.*titan topics apply"):
        await follower.start()


async def test_a_broker_that_is_away_is_unavailable() -> None:
    follower = Follower([POSTED], bootstrap="127.0.0.1:1")

    with pytest.raises(Unavailable, match="Kafka"):
        await follower.start()


async def test_a_record_that_no_client_can_read_is_stepped_over(place: Place) -> None:
    """Nothing beside it is lost, nothing is told twice, and the proof of freshness comes."""
    before, after = [posted() for _ in range(30)], [posted() for _ in range(30)]
    async with place.follower() as follower:
        await place.publish(*map(record_of, before))
        for partition in range(POSTED.partitions):
            await place.litter(BROKEN_NAME, partition)
        await place.publish(*map(record_of, after))

        found = await seen(follower, 60)
        end = await follower.end()
        found += await seen_up_to(follower, end)

    told = [followed.delivered.event.subject for followed in found]
    assert sorted(told) == sorted(event.payment_id for event in before + after)
    assert follower.skipped == POSTED.partitions


async def seen_up_to(follower: Follower, end: Mapping[TopicPartition, int]) -> list[Followed]:
    found: list[Followed] = []

    async def passed() -> bool:
        found.extend(await follower.poll())
        return await follower.has_passed(end)

    await eventually(passed)
    return found
