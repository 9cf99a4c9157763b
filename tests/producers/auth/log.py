"""What the log has of one person or program, read as anybody may read it."""

import json
from typing import Any

from aiokafka import AIOKafkaConsumer

from runtime.topics import topic_map
from tests.producers.auth.place import Auth
from tests.support.waiting import eventually

Told = list[tuple[str, dict[str, Any]]]


async def events_of(auth: Auth, key: str, *, until: str) -> Told:
    """Topic and value of all events with this key, in their order, once `until` is among them."""
    settings = auth.edge.resources.settings
    prefix = settings.topic_prefix
    topics = [
        prefix + topic.name
        for topic in topic_map().topics
        if "producers.auth" in topic.producers and topic.name != "standing.changed.v1"
    ]
    consumer = AIOKafkaConsumer(
        *topics,
        bootstrap_servers=settings.kafka_bootstrap,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    found: dict[tuple[str, str], tuple[int, str, dict[str, Any]]] = {}

    async def read() -> bool:
        for records in (await consumer.getmany(timeout_ms=100)).values():
            for record in records:
                if record.key == key.encode():
                    name, headers = record.topic.removeprefix(prefix), dict(record.headers)
                    value = json.loads(record.value)
                    # At least once: the same record has the same id.
                    found[name, headers["ce_id"].decode()] = (record.timestamp, name, value)
        return any(name == until for name, _ in found)

    await consumer.start()
    try:
        await eventually(read, timeout_s=30)
    finally:
        await consumer.stop()
    in_order = sorted(found.values(), key=lambda each: (each[2]["requested_at"], each[0], each[1]))
    return [(name, value) for _, name, value in in_order]
