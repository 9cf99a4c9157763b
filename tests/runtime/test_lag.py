"""How much the pipeline has yet to do, seen from outside."""

import asyncio

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import Unavailable
from runtime import limits, metrics
from runtime.clock import SystemClock
from runtime.lag import LagReader, LagSampler, lag_of, pipeline_groups
from runtime.publisher import KafkaPublisher
from runtime.settings import Settings
from runtime.topic_admin import apply_topics
from runtime.topics import topic_map
from schemas.payment import PaymentRequested
from tests.support.events import payment_id, requested
from tests.support.memory_stage import message_of
from tests.support.waiting import eventually
from titan.servers import Endpoints

NOBODY = "127.0.0.1:1"

offsets = st.dictionaries(
    st.builds(TopicPartition, st.sampled_from(["a", "b"]), st.integers(0, 2)), st.integers(0, 9)
)


@given(committed=offsets, first=offsets, end=offsets)
def test_what_waits_is_between_the_commit_and_the_end(
    committed: dict[TopicPartition, int],
    first: dict[TopicPartition, int],
    end: dict[TopicPartition, int],
) -> None:
    lag = lag_of(committed, first, end)

    for topic in ("a", "b"):
        waiting = {
            (partition, offset)
            for partition, end_offset in end.items()
            if partition.topic == topic
            for offset in range(end_offset)
            if offset >= committed.get(partition, 0) and offset >= first.get(partition, 0)
        }
        assert lag.get(topic, 0) == len(waiting)


def test_a_payment_in_the_pipeline_is_counted_once() -> None:
    groups = pipeline_groups(topic_map(), "payment.")

    assert {group: [topic.name for topic in topics] for group, topics in groups.items()} == {
        "handle-resolution": ["payment.requested.v1"],
        "risk-screening": ["payment.resolved.v1"],
        "ledger-posting": ["payment.screened.v1"],
    }


async def test_without_a_broker_there_is_no_sample_and_it_is_counted() -> None:
    reader = LagReader(pipeline_groups(topic_map(), "payment."), bootstrap=NOBODY, prefix="")
    with pytest.raises(Unavailable):
        await reader.read()
    before = metrics.LAG_SAMPLE_FAILURES._value.get()
    sampler = LagSampler(reader, clock=SystemClock())

    sampling = asyncio.create_task(sampler.run())
    await eventually(lambda: metrics.LAG_SAMPLE_FAILURES._value.get() > before)
    sampling.cancel()
    await asyncio.gather(sampling, return_exceptions=True)

    assert sampler.records is None


async def test_a_sample_that_is_old_says_nothing() -> None:
    class Clock(SystemClock):
        now_s = 0.0

        def monotonic_s(self) -> float:
            return self.now_s

    class Reader(LagReader):
        async def read(self) -> dict[tuple[str, str], int]:
            return {("g", "t"): 3, ("h", "u"): 4}

    clock = Clock()
    sampler = LagSampler(Reader({}, bootstrap=NOBODY, prefix=""), clock=clock)
    sampling = asyncio.create_task(sampler.run())
    await eventually(lambda: sampler.records == 7)
    sampling.cancel()
    await asyncio.gather(sampling, return_exceptions=True)

    clock.now_s += limits.LAG_SAMPLE_FRESH_S + 0.01
    assert sampler.records is None


@pytest.mark.real
@pytest.mark.timeout(60)
async def test_the_brokers_own_numbers_are_read(endpoints: Endpoints, topic_prefix: str) -> None:
    topic = topic_map()[PaymentRequested.TOPIC]
    only = topic_map().model_copy(update={"topics": [topic]})
    await apply_topics(endpoints.kafka_bootstrap, only, prefix=topic_prefix)
    group = "handle-resolution"
    reader = LagReader({group: [topic]}, bootstrap=endpoints.kafka_bootstrap, prefix=topic_prefix)

    async def lag() -> int | None:
        try:
            return (await reader.read())[group, topic.name]
        except Unavailable:
            return None

    async def nothing_waits() -> bool:
        return await lag() == 0

    await eventually(nothing_waits, timeout_s=30)
    publisher = KafkaPublisher(
        endpoints.kafka_bootstrap, prefix=topic_prefix, settings=Settings(), role="tests"
    )
    messages = [message_of(requested(payment_id=payment_id(str(number)))) for number in range(7)]
    await publisher.publish(messages, deadline_s=30)
    await publisher.stop()
    assert await lag() == 7

    name = topic_prefix + topic.name
    consumer = AIOKafkaConsumer(
        name,
        bootstrap_servers=endpoints.kafka_bootstrap,
        group_id=topic_prefix + group,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    await consumer.start()
    record = await consumer.getone()
    partition = TopicPartition(name, record.partition)
    await consumer.commit({partition: record.offset + 1})
    await consumer.stop()

    assert await lag() == 6
    await reader.close()
