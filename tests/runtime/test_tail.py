"""A tail hands on everything from its place on, and is fresh only while it can prove it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import pytest
from aiokafka.consumer.fetcher import Fetcher
from aiokafka.errors import KafkaConnectionError
from structlog.testing import capture_logs

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


class Cut(Follower):
    """Its broker is away, and one of its fetches has met that: it sleeps before the next."""

    def __init__(self) -> None:
        super().__init__([RELEASED], bootstrap="127.0.0.1:1")
        self.fetches: list[asyncio.Task[None]] = []
        self._consumer.start = self._start

    async def fetch(self, count: int = 1) -> None:
        consumer = self._consumer
        consumer._fetcher = Fetcher(consumer._client, consumer._subscription)
        await asyncio.sleep(0.001)
        self.fetches += [asyncio.create_task(asyncio.sleep(3600)) for _ in range(count)]
        consumer._fetcher._pending_tasks.update(self.fetches)
        await asyncio.sleep(0.001)

    async def _start(self) -> None:
        await self.fetch()
        raise KafkaConnectionError


async def test_begins_again_when_the_broker_goes_while_it_looks_for_its_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "TAIL_RESTART_S", 0.01)
    followers: list[Cut] = []

    def make_follower() -> Follower:
        followers.append(Cut())
        return followers[-1]

    tail = _tail_of(make_follower)
    with capture_logs() as logs:
        tail.start()
        await eventually(lambda: len(followers) >= 3, 5)
        await tail.stop()

    assert all(fetch.cancelled() for follower in followers[:2] for fetch in follower.fetches)
    assert {line["event"] for line in logs} == {"tail_lost_its_place"}


@pytest.mark.parametrize(("fetches", "turns"), [(0, 1), (1, 1), (1, 2)])
async def test_stopping_a_follower_is_cancelled_when_its_caller_is(
    fetches: int, turns: int
) -> None:
    follower = Cut()
    await follower.fetch(fetches)
    stopping = asyncio.create_task(follower.stop())
    for _ in range(turns):
        await asyncio.sleep(0)

    stopping.cancel()

    await asyncio.wait([stopping])
    assert stopping.cancelled()


async def test_a_library_that_does_not_end_holds_nobody_up_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("runtime.letting_go._STOP_S_MAX", 0.05)
    follower = Cut()
    consumer = follower._consumer

    async def stop() -> None:
        consumer._fetcher = Fetcher(consumer._client, consumer._subscription)
        # Cancelled while it ends a fetch of before, its routine forgets that, and goes on.
        consumer._fetcher._pending_tasks.add(asyncio.create_task(asyncio.sleep(3600)))
        await asyncio.sleep(0)
        await follower.stop()

    stopping = asyncio.create_task(stop())
    ended, _ = await asyncio.wait([stopping], timeout=5)
    stopping.cancel()
    await asyncio.wait([stopping])
    assert stopping in ended


async def test_an_end_that_nobody_asked_for_is_said() -> None:
    def make_follower() -> Follower:
        raise asyncio.CancelledError

    tail = _tail_of(make_follower)
    with capture_logs() as logs:
        tail.start()
        await eventually(lambda: logs, 5)
        await tail.stop()

    assert [line["event"] for line in logs] == ["tail_ended_unasked"]


def _tail_of(make_follower: Callable[[], Follower]) -> Tail:
    async def on_events(_: Sequence[Event]) -> None:
        pytest.fail("there are none")

    return Tail(make_follower, on_start=lambda: None, on_events=on_events, clock=SystemClock())


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
