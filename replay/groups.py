"""How far a consumer group has committed, asked without being in it."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any, Final

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupCoordinatorNotAvailableError, KafkaError

from domain.errors import Unavailable
from replay.vector import Place
from runtime import limits

_COORDINATOR_PAUSE_S: Final = 0.2


async def committed(
    bootstrap: str, group: str, places: Iterable[Place], *, prefix: str = ""
) -> dict[Place, int]:
    """Of each place the offset before which all is done; 0 where nothing was committed."""
    admin = AIOKafkaAdminClient(
        bootstrap_servers=bootstrap, request_timeout_ms=limits.TOPIC_ADMIN_REQUEST_MS_MAX
    )
    try:
        async with asyncio.timeout(limits.REPLAY_READ_S_MAX):
            await admin.start()
            found = await _patiently(admin, prefix + group)
    except (KafkaError, OSError, TimeoutError) as error:
        raise Unavailable(f"Kafka: {type(error).__name__}") from error
    finally:
        await admin.close()
    offsets = {
        Place(named.topic.removeprefix(prefix), named.partition): position.offset
        for named, position in found.items()
    }
    return {place: max(0, offsets.get(place, 0)) for place in places}


async def _patiently(admin: AIOKafkaAdminClient, group: str) -> Mapping[TopicPartition, Any]:
    while True:
        try:
            found: Mapping[TopicPartition, Any] = await admin.list_consumer_group_offsets(group)
        except GroupCoordinatorNotAvailableError:
            # A broker that never had a group makes the place for their offsets only now. "None"
            # would be a wrong answer: it says that nothing need be in the living table.
            await asyncio.sleep(_COORDINATOR_PAUSE_S)
        else:
            return found
