"""Dead letters read back: what lies there, and how far it has been redriven.

A consumer group that has no members keeps the mark per partition: every dead letter before it has
been put back on its topic. Only this module subscribes to dead letters; no stage ever does.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from domain.errors import Unavailable
from runtime import limits
from runtime.dead_letter import (
    HEADERS_CUT,
    KEY_CUT,
    OWN_HEADER_PREFIXES,
    TOMBSTONE,
    VALUE_CUT,
)
from runtime.letting_go import stop_consumer
from runtime.topics import DEAD_LETTER_PARTITIONS, TopicMap
from schemas.event import Position
from schemas.wire import Message

REDRIVE_GROUP: Final = "titan-redrive"

_REDRIVEN_PREFIX: Final = "x-redriven-"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class StoredLetter:
    """A dead letter as it lies on its topic; names are the map's, without a deployment's prefix."""

    position: Position
    appended_at: datetime
    key: bytes
    value: bytes
    headers: Sequence[tuple[str, bytes]]

    def header(self, name: str) -> str:
        """A header as text, "" if absent; bytes that are no text are shown escaped."""
        return dict(self.headers).get(name, b"").decode(errors="backslashreplace")

    @property
    def code(self) -> str:
        """Why the record could not be understood."""
        return self.header("x-error-code")

    @property
    def origin(self) -> tuple[str, str, str]:
        """Topic, partition and offset of the record that failed."""
        return (
            self.header("x-original-topic"),
            self.header("x-original-partition"),
            self.header("x-original-offset"),
        )

    @property
    def is_whole(self) -> bool:
        """Whether all of the record is here to be put back; a tombstone has no value."""
        names = {name for name, _ in self.headers}
        return names.isdisjoint({TOMBSTONE, KEY_CUT, VALUE_CUT, HEADERS_CUT})

    def redriven(self, now: datetime) -> Message:
        """The record as it goes back: original bytes, key and headers, and that it was redriven."""
        position = self.position
        earlier = self.header("x-redriven-count")
        count = int(earlier) + 1 if re.fullmatch(r"[0-9]{1,9}", earlier) else 1
        kept = [
            (name, value)
            for name, value in self.headers
            if not name.startswith((*OWN_HEADER_PREFIXES, _REDRIVEN_PREFIX))
        ]
        marks = [
            ("x-redriven-from", f"{position.topic}/{position.partition}/{position.offset}"),
            ("x-redriven-at", now.isoformat()),
            ("x-redriven-count", str(count)),
        ]
        return Message(
            topic=self.header("x-original-topic"),
            key=self.key,
            value=self.value,
            headers=[*kept, *((name, text.encode()) for name, text in marks)],
        )


def _unanswered(error: BaseException) -> str:
    return f"Kafka does not answer ({type(error).__name__}): start it, or correct the address"


def dead_letter_topics(topics: TopicMap) -> dict[str, int]:
    """The map's dead letter topics, each with its number of partitions."""
    return {
        topic.dead_letter(reader.group): DEAD_LETTER_PARTITIONS
        for topic in topics.topics
        for reader in topic.consumers
    }


class DeadLetterLog:
    """The dead letters of one deployment. What goes wrong with the broker is Unavailable.

    It does NOT follow: `read` ends where the topics ended when it began.
    """

    def __init__(self, topics: Mapping[str, int], *, bootstrap: str, prefix: str) -> None:
        self._prefix = prefix
        self._partitions = [
            TopicPartition(prefix + name, number)
            for name, count in topics.items()
            for number in range(count)
        ]
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=bootstrap,
            group_id=prefix + REDRIVE_GROUP,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            request_timeout_ms=limits.TOPIC_ADMIN_REQUEST_MS_MAX,
        )

    async def start(self) -> None:
        """Connect; Unavailable if the broker is down or has no such topics."""
        try:
            await self._consumer.start()
            known = await self._consumer.topics()
        except (KafkaError, OSError) as error:
            await self.stop()
            raise Unavailable(_unanswered(error)) from error
        missing = {place.topic for place in self._partitions} - known
        if missing:
            await self.stop()
            raise Unavailable(f"Kafka has no topic {min(missing)}: run `titan topics apply`")
        self._consumer.assign(self._partitions)

    async def stop(self) -> None:
        """Let go of the broker. May be repeated."""
        await stop_consumer(self._consumer)

    async def read(self, *, redriven_too: bool = False) -> AsyncIterator[StoredLetter]:
        """Each letter that lies there now, in order within a partition.

        Those before the mark are left out, unless `redriven_too`.
        """
        try:
            async with asyncio.timeout(limits.TOPIC_ADMIN_S_MAX):
                if redriven_too:
                    await self._consumer.seek_to_beginning(*self._partitions)
                ends = await self._consumer.end_offsets(self._partitions)
                positions = [await self._consumer.position(place) for place in ends]
            left = {
                place
                for (place, end), position in zip(ends.items(), positions, strict=True)
                if position < end
            }
            while left:
                for place, batch in (await self._next(left)).items():
                    for record in batch:
                        if record.offset < ends[place]:
                            yield self._letter(record)
                    if batch[-1].offset + 1 >= ends[place]:
                        left.discard(place)
        except (KafkaError, OSError) as error:
            raise Unavailable(_unanswered(error)) from error

    async def find(self, position: Position) -> StoredLetter | None:
        """The letter at a position; None if it is there no more, or not yet."""
        place = TopicPartition(self._prefix + position.topic, position.partition)
        if place not in self._partitions:
            return None
        try:
            begins = await self._consumer.beginning_offsets([place])
            ends = await self._consumer.end_offsets([place])
            if not begins[place] <= position.offset < ends[place]:
                return None
            self._consumer.seek(place, position.offset)
            records = await self._next({place})
        except (KafkaError, OSError) as error:
            raise Unavailable(_unanswered(error)) from error
        return self._letter(records[place][0])

    async def mark_redriven(self, nexts: Mapping[tuple[str, int], int]) -> None:
        """Move marks: of each topic and partition, the first offset that is not redriven."""
        offsets = {
            TopicPartition(self._prefix + topic, partition): offset
            for (topic, partition), offset in nexts.items()
        }
        if not offsets:
            return
        try:
            await self._consumer.commit(offsets)
        except (KafkaError, OSError) as error:
            raise Unavailable(_unanswered(error)) from error

    async def _next(self, places: set[TopicPartition]) -> dict[TopicPartition, list[Any]]:
        """Records that are known to lie there; TimeoutError if the broker hands none out."""
        wait_ms = int(limits.DEAD_LETTER_READ_S_MAX * 1000)
        records: dict[TopicPartition, list[Any]] = await self._consumer.getmany(
            *places, timeout_ms=wait_ms
        )
        if not records:
            raise TimeoutError
        return records

    def _letter(self, record: Any) -> StoredLetter:  # noqa: ANN401 - aiokafka has no types
        topic = record.topic.removeprefix(self._prefix)
        return StoredLetter(
            position=Position(topic, record.partition, record.offset),
            appended_at=_EPOCH + timedelta(milliseconds=record.timestamp),
            key=record.key or b"",
            value=record.value or b"",
            headers=[(name, value or b"") for name, value in record.headers],
        )
