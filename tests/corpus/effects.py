"""What requests did to the log: the events that only edges put there."""

from collections.abc import Mapping

from aiokafka import AIOKafkaConsumer, TopicPartition

from runtime.topics import topic_map
from tests.support.whole_titan import WholeTitan


async def first_events(titan: WholeTitan) -> Mapping[str, int]:
    """How many records each topic has that an edge writes to."""
    topics = [
        topic
        for topic in topic_map().topics
        if all(room.startswith("producers.") for room in topic.producers)
    ]
    partitions = [
        TopicPartition(topic.name, number) for topic in topics for number in range(topic.partitions)
    ]
    consumer = AIOKafkaConsumer(bootstrap_servers=titan.endpoints["kafka_bootstrap"])
    await consumer.start()
    try:
        ends = await consumer.end_offsets(partitions)
    finally:
        await consumer.stop()
    counts: dict[str, int] = dict.fromkeys((topic.name for topic in topics), 0)
    for partition, end in ends.items():
        counts[partition.topic] += end
    return counts
