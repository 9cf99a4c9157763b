"""What lies on topics, as the broker has it."""

from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from runtime.settings import Settings
from runtime.topics import topic_map


async def records_of(settings: Settings, *topics: str) -> list[Any]:
    """Every record of these topics so far; those of one partition in its order."""
    partitions = [
        TopicPartition(settings.topic_prefix + topic, number)
        for topic in topics
        for number in range(topic_map()[topic].partitions)
    ]
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.kafka_bootstrap, auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        records: list[Any] = []
        while len(records) < sum(ends.values()):
            for batch in (await consumer.getmany(timeout_ms=200)).values():
                records += batch
        return records
    finally:
        await consumer.stop()
