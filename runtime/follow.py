"""Follow topics without a consumer group: every follower sees every record and commits nothing.

For looking on (`titan watch`, an edge's cache), never for work: a follower that dies forgets its
place.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from domain.errors import Invalid, Unavailable
from runtime import limits
from runtime.clock import Clock, SystemClock
from runtime.dead_letter import Record
from runtime.letting_go import stop_consumer
from runtime.poll import UnreadableRecord, poll
from runtime.topics import Topic
from schemas.event import Delivered, Event, Position
from schemas.wire import decode

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Followed:
    """An event off a topic, with the time at which the broker appended it (UTC, whole ms)."""

    delivered: Delivered[Event]
    appended_at: datetime


class Follower:
    """Reads topics from their present end, or from the first record appended at `since` or later.

    Records that cannot be understood, or not even read, are passed over (a stage dead-letters them)
    and counted in `skipped`. While the broker is away nothing arrives; afterwards it goes on by
    itself.
    """

    def __init__(
        self,
        topics: Sequence[Topic],
        *,
        bootstrap: str,
        prefix: str = "",
        since: datetime | None = None,
        wait_ms: int = limits.POLL_WAIT_MS,
        clock: Clock | None = None,
    ) -> None:
        self.skipped = 0
        self._wait_ms = wait_ms
        self._clock = clock or SystemClock()
        self._places: dict[TopicPartition, int] = {}
        self._is_stepping = False
        self._topics = {f"{prefix}{topic.name}": topic for topic in topics}
        self._since = since
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=bootstrap,
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=wait_ms,
            request_timeout_ms=int(limits.FOLLOW_START_S_MAX * 1000),
        )

    async def start(self) -> None:
        """Take the place from which `poll` reads; Unavailable if broker or topics do not answer."""
        try:
            await self._consumer.start()
            await self._demand_topics()
            self._consumer.assign(self._partitions())
            self._places = await self._first_offsets()
            await self._rewind(self._consumer)
        except (KafkaError, OSError) as error:
            await self.stop()
            raise Unavailable(f"Kafka: {type(error).__name__}") from error
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Let go of the broker. May be repeated."""
        await stop_consumer(self._consumer)

    async def poll(self) -> list[Followed]:
        """What arrived since the last call, in order within each partition.

        Returns at once when something did, else empty after `wait_ms`.
        """
        try:
            records = await poll(
                self._consumer, self._clock, rewind=self._rewind, wait_ms=self._wait_ms
            )
        finally:
            self._is_stepping = False
        for record in records:
            self._places[TopicPartition(record.topic, record.partition)] = record.offset + 1
        return [followed for record in records if (followed := self._followed(record)) is not None]

    async def _rewind(self, consumer: AIOKafkaConsumer) -> None:
        """Back to what was handed out last, after records were drained that nobody got."""
        self._is_stepping = True
        for partition, offset in self._places.items():
            consumer.seek(partition, offset)

    async def end(self) -> Mapping[TopicPartition, int]:
        """Where the topics end just now; Unavailable if the broker does not answer.

        The answer waits its turn behind the fetch in progress, up to `wait_ms`.
        """
        try:
            offsets: dict[TopicPartition, int] = await self._consumer.end_offsets(
                self._partitions()
            )
        except (KafkaError, OSError) as error:
            raise Unavailable(f"Kafka: {type(error).__name__}") from error
        return offsets

    async def has_passed(self, end: Mapping[TopicPartition, int]) -> bool:
        """Whether `poll` has handed out everything that lies before `end`."""
        if self._is_stepping:
            return False
        for partition, offset in end.items():
            if await self._consumer.position(partition) < offset:
                return False
        return True

    async def _demand_topics(self) -> None:
        # Assigned a topic that does not exist, aiokafka asks for it again without any pause.
        missing = self._topics.keys() - await self._consumer.topics()
        if missing:
            raise Unavailable(f"Kafka has no topic {min(missing)}: run `titan topics apply`")

    def _partitions(self) -> list[TopicPartition]:
        return [
            TopicPartition(name, number)
            for name, topic in self._topics.items()
            for number in range(topic.partitions)
        ]

    async def _first_offsets(self) -> dict[TopicPartition, int]:
        offsets: dict[TopicPartition, int] = await self._consumer.end_offsets(self._partitions())
        if self._since is not None:
            since_ms = (self._since - _EPOCH) // timedelta(milliseconds=1)
            found = await self._consumer.offsets_for_times(dict.fromkeys(offsets, since_ms))
            # None where nothing is as young as that: the end, then.
            offsets |= {place: first.offset for place, first in found.items() if first is not None}
        return offsets

    def _followed(self, record: Record) -> Followed | None:
        topic = self._topics[record.topic]
        if isinstance(record, UnreadableRecord):
            self.skipped += 1
            return None
        try:
            delivered = decode(
                topic.model,
                Position(topic=topic.name, partition=record.partition, offset=record.offset),
                key=record.key,
                value=record.value,
                headers=record.headers,
            )
        except Invalid:
            self.skipped += 1
            return None
        return Followed(delivered, _EPOCH + timedelta(milliseconds=record.timestamp))
