"""What a publish promises: acknowledged by the broker, or an honest word."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.client import AIOKafkaClient
from aiokafka.partitioner import DefaultPartitioner
from aiokafka.producer.sender import Sender
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from domain.errors import Invalid, Unavailable, Unknown
from runtime import limits
from runtime.publisher import RECORD_BYTES_MAX, KafkaPublisher, partition_of
from runtime.settings import Settings
from runtime.topic_admin import apply_topics
from runtime.topics import topic_map
from schemas.wire import Message
from tests.support.waiting import eventually
from titan.servers import Endpoints

POSTED = "payment.posted.v1"
NOWHERE = "127.0.0.1:1"


def message(key: str, value: bytes = b"{}") -> Message:
    return Message(POSTED, key.encode(), value, [("ce_id", str(uuid4()).encode())])


@given(st.binary(min_size=1, max_size=60), st.integers(1, 64))
def test_a_key_goes_where_kafkas_own_partitioner_sends_it(key: bytes, count: int) -> None:
    partitions = list(range(count))
    assert partition_of(key, count) == DefaultPartitioner()(key, partitions, partitions)


async def test_without_a_broker_it_is_unavailable_and_says_so() -> None:
    publisher = KafkaPublisher(NOWHERE, prefix="", settings=Settings(), role="tests")
    with pytest.raises(Unavailable, match="Kafka"):
        await publisher.start()


async def test_a_broker_that_gives_no_producers_id_is_unavailable_within_bounds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[Sender] = []

    async def connected(_: AIOKafkaClient) -> None:
        return

    async def has_none_yet(sender: Sender, _: object) -> bool:
        """COORDINATOR_LOAD_IN_PROGRESS, again and again."""
        asked.append(sender)
        await asyncio.sleep(0.01)
        return False

    async def updated(_: AIOKafkaClient) -> bool:
        return True

    monkeypatch.setattr(AIOKafkaClient, "bootstrap", connected)
    monkeypatch.setattr(AIOKafkaClient, "force_metadata_update", updated)
    monkeypatch.setattr(Sender, "_do_init_pid", has_none_yet)
    monkeypatch.setattr("runtime.publisher._STARTING_S_MAX", 0.1, raising=False)
    publisher = KafkaPublisher(NOWHERE, prefix="", settings=Settings(), role="tests")

    async with asyncio.timeout(10):
        with pytest.raises(Unavailable, match="Kafka"):
            await publisher.start()

    assert not publisher._rebuilding.locked()
    so_far = len(asked)
    assert so_far > 1
    await asyncio.sleep(0.05)
    assert len(asked) == so_far


async def test_a_publish_that_nobody_answered_in_time_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def silent(_: AIOKafkaClient) -> None:
        await asyncio.sleep(3600)

    monkeypatch.setattr(AIOKafkaClient, "bootstrap", silent)
    publisher = KafkaPublisher(NOWHERE, prefix="", settings=Settings(), role="tests")
    with capture_logs() as logs:
        with pytest.raises(Unknown):
            await publisher.publish([message("key")], deadline_s=0.01)
        sending = asyncio.all_tasks() - {asyncio.current_task()}
        for task in sending:
            task.cancel()
        await asyncio.wait(sending)

    [line] = [line for line in logs if line["event"] == "publish_unknown"]
    assert (line["role"], line["records"]) == ("tests", 1)


@pytest.fixture
async def prefix(endpoints: Endpoints, topic_prefix: str) -> str:
    only = topic_map().model_copy(update={"topics": [topic_map()[POSTED]]})
    await apply_topics(endpoints.kafka_bootstrap, only, prefix=topic_prefix)
    return topic_prefix


@pytest.fixture
async def publisher(endpoints: Endpoints, prefix: str) -> AsyncIterator[KafkaPublisher]:
    publisher = KafkaPublisher(
        endpoints.kafka_bootstrap, prefix=prefix, settings=Settings(), role="tests"
    )
    await publisher.start()
    yield publisher
    await publisher.stop()


@pytest.fixture
def read_back(
    endpoints: Endpoints, prefix: str
) -> Callable[[], Awaitable[dict[bytes, list[bytes]]]]:
    async def read() -> dict[bytes, list[bytes]]:
        """Values by key, in the log's order."""
        consumer = AIOKafkaConsumer(
            prefix + POSTED,
            bootstrap_servers=endpoints.kafka_bootstrap,
            auto_offset_reset="earliest",
        )
        await consumer.start()
        try:
            ends = await consumer.end_offsets(consumer.assignment())
            found: dict[bytes, list[bytes]] = {}
            count = 0
            while count < sum(ends.values()):
                for batch in (await consumer.getmany(timeout_ms=200)).values():
                    for record in batch:
                        found.setdefault(record.key, []).append(record.value)
                        count += 1
            return found
        finally:
            await consumer.stop()

    return read


