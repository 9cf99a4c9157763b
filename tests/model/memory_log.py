"""A log in memory with Kafka's promise: order within a partition, and no other."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from runtime.publisher import partition_of
from runtime.topics import topic_map
from schemas.event import Delivered, Event, Position
from schemas.wire import Message, decode
from tests.support.memory_stage import Crash, RawRecord

Place = tuple[str, int]
"""A topic and one of its partitions."""


class MemoryLog:
    """Topics, and the publisher that fills them. `fuse` kills the publisher after that many."""

    def __init__(self) -> None:
        self.partitions: dict[Place, list[Message]] = defaultdict(list)
        self.sequence: list[Message] = []
        """All of them, in the order in which they were appended."""
        self.fuse: int | None = None

    async def publish(self, messages: Sequence[Message], *, deadline_s: float) -> None:
        assert deadline_s > 0
        for message in messages:
            if self.fuse is not None:
                if self.fuse == 0:
                    raise Crash
                self.fuse -= 1
            self.sequence.append(message)
            count = topic_map()[message.topic].partitions
            self.partitions[message.topic, partition_of(message.key, count)].append(message)

    def read(self, place: Place, start: int, count: int) -> list[RawRecord]:
        topic, partition = place
        return [
            RawRecord(topic, partition, offset, message.key, message.value, message.headers)
            for offset, message in enumerate(self.partitions[place][start : start + count], start)
        ]

    def events(self, prefix: str) -> list[Delivered[Event]]:
        """Everything on the topics whose names begin so, repeats included."""
        return [
            decode(
                topic_map()[topic].model,
                Position(topic, partition, offset),
                key=message.key,
                value=message.value,
                headers=message.headers,
            )
            for (topic, partition), messages in sorted(self.partitions.items())
            if topic.startswith(prefix)
            for offset, message in enumerate(messages)
        ]


@dataclass
class Reader:
    """A consumer group: the topics of its stage, and the offsets it has committed."""

    topics: list[str]
    log: MemoryLog
    offsets: dict[Place, int] = field(default_factory=lambda: defaultdict(int))

    def waiting(self) -> list[Place]:
        """The partitions in which there is something to read."""
        return [
            place
            for place, messages in sorted(self.log.partitions.items())
            if place[0] in self.topics and len(messages) > self.offsets[place]
        ]

    def commit(self, records: Sequence[RawRecord]) -> None:
        for record in records:
            self.offsets[record.topic, record.partition] = record.offset + 1
