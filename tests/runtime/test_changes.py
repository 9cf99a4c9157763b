"""Waiting for a change: hints make it quick, and losing them makes it no worse than a poll."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager

import asyncpg
import pytest
from structlog.testing import capture_logs

from domain.errors import Unavailable
from runtime import limits
from runtime.changes import Changes, Feed, notify
from runtime.clock import SystemClock
from tests.support.waiting import eventually

CHANNEL = "tests_changed"
NEVER_S = 3600.0
LONG_S = 10.0


class Table:
    """Values by key, and each query that was made for them."""

    def __init__(self) -> None:
        self.values: dict[str, int] = {}
        self.queries: list[set[str]] = []
        self.failure: Exception | None = None

    async def load(self, keys: Sequence[str]) -> Mapping[str, int]:
        self.queries.append(set(keys))
        if self.failure is not None:
            raise self.failure
        return {key: self.values[key] for key in keys if key in self.values}


def at_least(wanted: int) -> Callable[[int], bool]:
    return lambda value: value >= wanted


@asynccontextmanager
async def running(table: Table, *, poll_s: float = NEVER_S) -> AsyncIterator[Feed[str, int]]:
    feed = Feed(table.load, clock=SystemClock(), poll_s=poll_s)
    task = asyncio.create_task(feed.run())
    try:
        yield feed
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_value_that_is_there_already_is_seen_at_once() -> None:
    table = Table()
    table.values["a"] = 2
    async with running(table) as feed:
        assert await feed.wait_for("a", at_least(2), timeout_s=LONG_S) == 2


async def test_a_hint_wakes_and_one_query_serves_all_who_wait() -> None:
    table = Table()
    async with running(table) as feed:
        waits = [
            asyncio.create_task(feed.wait_for(key, at_least(1), timeout_s=LONG_S))
            for key in ("a", "b", "b", "c")
        ]
        await eventually(lambda: table.queries and table.queries[-1] == {"a", "b", "c"})
        table.values.update(a=1, b=2, c=3)
        asked = len(table.queries)
        feed.hint()

        assert await asyncio.gather(*waits) == [1, 2, 2, 3]
        assert len(table.queries) == asked + 1


async def test_without_any_hint_the_poll_finds_the_change() -> None:
    table = Table()
    async with running(table, poll_s=0.01) as feed:
        wait = asyncio.create_task(feed.wait_for("a", at_least(1), timeout_s=LONG_S))
        await eventually(lambda: table.queries)
        table.values["a"] = 1

        assert await wait == 1


async def test_time_that_runs_out_gives_nothing_and_nobody_is_asked_for_any_more() -> None:
    table = Table()
    table.values["a"] = 1
    async with running(table, poll_s=0.005) as feed:
        assert await feed.wait_for("a", at_least(2), timeout_s=0.02) is None
        assert await feed.wait_for("b", at_least(1), timeout_s=0.02) is None
        assert {"a"} in table.queries
        assert table.queries[-1] == {"b"}


async def test_a_store_that_is_down_is_asked_again() -> None:
    table = Table()
    table.failure = Unavailable("down")
    async with running(table, poll_s=0.01) as feed:
        wait = asyncio.create_task(feed.wait_for("a", at_least(1), timeout_s=LONG_S))
        await eventually(lambda: len(table.queries) > 2)
        table.failure = None
        table.values["a"] = 1

        assert await wait == 1


async def test_a_defect_reaches_those_who_wait_and_later_ones_are_served() -> None:
    table = Table()
    table.failure = RuntimeError("broken")
    table.values["a"] = 1
    async with running(table) as feed:
        with pytest.raises(RuntimeError, match="broken"):
            await feed.wait_for("a", at_least(1), timeout_s=LONG_S)
        table.failure = None
        assert await feed.wait_for("a", at_least(1), timeout_s=LONG_S) == 1


async def test_a_predicate_that_fails_fails_its_own_wait_only() -> None:
    table = Table()
    async with running(table) as feed:
        broken = asyncio.create_task(
            feed.wait_for("a", lambda value: 1 // value == 0, timeout_s=LONG_S)
        )
        sound = asyncio.create_task(feed.wait_for("a", at_least(0), timeout_s=LONG_S))
        await eventually(lambda: table.queries)
        table.values["a"] = 0
        feed.hint()

        with pytest.raises(ZeroDivisionError):
            await broken
        assert await sound == 0


async def test_more_who_wait_than_the_limit_are_sent_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "WAITERS_MAX", 1)
    table = Table()
    async with running(table) as feed:
        first = asyncio.create_task(feed.wait_for("a", at_least(1), timeout_s=LONG_S))
        await eventually(lambda: table.queries)
        with pytest.raises(Unavailable):
            await feed.wait_for("b", at_least(1), timeout_s=LONG_S)
        table.values["a"] = 1
        feed.hint()
        assert await first == 1


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


@pytest.fixture
async def connection(database_dsn: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    connection = await asyncpg.connect(database_dsn)
    yield connection
    await connection.close()


LISTENERS = """
    SELECT pid FROM pg_stat_activity
    WHERE application_name = 'titan-tests-changes' AND query LIKE 'LISTEN%'
"""


@pytest.mark.real
async def test_a_lost_connection_is_opened_again_and_what_was_missed_is_found(
    database_dsn: str,
    connection: "asyncpg.Connection[asyncpg.Record]",
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "CHANGES_RECONNECT_S", 0.05)
    table = Table()
    changes = Changes(database_dsn, name="tests", clock=SystemClock())
    feed = changes.feed(CHANNEL, table.load, poll_s=NEVER_S)
    changes.start()
    try:
        pid = await eventually(lambda: connection.fetchval(LISTENERS))
        first = asyncio.create_task(feed.wait_for("a", at_least(1), timeout_s=LONG_S))
        await eventually(lambda: table.queries)
        async with connection.transaction():
            table.values["a"] = 1
            await notify(connection, CHANNEL)
        assert await first == 1

        second = asyncio.create_task(feed.wait_for("b", at_least(1), timeout_s=LONG_S))
        asked = len(table.queries)
        await eventually(lambda: len(table.queries) > asked)
        await connection.execute("SELECT pg_terminate_backend($1)", pid)
        table.values["b"] = 1
        assert await second == 1
        assert await eventually(lambda: connection.fetchval(LISTENERS)) != pid
    finally:
        await changes.stop()


async def test_a_server_that_is_down_leaves_the_poll(unused_tcp_port: int) -> None:
    table = Table()
    dsn = f"postgresql://nobody@127.0.0.1:{unused_tcp_port}/none"
    changes = Changes(dsn, name="tests", clock=SystemClock())
    feed = changes.feed(CHANNEL, table.load, poll_s=0.01)
    changes.start()
    try:
        wait = asyncio.create_task(feed.wait_for("a", at_least(1), timeout_s=LONG_S))
        await eventually(lambda: table.queries)
        table.values["a"] = 1
        assert await wait == 1
    finally:
        await changes.stop()