@pytest.mark.real
async def test_thousands_in_concert_arrive_once_and_each_key_in_order(
    publisher: KafkaPublisher, read_back: Callable[[], Awaitable[dict[bytes, list[bytes]]]]
) -> None:
    async def one_writer(key: str) -> None:
        for round_ in range(5):
            values = [b"%d" % (round_ * 100 + number) for number in range(100)]
            await publisher.publish([message(key, value) for value in values], deadline_s=10)

    await asyncio.gather(*(one_writer(f"key-{number}") for number in range(10)))

    found = await read_back()
    assert len(found) == 10
    assert all(values == [b"%d" % n for n in range(500)] for values in found.values())


@pytest.mark.real
async def test_records_larger_than_one_batch_still_go(
    publisher: KafkaPublisher, read_back: Callable[[], Awaitable[dict[bytes, list[bytes]]]]
) -> None:
    large = [message("key", bytes([65 + n]) * 60_000) for n in range(8)]
    await publisher.publish(large, deadline_s=10)

    assert [value[:1] for value in (await read_back())[b"key"]] == [
        b"%c" % (65 + n) for n in range(8)
    ]


@pytest.mark.real
async def test_a_record_too_large_is_refused_before_the_broker_sees_it(
    publisher: KafkaPublisher, read_back: Callable[[], Awaitable[dict[bytes, list[bytes]]]]
) -> None:
    with pytest.raises(Invalid, match="record_too_large"):
        await publisher.publish([message("key", b"x" * RECORD_BYTES_MAX)], deadline_s=10)
    await publisher.publish([message("key", b"small")], deadline_s=10)

    assert await read_back() == {b"key": [b"small"]}


@pytest.mark.real
async def test_a_deadline_passed_is_unknown_and_the_record_may_be_in_the_log(
    publisher: KafkaPublisher, read_back: Callable[[], Awaitable[dict[bytes, list[bytes]]]]
) -> None:
    with pytest.raises(Unknown):
        await publisher.publish([message("key", b"first")], deadline_s=0.000_001)
    await publisher.publish([message("key", b"second")], deadline_s=10)

    assert (await read_back())[b"key"][-1] == b"second"


@pytest.mark.real
async def test_too_many_in_flight_are_refused_at_once(
    publisher: KafkaPublisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "PUBLISHES_IN_FLIGHT_MAX", 1)
    with pytest.raises(Unavailable, match="wait for the broker"):
        await publisher.publish([message("a"), message("b")], deadline_s=10)


@pytest.mark.real
async def test_after_a_failure_the_next_publish_has_a_fresh_producer(
    publisher: KafkaPublisher, read_back: Callable[[], Awaitable[dict[bytes, list[bytes]]]]
) -> None:
    await publisher.publish([message("key", b"first")], deadline_s=10)
    producer = publisher._producer
    assert producer is not None
    await producer.stop()
    with pytest.raises(Unknown):
        await publisher.publish([message("key", b"lost")], deadline_s=10)
    await publisher.publish([message("key", b"second")], deadline_s=10)

    assert await read_back() == {b"key": [b"first", b"second"]}


@pytest.mark.real
async def test_what_a_closed_producer_left_unanswered_is_unknown_and_no_longer_in_flight(
    publisher: KafkaPublisher, read_back: Callable[[], Awaitable[dict[bytes, list[bytes]]]]
) -> None:
    await publisher.publish([message("key", b"first")], deadline_s=10)
    producer = publisher._producer
    assert producer is not None
    # From here on it sends nothing, as one that waits for a broker which does not come back.
    producer._sender.sender_task.cancel()
    with pytest.raises(Unknown):
        await publisher.publish([message("key", b"late")], deadline_s=0.1)
    waiting = asyncio.create_task(publisher.publish([message("key", b"lost")], deadline_s=600))
    await eventually(lambda: publisher._in_flight_records == 2)

    await publisher._discard(producer)

    with pytest.raises(Unknown):
        await waiting
    await eventually(lambda: publisher._in_flight_records == 0)
    await publisher.publish([message("key", b"second")], deadline_s=10)
    assert await read_back() == {b"key": [b"first", b"second"]}


@pytest.mark.real
async def test_stopped_while_a_send_connects_it_leaves_no_producer_open(
    endpoints: Endpoints, prefix: str
) -> None:
    publisher = KafkaPublisher(
        endpoints.kafka_bootstrap, prefix=prefix, settings=Settings(), role="tests"
    )
    with pytest.raises(Unknown):
        await publisher.publish([message("key")], deadline_s=0.001)
    assert publisher._rebuilding.locked()

    await publisher.stop()

    await eventually(lambda: publisher._in_flight_records == 0)
    assert publisher._producer is None
    with pytest.raises(Unavailable, match="stopped"):
        await publisher.ping()
