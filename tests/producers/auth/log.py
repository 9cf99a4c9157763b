"""What the log has of one person or program, read as anybody may read it."""

import json
from typing import Any

from aiokafka import AIOKafkaConsumer

from runtime.topics import topic_map
from tests.producers.auth.place import Auth
from tests.support.waiting import eventually

Told = list[tuple[str, dict[str, Any]]]


async def events_of(auth: Auth, key: str, *, until: str) -> Told:
    """Topic and value of all events with this key, in their order, once `until` is among them.

    Those of one act have no order among each other, as they are on several topics.
    """
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
    ends: dict[Any, int] = {}

    async def read() -> bool:
        for records in (await consumer.getmany(timeout_ms=100)).values():
            for record in records:
                if record.key == key.encode():
                    name, headers = record.topic.removeprefix(prefix), dict(record.headers)
                    value = json.loads(record.value)
                    # At least once: the same record has the same id.
                    found[name, headers["ce_id"].decode()] = (record.timestamp, name, value)
        if not ends and not await is_waiting():
            # The relay has published it all: it lies before these ends.
            ends.update(await consumer.end_offsets(list(consumer.assignment())))
        places = [(await consumer.position(place), end) for place, end in ends.items()]
        has_all = bool(places) and all(position >= end for position, end in places)
        return has_all and any(name == until for name, _ in found)

    async def is_waiting() -> bool:
        async with auth.edge.resources.database.connection() as connection:
            return bool(
                await connection.fetchval(
                    "SELECT EXISTS (SELECT FROM outbox WHERE key = $1)", key.encode()
                )
            )

    await consumer.start()
    try:
        await eventually(read, timeout_s=30)
    finally:
        await consumer.stop()
    in_order = sorted(found.values(), key=lambda each: (each[2]["requested_at"], each[0], each[1]))
    return [(name, value) for _, name, value in in_order]
