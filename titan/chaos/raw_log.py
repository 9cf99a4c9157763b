"""All topics as bytes, from their first record on, read as anybody could read them."""

import asyncio
from collections.abc import AsyncIterator
from collections.abc import Set as AbstractSet
from typing import Any, Final, NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition

from runtime.dead_letter_log import dead_letter_topics
from runtime.letting_go import stop_consumer
from runtime.topics import topic_map

_FETCH_MS: Final = 500
_READ_S_MAX: Final = 60.0


Place = tuple[str, int, int]
"""Topic, partition and offset."""


class Record(NamedTuple):
    """A record; `appended_at_ms` is the broker's clock, in ms since 1970."""

    topic: str
    partition: int
    offset: int
    appended_at_ms: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]

    @property
    def place(self) -> Place:
        """Where it lies."""
        return self.topic, self.partition, self.offset


class RawLog:
    """A reader without a group. It steps over the places that no client library can read."""

    def __init__(self, bootstrap: str, *, unreadable: AbstractSet[Place]) -> None:
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=bootstrap,
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
        )
        self._unreadable = unreadable
        own = {topic.name: topic.partitions for topic in topic_map().topics}
        topics = {**own, **dead_letter_topics(topic_map())}
        self._positions = {
            TopicPartition(name, number): 0
            for name, partitions in topics.items()
            for number in range(partitions)
        }

    async def start(self) -> None:
        """Begin at the first record of every partition of the map's topics and dead letters."""
        await self._consumer.start()
        places = list(self._positions)
        self._consumer.assign(places)
        await self._consumer.seek_to_beginning(*places)
        first = await self._consumer.beginning_offsets(places)
        assert set(first.values()) == {0}, "the log has lost its beginning"

    async def stop(self) -> None:
        """Let go of the broker."""
        await stop_consumer(self._consumer)

    async def read_on(self) -> AsyncIterator[list[Record]]:
        """Everything up to the present end that was not read before, some at a time."""
        ends: dict[TopicPartition, int] = await self._consumer.end_offsets(list(self._positions))
        while behind := [p for p, end in ends.items() if self._step(p) < end]:
            async with asyncio.timeout(_READ_S_MAX):
                records = await self._some(behind)
            yield records

    async def _some(self, behind: list[TopicPartition]) -> list[Record]:
        records: list[Record] = []
        free = [p for p in behind if self._next_unreadable(p) is None]
        if free:
            batches = await self._consumer.getmany(*free, timeout_ms=_FETCH_MS)
            for batch in batches.values():
                records += self._taken(batch)
        for place in set(behind) - set(free):
            records += await self._up_to_the_unreadable(place)
        return records

    def _step(self, place: TopicPartition) -> int:
        """The position, moved past what cannot be read."""
        while (*place, self._positions[place]) in self._unreadable:
            self._positions[place] += 1
            self._consumer.seek(place, self._positions[place])
        return self._positions[place]

    def _next_unreadable(self, place: TopicPartition) -> int | None:
        position = self._positions[place]
        ahead = [o for (t, p, o) in self._unreadable if (t, p) == place and o >= position]
        return min(ahead, default=None)

    async def _up_to_the_unreadable(self, place: TopicPartition) -> list[Record]:
        stop = self._next_unreadable(place)
        assert stop is not None
        count = stop - self._positions[place]
        found = await self._consumer.getmany(place, timeout_ms=_FETCH_MS, max_records=count)
        return [record for batch in found.values() for record in self._taken(batch)]

    def _taken(self, batch: list[Any]) -> list[Record]:
        last = batch[-1]
        self._positions[TopicPartition(last.topic, last.partition)] = last.offset + 1
        return [
            Record(
                record.topic,
                record.partition,
                record.offset,
                record.timestamp,
                record.key,
                record.value,
                tuple(record.headers),
            )
            for record in batch
        ]
