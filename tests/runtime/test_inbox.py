"""The inbox on PostgreSQL: an outcome is stored once, by whichever statement."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

import asyncpg
import pytest

from runtime.database import Database
from runtime.inbox import DecidedBefore, PostgresInbox, Row, Stored
from runtime.unit import PostgresUnits
from schemas.event import Delivered, Envelope, Position
from tests.support.events import screened

pytestmark = pytest.mark.real

STEP = "ledger_posting"


@pytest.fixture
async def database(database_dsn: str) -> AsyncIterator[Database]:
    owner = await asyncpg.connect(database_dsn)
    await owner.execute("TRUNCATE inbox")
    await owner.close()
    database = await Database.connect(database_dsn, name="tests")
    yield database
    await database.close()


def row(number: int) -> Row:
    now = datetime.now(UTC)
    event_id = uuid5(NAMESPACE_URL, str(number))
    return Row(now.date(), Stored(event_id, event_id, "payment.posted.v1", '{"a": "ü"}', now))


def delivered(rows: list[Row]) -> list[Delivered[Any]]:
    return [
        Delivered(
            screened(accepted_at=each.stored.decided_at),
            Envelope(
                each.stored.event_id,
                each.stored.idempotency_id,
                UUID(int=1),
                "tests",
                datetime.now(UTC),
            ),
            Position("payment.screened.v1", 0, 0),
        )
        for each in rows
    ]


@pytest.mark.parametrize("count", [1, 32, 33, 1_000])
async def test_a_batch_is_stored_once_however_large(database: Database, count: int) -> None:
    inbox, units = PostgresInbox(database), PostgresUnits(database)
    rows = [row(number) for number in range(count)]
    await inbox.prepare({rows[0].started_on}, rows[0].started_on)

    async with units.begin() as unit:
        await inbox.write(unit, STEP, rows)

    async def again() -> None:
        async with units.begin() as unit:
            await inbox.write(unit, STEP, [row(-1), *rows[-count:]])

    with pytest.raises(DecidedBefore):
        await again()
    async with units.begin() as unit:
        stored = await inbox.read(unit, STEP, delivered([*rows, row(-1)]))
    assert stored == {each.stored.idempotency_id: each.stored for each in rows}


async def test_a_retry_from_after_midnight_finds_the_first_try(database: Database) -> None:
    """Only what begins a chain is dated anew; what was caused keeps its chain's date."""
    inbox, units = PostgresInbox(database), PostgresUnits(database)
    first = row(1)
    tomorrow = first.stored.decided_at + timedelta(days=1)
    await inbox.prepare({first.started_on}, first.started_on)
    async with units.begin() as unit:
        await inbox.write(unit, STEP, [first])
    [item] = delivered([first])
    event = screened(accepted_at=tomorrow)
    caused = Delivered(event, item.envelope, item.position)
    begins = Delivered(event, item.envelope._replace(causation_id=None), item.position)

    async with units.begin() as unit:
        assert await inbox.read(unit, STEP, [begins]) == {first.stored.idempotency_id: first.stored}
        assert await inbox.read(unit, STEP, [caused]) == {}
