"""The inbox's partitions come and go while stages of many processes ask for them."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta

import asyncpg
import pytest

from runtime import limits
from runtime.database import Database
from runtime.inbox import PostgresInbox

pytestmark = pytest.mark.real

PROCESSES = 8
DAYS = 10


@pytest.fixture
async def databases(database_dsn: str) -> AsyncIterator[list[Database]]:
    """One for each process."""
    opened = [await Database.connect(database_dsn, name="test", size=1) for _ in range(PROCESSES)]
    yield opened
    for database in opened:
        await database.close()


async def test_many_processes_make_room_for_one_day_at_once(
    databases: list[Database], database_dsn: str
) -> None:
    """All of them start together, or meet the first record of an old chain."""
    today = datetime.now(UTC).date()
    days = [today - timedelta(days=50 + number) for number in range(DAYS)]

    for day in days:
        await asyncio.gather(*(PostgresInbox(each).prepare({day}, today) for each in databases))

    assert {name_of(day) for day in days} <= await partitions(database_dsn)


async def test_many_processes_drop_what_is_too_old_at_once(
    databases: list[Database], database_dsn: str
) -> None:
    today = datetime.now(UTC).date()
    oldest = today - timedelta(days=limits.CHAIN_AGE_DAYS_MAX + 1)
    gone = [oldest - timedelta(days=1 + number) for number in range(DAYS)]
    for day in gone:
        async with databases[0].connection() as connection:
            await connection.execute("SELECT inbox_ensure_partition($1)", day)
    assert {name_of(day) for day in gone} <= await partitions(database_dsn)

    await asyncio.gather(*(PostgresInbox(each).prepare(set(), today) for each in databases))

    assert {name_of(day) for day in gone}.isdisjoint(await partitions(database_dsn))


def name_of(day: date) -> str:
    return f"inbox_{day:%Y%m%d}"


async def partitions(dsn: str) -> set[str]:
    connection = await asyncpg.connect(dsn)
    try:
        rows = await connection.fetch(
            "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'inbox'::regclass"
        )
        return {name for (name,) in rows}
    finally:
        await connection.close()
