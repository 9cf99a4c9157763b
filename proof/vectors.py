"""Offsets of the log and of its groups, asked of the broker by a client that is in no group."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import GroupCoordinatorNotAvailableError, KafkaError

from domain.errors import Unavailable
from proof.limits import ADMIN_S_MAX
from proof.route import Route
from proof.scope import Vectors
from runtime import limits
from runtime.clock import Clock
from runtime.letting_go import stop_consumer
from runtime.topics import Topic

Offsets = dict[str, list[int]]
Ask = Callable[[list[TopicPartition]], Awaitable[Mapping[TopicPartition, int]]]

NOT_COMMITTED: Final = -1
_COORDINATOR_PAUSE_S: Final = 0.2


def places_of(topic: str, partitions: int, prefix: str) -> list[TopicPartition]:
    """A topic's partitions on the broker."""
    return [TopicPartition(prefix + topic, number) for number in range(partitions)]


class Broker:
    """Asks; Unavailable if the broker does not answer in time."""

    def __init__(self, route: Route, *, bootstrap: str, prefix: str, clock: Clock) -> None:
        self._route = route
        self._prefix = prefix
        self._clock = clock
        self._known: set[str] = set()
        self._admin = AIOKafkaAdminClient(
            bootstrap_servers=bootstrap, request_timeout_ms=limits.TOPIC_ADMIN_REQUEST_MS_MAX
        )
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=bootstrap,
            group_id=None,
            enable_auto_commit=False,
            request_timeout_ms=limits.TOPIC_ADMIN_REQUEST_MS_MAX,
        )

    async def start(self) -> None:
        """Connect; Unavailable too if the broker has not the map's topics."""
        try:
            async with asyncio.timeout(ADMIN_S_MAX):
                await self._admin.start()
                await self._consumer.start()
                known = await self._consumer.topics()
        except (KafkaError, OSError, TimeoutError) as error:
            raise _unanswered(error) from error
        missing = {self._prefix + name for name in self._route.topic_names} - known
        if missing:
            raise Unavailable(f"Kafka has no topic {min(missing)}: run `titan topics apply`")

    async def stop(self) -> None:
        """Let go of the broker. May be repeated."""
        await self._admin.close()
        await stop_consumer(self._consumer)

    async def vectors(self) -> Vectors:
        """How far the groups are, and then where the topics begin and end."""
        try:
            async with asyncio.timeout(ADMIN_S_MAX):
                committed = {
                    group: await self._committed(group, topics)
                    for group, topics in self._route.groups.items()
                }
                proven = await self._ends(self._topics())
                first = await self._begins(self._topics())
        except (KafkaError, OSError, TimeoutError) as error:
            raise _unanswered(error) from error
        return Vectors(first=first, committed=committed, proven=proven)

    async def ends(self) -> Offsets:
        """Where the topics end just now."""
        return await self.ends_of(self._topics())

    async def ends_of(self, topics: Mapping[str, int]) -> Offsets:
        """Where these topics end just now; given with their partitions."""
        try:
            async with asyncio.timeout(ADMIN_S_MAX):
                return await self._ends(topics)
        except (KafkaError, OSError, TimeoutError) as error:
            raise _unanswered(error) from error

    async def begins_of(self, topics: Mapping[str, int]) -> Offsets:
        """The first records that the broker still has of these topics."""
        try:
            async with asyncio.timeout(ADMIN_S_MAX):
                return await self._begins(topics)
        except (KafkaError, OSError, TimeoutError) as error:
            raise _unanswered(error) from error

    async def offsets_at(self, at_ms: int) -> Offsets:
        """The first record of each partition that was appended then or later; else its end."""
        try:
            async with asyncio.timeout(ADMIN_S_MAX):
                ends = await self._consumer.end_offsets(self._places(self._topics()))
                found = await self._consumer.offsets_for_times(dict.fromkeys(ends, at_ms))
        except (KafkaError, OSError, TimeoutError) as error:
            raise _unanswered(error) from error
        ends |= {place: first.offset for place, first in found.items() if first is not None}
        return self._by_topic(ends, self._topics())

    async def retention_ms(self, topics: Sequence[str]) -> dict[str, int]:
        """How old a record must be before the broker deletes it; 0 where size may do so as well."""
        if not topics:
            return {}
        resources = [
            ConfigResource(ConfigResourceType.TOPIC, self._prefix + name) for name in topics
        ]
        try:
            async with asyncio.timeout(ADMIN_S_MAX):
                answers = await self._admin.describe_configs(resources)
        except (KafkaError, OSError, TimeoutError) as error:
            raise _unanswered(error) from error
        found: dict[str, int] = {}
        for answer in answers:
            for resource in answer.to_object()["resources"]:
                name = resource["resource_name"].removeprefix(self._prefix)
                found[name] = _retention_ms(resource["config_entries"])
        return found

    async def _committed(self, group: str, topics: Sequence[Topic]) -> Offsets:
        while True:
            try:
                positions = await self._admin.list_consumer_group_offsets(self._prefix + group)
            except GroupCoordinatorNotAvailableError:
                # A broker that never had a group makes the place for their offsets only now.
                await self._clock.sleep(_COORDINATOR_PAUSE_S)
                continue
            break
        return {
            topic.name: [
                positions[place].offset if place in positions else NOT_COMMITTED
                for place in places_of(topic.name, topic.partitions, self._prefix)
            ]
            for topic in topics
        }

    async def _ends(self, topics: Mapping[str, int]) -> Offsets:
        return await self._asked(self._consumer.end_offsets, topics)

    async def _begins(self, topics: Mapping[str, int]) -> Offsets:
        return await self._asked(self._consumer.beginning_offsets, topics)

    async def _asked(self, ask: Ask, topics: Mapping[str, int]) -> Offsets:
        """What the broker says, all topics at once.

        In one question the library would learn of the topics one after the other, with a pause
        between; and it must know them all before any answer counts, so that is asked first.
        """
        strange = topics.keys() - self._known
        await asyncio.gather(*(ask(self._places({name: 1})) for name in strange))
        self._known |= strange
        return self._by_topic(await ask(self._places(topics)), topics)

    def _topics(self) -> dict[str, int]:
        return {topic.name: topic.partitions for topic in self._route.topics}

    def _places(self, topics: Mapping[str, int]) -> list[TopicPartition]:
        return [
            place
            for name, partitions in topics.items()
            for place in places_of(name, partitions, self._prefix)
        ]

    def _by_topic(
        self, offsets: Mapping[TopicPartition, int], topics: Mapping[str, int]
    ) -> Offsets:
        return {
            name: [offsets[place] for place in places_of(name, partitions, self._prefix)]
            for name, partitions in topics.items()
        }


def _retention_ms(entries: Sequence[Mapping[str, Any]]) -> int:
    settings = {entry["config_names"]: entry["config_value"] for entry in entries}
    if int(settings.get("retention.bytes") or -1) >= 0:
        return 0
    return int(settings.get("retention.ms") or 0)


def _unanswered(error: BaseException) -> Unavailable:
    return Unavailable(f"Kafka does not answer ({type(error).__name__})")
