"""Waiting for a change: hints make it quick, and losing them makes it no worse than a poll."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from domain.errors import Unavailable
from runtime import limits
from runtime.changes import Changes, Feed, notify
from runtime.clock import SystemClock
from tests.support.table import CHANNEL, LONG_S, NEVER_S, Table, at_least
from tests.support.waiting import eventually


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
