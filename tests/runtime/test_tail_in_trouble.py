"""A tail whose client library has lost the broker, or itself: it begins again, and ends."""

import asyncio
from collections.abc import Callable, Mapping, Sequence

import pytest
from aiokafka import TopicPartition
from aiokafka.consumer.fetcher import Fetcher
from aiokafka.errors import KafkaConnectionError
from structlog.testing import capture_logs

from runtime import limits
from runtime.clock import SystemClock
from runtime.follow import Followed, Follower
from runtime.tail import Tail
from schemas.event import Event
from tests.runtime.test_tail import RELEASED, released
from tests.support.public_events import delivered
from tests.support.waiting import eventually


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


class Polls(SystemClock):
    """A second for each time that somebody polled."""

    polls = 0

    def monotonic_s(self) -> float:
        return float(self.polls)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)


class Deaf(Follower):
    """Its library has lost the broker's answers; what it fetches may yet arrive."""

    def __init__(self, clock: Polls, followed: list[Followed]) -> None:
        super().__init__([RELEASED], bootstrap="127.0.0.1:1")
        self.clock = clock
        self.followed = followed

    async def start(self) -> None:
        pass

    async def poll(self) -> list[Followed]:
        await asyncio.sleep(0.001)
        self.clock.polls += 1
        return self.followed

    async def end(self) -> Mapping[TopicPartition, int]:
        return await asyncio.Future()


@pytest.mark.parametrize("hears", [False, True])
async def test_begins_again_when_it_hears_nothing_and_can_prove_nothing(
    monkeypatch: pytest.MonkeyPatch, *, hears: bool
) -> None:
    """Not while it is handed records: it is behind, and would begin at its beginning for ever."""
    monkeypatch.setattr(limits, "TAIL_PROOF_S_MAX", 0.001)
    clock = Polls()
    followed = [Followed(delivered(released(1)), clock.now())] if hears else []
    starts: list[int] = []

    def make_follower() -> Follower:
        starts.append(clock.polls)
        return Deaf(clock, followed)

    async def on_events(_: Sequence[Event]) -> None:
        pass

    tail = Tail(make_follower, on_start=lambda: None, on_events=on_events, clock=clock)
    tail.start()
    await eventually(lambda: clock.polls > 3 * limits.TAIL_STUCK_S)
    await tail.stop()

    assert (len(starts) == 1) == hears


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
