"""A log with Kafka's promises and no others: order within a partition, at least once, maybe late.

A send that fails may be in the log: lost on the way there, lost on the way back, or appended
later, when its sender has given it up and perhaps died.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from uuid import UUID

from aiokafka import TopicPartition
from aiokafka.errors import KafkaConnectionError

from domain.errors import Unavailable, Unknown
from runtime.publisher import partition_of
from runtime.topics import topic_map
from schemas.wire import Message
from tests.simulation.coordinator import Group, Pulse
from tests.simulation.nature import Nature

_OUTAGE_POLL_S = 0.2


@dataclass(frozen=True, slots=True)
class LogRecord:
    """A record as the client library hands it out; `is_unreadable` makes the library stumble."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]
    is_unreadable: bool = False


class Broker:
    """Topics, and the groups that read them."""

    def __init__(self, nature: Nature) -> None:
        self.is_down = False
        self.in_flight = 0
        """Sends that may still be appended, given up by their sender or not."""
        self.log: dict[TopicPartition, list[LogRecord]] = defaultdict(list)
        self.history: list[LogRecord] = []
        """All records of all topics, in the order in which they were appended."""
        self.event_ids: set[UUID] = set()
        self.letters: set[tuple[str, str, int, int]] = set()
        """Group, and place of the original, of every dead letter."""
        self.on_offsets: list[Callable[[Group, TopicPartition, int], None]] = []
        self.process = nature.loop.process("broker")
        self.groups: dict[str, Group] = {}
        self._nature = nature
        self._partitions = nature.weather.partitions
        self._waiting: list[tuple[Collection[str], asyncio.Future[None]]] = []

    def group(self, name: str, topics: Collection[str]) -> Group:
        """The consumer group of that name."""
        places = [
            TopicPartition(topic, partition)
            for topic in sorted(topics)
            for partition in range(self._partitions)
        ]
        if name not in self.groups:
            self.groups[name] = Group(name, places, self.process, self._nature)
        return self.groups[name]

    def place_of(self, message: Message) -> TopicPartition:
        """Where a message belongs: the same key, the same partition."""
        return TopicPartition(message.topic, partition_of(message.key, self._partitions))

    def end(self, place: TopicPartition) -> int:
        """The offset that the next record gets."""
        return len(self.log[place])

    def append(
        self, place: TopicPartition, message: Message, *, is_unreadable: bool = False
    ) -> None:
        """Put a record at the end, and wake who waits for it."""
        record = LogRecord(
            place.topic,
            place.partition,
            len(self.log[place]),
            int(self._nature.now().timestamp() * 1000),
            message.key,
            message.value,
            list(message.headers),
            is_unreadable,
        )
        self.log[place].append(record)
        self.history.append(record)
        self._note_identity(record)
        waiting, self._waiting = self._waiting, []
        for topics, future in waiting:
            if future.done():
                continue
            if place.topic in topics:
                future.set_result(None)
            else:
                self._waiting.append((topics, future))

    def _note_identity(self, record: LogRecord) -> None:
        attributes = dict(record.headers)
        if record.topic.endswith(".dlq"):
            group, topic = attributes["x-consumer-group"], attributes["x-original-topic"]
            partition, offset = attributes["x-original-partition"], attributes["x-original-offset"]
            assert group is not None
            assert topic is not None
            assert partition is not None
            assert offset is not None
            self.letters.add((group.decode(), topic.decode(), int(partition), int(offset)))
            return
        try:
            self.event_ids.add(UUID((attributes.get("ce_id") or b"").decode()))
        except ValueError:
            return

    def commit_offsets(
        self,
        group: Group,
        member_id: int | None,
        generation: int,
        offsets: dict[TopicPartition, int],
    ) -> Pulse:
        """Note where each partition is to be begun, unless the member was thrown out."""
        if group.is_member(member_id, generation):
            for place, offset in offsets.items():
                for look in self.on_offsets:
                    look(group, place, offset)
        return group.commit(member_id, generation, offsets)

    async def arrival(self, topics: Collection[str], timeout_s: float) -> None:
        """Wait for a record on these topics, or for the end of the wait."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((topics, future))
        try:
            async with asyncio.timeout(timeout_s):
                await future
        except TimeoutError:
            return

    async def reached(self) -> None:
        """A request is on its way to the broker, and waits there while it is down."""
        await self._nature.travel()
        while self.is_down:  # noqa: ASYNC110 - each client finds out at a time of its own
            await asyncio.sleep(_OUTAGE_POLL_S)

    def send(self, place: TopicPartition, messages: Sequence[Message]) -> asyncio.Future[None]:
        """Append a batch and acknowledge it, or do one of these and not the other."""
        nature, weather = self._nature, self._nature.weather
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        soon_s = nature.random.random() * 0.01
        later_s = soon_s + nature.random.random() * 2
        if nature.happens(weather.publish_is_lost):
            nature.trace.sometimes("a publish was lost on its way to the log")
            self.process.call_later(later_s, self._fail, answer)
            return answer
        self.in_flight += 1
        if nature.happens(weather.publish_is_late):
            nature.trace.sometimes("a publish came after its sender had given up")
            self.process.call_later(soon_s, self._fail, answer)
            self.process.call_later(later_s, self._arrive, place, messages, None)
        elif nature.happens(weather.publish_answer_is_lost):
            nature.trace.sometimes("an unknown publish was in the log")
            self.process.call_later(soon_s, self._arrive, place, messages, None)
            self.process.call_later(later_s, self._fail, answer)
        else:
            self.process.call_later(soon_s, self._arrive, place, messages, answer)
        return answer

    def _arrive(
        self,
        place: TopicPartition,
        messages: Sequence[Message],
        answer: asyncio.Future[None] | None,
    ) -> None:
        if self.is_down:
            self.process.call_later(_OUTAGE_POLL_S, self._arrive, place, messages, answer)
            return
        self.in_flight -= 1
        for message in messages:
            self.append(place, message)
        self._nature.trace.note(f"{place.topic}/{place.partition} to {self.end(place)}")
        if answer is not None:
            self.process.call_later(self._nature.random.random() * 0.01, self._confirm, answer)

    def _confirm(self, answer: asyncio.Future[None]) -> None:
        if not answer.done():
            answer.set_result(None)

    def _fail(self, answer: asyncio.Future[None]) -> None:
        if not answer.done():
            answer.set_exception(KafkaConnectionError())


class SimulatedPublisher:
    """The house's publisher (`runtime/publisher.py`) on that log, as honest about what it knows."""

    def __init__(self, broker: Broker, nature: Nature) -> None:
        self._broker = broker
        self._nature = nature

    async def publish(self, messages: Sequence[Message], *, deadline_s: float) -> None:
        """Return when every message is acknowledged; Unknown or Unavailable if that is not so."""
        if not messages:
            return
        if self._nature.happens(self._nature.weather.publish_is_refused):
            raise Unavailable("too many records wait for the broker")
        batches: dict[TopicPartition, list[Message]] = defaultdict(list)
        for message in messages:
            batches[self._broker.place_of(message)].append(message)
        await self._nature.travel()
        sends = [self._broker.send(place, batch) for place, batch in batches.items()]
        try:
            async with asyncio.timeout(deadline_s):
                answers = await asyncio.gather(*sends, return_exceptions=True)
        except TimeoutError as error:
            raise Unknown("no acknowledgement within the deadline") from error
        if any(isinstance(answer, BaseException) for answer in answers):
            raise Unknown("a send failed")


def known_topics() -> list[str]:
    """The topics of the map that carry payments."""
    return [topic.name for topic in topic_map().topics if topic.name.startswith("payment.")]
