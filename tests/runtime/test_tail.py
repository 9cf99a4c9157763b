"""A tail hands on everything from its place on, and is fresh only while it can prove it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import pytest

from domain.errors import TitanError
from runtime import limits
from runtime.clock import SystemClock
from runtime.follow import Follower
from runtime.publisher import KafkaPublisher
from runtime.settings import Settings
from runtime.tail import Tail
from runtime.topic_admin import apply_topics
from runtime.topics import topic_map
from schemas.event import Event
from schemas.handle import HandleReleased
from schemas.wire import Message, first_message
from tests.support.waiting import eventually
from titan.servers import Endpoints, Kafka

RELEASED = topic_map()["handle.released.v1"]


def released(version: int) -> HandleReleased:
    return HandleReleased(
        request_id=uuid4(),
        requested_at=SystemClock().now(),
        handle="alice",
        fingerprint="0" * 64,
        client_id="demo",
        version=version,
    )


def record_of(event: HandleReleased) -> Message:
    return first_message(
        event, event_id=event.request_id, source="tests", now=SystemClock().now(), traceparent=None
    )


@dataclass
class Place:
    """A broker with one topic, and what a tail on it handed on."""

    bootstrap: str
    prefix: str
    starts: int = 0
    events: list[Event] = field(default_factory=list)
    may_handle: asyncio.Event = field(default_factory=asyncio.Event)

    async def prepare(self) -> None:
        only = topic_map().model_copy(update={"topics": [RELEASED]})
        await apply_topics(self.bootstrap, only, prefix=self.prefix)

    async def publish(self, *messages: Message) -> None:
        publisher = KafkaPublisher(
            self.bootstrap, prefix=self.prefix, settings=Settings(), role="tests"
        )
        await publisher.start()
        await publisher.publish(messages, deadline_s=10.0)
        await publisher.stop()

    @asynccontextmanager
    async def tail(self) -> AsyncIterator[Tail]:
        self.may_handle.set()
        tail = Tail(
            lambda: Follower(
                [RELEASED],
                bootstrap=self.bootstrap,
                prefix=self.prefix,
                wait_ms=limits.TAIL_WAIT_MS,
            ),
            on_start=self._on_start,
            on_events=self._on_events,
            clock=SystemClock(),
        )
        tail.start()
        yield tail
        await tail.stop()
        assert not tail.is_fresh

    def _on_start(self) -> None:
        self.starts += 1

    async def _on_events(self, events: Sequence[Event]) -> None:
        await self.may_handle.wait()
        self.events += events


@pytest.fixture
async def place(endpoints: Endpoints, topic_prefix: str) -> Place:
    place = Place(endpoints.kafka_bootstrap, topic_prefix)
    await place.prepare()
    return place


@pytest.mark.real
async def test_hands_on_what_comes_after_its_start_and_is_fresh(place: Place) -> None:
    before, after = released(1), released(2)
    await place.publish(record_of(before))
    async with place.tail() as tail:
        await eventually(lambda: tail.is_fresh)
        assert place.starts == 1
        await place.publish(record_of(after))
        await eventually(lambda: place.events)

    assert place.events == [after]


@pytest.mark.real
async def test_is_not_fresh_while_what_arrived_is_not_handled(place: Place) -> None:
    async with place.tail() as tail:
        await eventually(lambda: tail.is_fresh)
        place.may_handle.clear()
        await place.publish(record_of(released(1)))

        await eventually(lambda: not tail.is_fresh)
        assert not place.events

        place.may_handle.set()
        await eventually(lambda: tail.is_fresh)
        assert len(place.events) == 1


@pytest.mark.real
async def test_stays_fresh_over_what_cannot_be_understood(place: Place) -> None:
    event = released(1)
    async with place.tail() as tail:
        await eventually(lambda: tail.is_fresh)
        await place.publish(Message(RELEASED.name, b"alice", b"not json", []), record_of(event))
        await eventually(lambda: place.events)
        # Longer than the last proof from before can last: a new one was made.
        stale_at_s = SystemClock().monotonic_s() + limits.TAIL_FRESH_S_MAX
        await eventually(lambda: SystemClock().monotonic_s() > stale_at_s)

        assert tail.is_fresh


@pytest.mark.real
async def test_begins_again_after_an_error_of_its_handler(place: Place) -> None:
    class Broken(Place):
        async def _on_events(self, events: Sequence[Event]) -> None:
            self.events += events
            if len(self.events) == 1:
                raise TitanError("a fault of the handler")

    broken = Broken(place.bootstrap, place.prefix)
    async with broken.tail() as tail:
        await eventually(lambda: tail.is_fresh)
        await place.publish(record_of(released(1)))
        await eventually(lambda: broken.starts == 2 and tail.is_fresh)
        await place.publish(record_of(released(2)))
        await eventually(lambda: len(broken.events) == 2)


@pytest.mark.storm
@pytest.mark.timeout(120)
async def test_outlives_its_broker_and_misses_nothing(tmp_path: Path) -> None:
    kafka = Kafka(tmp_path)
    place = Place(kafka.url, "")
    async with place.tail() as tail:
        await kafka.start()
        try:
            await place.prepare()
            await eventually(lambda: tail.is_fresh, 30)
            kafka.kill()
            await eventually(lambda: not tail.is_fresh)

            await kafka.start()
            events = [released(version) for version in range(1, 6)]
            await place.publish(*map(record_of, events))

            await eventually(lambda: tail.is_fresh and len(place.events) == len(events), 60)
            assert place.events == events
            # It kept its place: nobody needs to fear that something was missed.
            assert place.starts == 1
        finally:
            kafka.kill()
