"""How far each consumer group is, asked of the broker: members, records waiting, and their age."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupCoordinatorNotAvailableError, KafkaError

from domain.errors import Unavailable
from runtime import limits
from runtime.clock import Clock
from runtime.lag import lag_of
from runtime.letting_go import stop_consumer

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_REQUEST_MS_MAX: Final = int(limits.LAG_SAMPLE_S_MAX * 1000)
_ALL_S_MAX: Final = 20.0
_OLDEST_S_MAX: Final = 3.0
_COORDINATOR_PAUSE_S: Final = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupState:
    """One consumer group. `oldest_s` is the age of its oldest waiting record, 0 if none waits."""

    group: str
    members: int
    lag_records: int
    oldest_s: float


class GroupReader:
    """Asks the broker about groups, without being in one. Unavailable if it does not answer."""

    def __init__(self, *, bootstrap: str, prefix: str, clock: Clock) -> None:
        self._prefix = prefix
        self._clock = clock
        self._admin = AIOKafkaAdminClient(
            bootstrap_servers=bootstrap, request_timeout_ms=_REQUEST_MS_MAX
        )
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=bootstrap,
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            request_timeout_ms=_REQUEST_MS_MAX,
        )

    async def read(self, groups: Mapping[str, Mapping[str, int]]) -> list[GroupState]:
        """The state of each group; given are the topics that it reads, with their partitions."""
        try:
            async with asyncio.timeout(_ALL_S_MAX):
                await self._admin.start()
                await self._consumer.start()
                # All at once, or aiokafka asks for each topic anew, and waits 0.1 s each time.
                places = {place for topics in groups.values() for place in self._places(topics)}
                self._consumer.assign(list(places))
                self._consumer.pause(*places)
                return [await self._patiently(group, topics) for group, topics in groups.items()]
        except (KafkaError, OSError, TimeoutError) as error:
            raise Unavailable(f"Kafka: {type(error).__name__}") from error
        finally:
            await self._admin.close()
            await stop_consumer(self._consumer)

    async def _patiently(self, group: str, topics: Mapping[str, int]) -> GroupState:
        while True:
            try:
                return await self._state(group, topics)
            except GroupCoordinatorNotAvailableError:
                # A broker that never had a group makes the place for their offsets only now.
                await self._clock.sleep(_COORDINATOR_PAUSE_S)

    async def _members(self, group: str) -> int:
        # One group a question: aiokafka reads the answer to several by the schema of an older
        # version, and loses the connection over it.
        [answer] = await self._admin.describe_consumer_groups([self._prefix + group])
        [described] = answer.to_object()["groups"]
        return len(described["members"])

    async def _state(self, group: str, topics: Mapping[str, int]) -> GroupState:
        places = self._places(topics)
        # Commits first: a record handled in between may count as waiting, never the other way.
        positions = await self._admin.list_consumer_group_offsets(self._prefix + group)
        committed = {
            place: position.offset for place, position in positions.items() if position.offset >= 0
        }
        first = await self._consumer.beginning_offsets(places)
        end = await self._consumer.end_offsets(places)
        waiting = {
            place: start
            for place in places
            if (start := max(committed.get(place, 0), first[place])) < end[place]
        }
        return GroupState(
            group=group,
            members=await self._members(group),
            lag_records=sum(lag_of(committed, first, end).values()),
            oldest_s=await self._oldest_s(waiting),
        )

    def _places(self, topics: Mapping[str, int]) -> list[TopicPartition]:
        return [
            TopicPartition(self._prefix + topic, number)
            for topic, count in topics.items()
            for number in range(count)
        ]

    async def _oldest_s(self, starts: Mapping[TopicPartition, int]) -> float:
        """The age of the oldest record at these places, as far as the broker hands them out."""
        if not starts:
            return 0.0
        for place, start in starts.items():
            self._consumer.seek(place, start)
        self._consumer.resume(*starts)
        oldest = now = self._clock.now()
        missing = set(starts)
        deadline_s = self._clock.monotonic_s() + _OLDEST_S_MAX
        while missing and self._clock.monotonic_s() < deadline_s:
            batches: dict[TopicPartition, list[Any]] = await self._consumer.getmany(
                *missing, timeout_ms=limits.POLL_WAIT_MS
            )
            for place, records in batches.items():
                missing.discard(place)
                appended_at = _EPOCH + timedelta(milliseconds=records[0].timestamp)
                oldest = min(oldest, appended_at)
        self._consumer.pause(*starts)
        return (now - oldest).total_seconds()
