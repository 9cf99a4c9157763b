"""Feeds whose store fails, and feeds that are told to end at an awkward moment."""

import asyncio
from collections.abc import Callable, Mapping, Sequence

import asyncpg
import pytest
from structlog.testing import capture_logs

from domain.errors import Unavailable
from runtime import limits
from runtime.changes import Changes, Feed
from runtime.clock import SystemClock
from tests.support.table import CHANNEL, LONG_S, NEVER_S, Table, at_least
from tests.support.waiting import eventually


class Watch(SystemClock):
    """Goes on by what is slept and by what the test says, and at once."""

    def __init__(self) -> None:
        self.time_s = 0.0
        self.slept_s: list[float] = []

    def monotonic_s(self) -> float:
        return self.time_s

    async def sleep(self, seconds: float) -> None:
        self.slept_s.append(seconds)
        self.time_s += seconds
        await asyncio.sleep(0)


async def test_a_look_that_failed_late_is_said_and_soon_tried_again() -> None:
    clock = Watch()
    tries = 0

    async def load(_: Sequence[str]) -> Mapping[str, int]:
        nonlocal tries
        tries += 1
        if tries == 1:
            clock.time_s += 5.0
            raise Unavailable("no free connection")
        clock.time_s += 0.5
        return {"a": 1}

    feed = Feed(load, clock=clock, poll_s=0.01, name=CHANNEL)
    with capture_logs() as logs:
        task = asyncio.create_task(feed.run())
        assert await feed.wait_for("a", at_least(1), timeout_s=LONG_S) == 1
        await eventually(lambda: len(clock.slept_s) == 2)
        task.cancel()
        await asyncio.wait([task])

    [failed, seen] = clock.slept_s
    assert failed <= 0.01
    assert seen == pytest.approx(0.5)
    [said] = [line for line in logs if line["event"] == "look_failed"]
    assert (said["feed"], said["error"]) == (CHANNEL, "no free connection")


@pytest.mark.parametrize("turns", range(4))
async def test_it_ends_also_when_a_hint_comes_just_before_its_end(turns: int) -> None:
    table = Table()
    feed = Feed(table.load, clock=SystemClock(), poll_s=NEVER_S)
    looking = asyncio.create_task(feed.run())
    wait = asyncio.create_task(feed.wait_for("a", at_least(1), timeout_s=LONG_S))
    await eventually(lambda: table.queries)
    # Until it waits for the next hint.
    await asyncio.sleep(0.01)
    feed.hint()
    for _ in range(turns):
        await asyncio.sleep(0)

    looking.cancel()

    done, _ = await asyncio.wait([looking], timeout=5)
    looking.cancel()
    wait.cancel()
    await asyncio.gather(looking, wait, return_exceptions=True)
    assert looking in done


async def test_a_value_that_nobody_asked_for_ends_no_feed() -> None:
    table = Table()

    async def load(_: Sequence[str]) -> Mapping[str, int]:
        return table.values

    feed = Feed(load, clock=SystemClock(), poll_s=0.01)
    task = asyncio.create_task(feed.run())
    table.values["b"] = 1
    with pytest.raises(KeyError):
        await feed.wait_for("a", at_least(1), timeout_s=LONG_S)
    table.values = {"a": 1}
    assert await feed.wait_for("a", at_least(1), timeout_s=LONG_S) == 1
    task.cancel()
    await asyncio.wait([task])


class Connection:
    """What listening asks of a connection of asyncpg's, without a server."""

    def __init__(self) -> None:
        self.on_end: Callable[[object], None] | None = None
        self.is_listening = False

    def add_termination_listener(self, on_end: Callable[[object], None]) -> None:
        self.on_end = on_end

    async def add_listener(self, _channel: str, _: object) -> None:
        self.is_listening = True

    def terminate(self) -> None:
        self.is_listening = False

    def end(self) -> None:
        """As when the server stops."""
        assert self.on_end is not None
        self.on_end(self)


@pytest.mark.parametrize("turns", range(4))
async def test_it_ends_also_when_its_server_ends_beside_it(
    turns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    connections: list[Connection] = []

    async def connect(*_: object, **__: object) -> Connection:
        connections.append(Connection())
        return connections[-1]

    monkeypatch.setattr(asyncpg, "connect", connect)
    monkeypatch.setattr(limits, "CHANGES_RECONNECT_S", NEVER_S)
    changes = Changes("", name="tests", clock=SystemClock())
    changes.feed(CHANNEL, Table().load)
    changes.start()
    await eventually(lambda: connections and connections[0].is_listening)
    await asyncio.sleep(0.01)
    connections[0].end()
    for _ in range(turns):
        await asyncio.sleep(0)

    async with asyncio.timeout(5):
        await changes.stop()


async def test_a_feed_that_ends_unasked_is_heard_of() -> None:
    async def load(_: Sequence[str]) -> Mapping[str, int]:
        raise asyncio.CancelledError

    changes = Changes("", name="tests", clock=SystemClock())
    feed = changes.feed(CHANNEL, load, poll_s=0.01)
    with capture_logs() as logs:
        changes.start()
        assert await feed.wait_for("a", at_least(1), timeout_s=0.05) is None
        await changes.stop()

    [line] = [line for line in logs if line["event"] == "changes_ended_unasked"]
    assert line["task"] == CHANNEL
