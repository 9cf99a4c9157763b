"""The inbox on PostgreSQL: an outcome is stored once, by whichever statement."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

import asyncpg
import pytest

from runtime.database import Database
from runtime.inbox import DecidedBefore, PostgresInbox, Row, Stored, days_near, days_of
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
    return Row(
        frozenset({now.date()}), Stored(event_id, event_id, "payment.posted.v1", '{"a": "ü"}', now)
    )


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
    await inbox.prepare(set(rows[0].days), datetime.now(UTC).date())

    async with units.begin() as unit:
        await inbox.write(unit, STEP, rows)

    async def again() -> None:
        async with units.begin() as unit:
            await inbox.write(unit, STEP, [row(-1), *rows[-count:]])

    with pytest.raises(DecidedBefore):
        await again()
    async with units.begin() as unit:
        stored = await inbox.read(unit, STEP, delivered([*rows, row(-1)]), [])
    assert stored == {each.stored.idempotency_id: each.stored for each in rows}


@pytest.mark.parametrize("later", [timedelta(days=1), -timedelta(days=1)], ids=["after", "before"])
async def test_a_retry_from_the_other_side_of_midnight_finds_the_first_try(
    database: Database, later: timedelta
) -> None:
    """Only what begins a chain is dated anew; what was caused keeps its chain's date."""
    inbox, units = PostgresInbox(database), PostgresUnits(database)
    first = row(1)
    await inbox.prepare(set(first.days), first.stored.decided_at.date())
    async with units.begin() as unit:
        await inbox.write(unit, STEP, [first])
    [item] = delivered([first])
    event = screened(accepted_at=first.stored.decided_at + later)
    caused = Delivered(event, item.envelope, item.position)
    begins = Delivered(event, item.envelope._replace(causation_id=None), item.position)

    async with units.begin() as unit:
        assert await inbox.read(unit, STEP, [begins], []) == {
            first.stored.idempotency_id: first.stored
        }
        assert await inbox.read(unit, STEP, [caused], []) == {}


MIDNIGHT = datetime(2026, 11, 24, tzinfo=UTC)
SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("apart", "one_decides", "other_decides"),
    [
        (timedelta(seconds=2), timedelta(hours=14), timedelta(hours=14)),
        (timedelta(seconds=2), timedelta(0), timedelta(seconds=2)),
        (timedelta(seconds=2), timedelta(seconds=2), timedelta(0)),
        (timedelta(seconds=2), timedelta(days=9), timedelta(days=9)),
        (timedelta(days=3), timedelta(days=9), timedelta(days=9)),
    ],
    ids=["long after", "around", "around, clocks crossed", "in a backlog", "days apart"],
)
async def test_two_dates_of_one_key_are_not_both_decided_at_one_moment(
    database: Database, apart: timedelta, one_decides: timedelta, other_decides: timedelta
) -> None:
    """Two processes have read the inbox, and found nothing, before either writes."""
    inbox, units = PostgresInbox(database), PostgresUnits(database)
    rows = []
    for dated, decides in (
        (MIDNIGHT - SECOND, one_decides),
        (MIDNIGHT - SECOND + apart, other_decides),
    ):
        made = row(1)
        [item] = delivered([made])
        begins = Delivered(
            screened(accepted_at=dated), item.envelope._replace(causation_id=None), item.position
        )
        days = days_of(begins, days_near(MIDNIGHT - SECOND + decides))
        await inbox.prepare(set(days), MIDNIGHT.date())
        rows.append(made._replace(days=days))
    one, other = rows
    near = days_near(MIDNIGHT - SECOND + other_decides)

    async def write(each: Row) -> None:
        async with units.begin() as unit:
            await inbox.write(unit, STEP, [each])

    await write(one)
    with pytest.raises(DecidedBefore):
        await write(other)
    async with units.begin() as unit:
        found = await inbox.read(unit, STEP, [begins], near)
    assert found == {one.stored.idempotency_id: one.stored}


def test_what_was_caused_is_kept_under_its_own_date_alone() -> None:
    [item] = delivered([row(1)])

    assert days_of(item, days_near(MIDNIGHT)) == {item.started_on}
    assert days_near(MIDNIGHT + timedelta(hours=12)) == {MIDNIGHT.date()}
