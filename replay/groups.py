"""How far a consumer group has committed, asked without being in it."""

from collections.abc import Iterable

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupCoordinatorNotAvailableError, KafkaError

from domain.errors import Unavailable
from replay.vector import Place
from runtime import limits


async def committed(
    bootstrap: str, group: str, places: Iterable[Place], *, prefix: str = ""
) -> dict[Place, int]:
    """Of each place the offset before which all is done; 0 where nothing was committed."""
    admin = AIOKafkaAdminClient(
        bootstrap_servers=bootstrap, request_timeout_ms=limits.TOPIC_ADMIN_REQUEST_MS_MAX
    )
    try:
        await admin.start()
        found = await admin.list_consumer_group_offsets(prefix + group)
    except GroupCoordinatorNotAvailableError:
        found = {}  # A broker that never had a group has no place for offsets either.
    except (KafkaError, OSError) as error:
        raise Unavailable(f"Kafka: {type(error).__name__}") from error
    finally:
        await admin.close()
    offsets = {
        Place(named.topic.removeprefix(prefix), named.partition): position.offset
        for named, position in found.items()
    }
    return {place: max(0, offsets.get(place, 0)) for place in places}
