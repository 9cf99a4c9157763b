"""The table of payments on a real PostgreSQL: it knows what the fold knows."""

import asyncio
import itertools
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.payment import RefusalCode, State
from projections import payments
from projections.payment_fold import PaymentFact, PaymentRow, fold
from projections.payments import Filters, PageStart, Payment
from runtime.database import Connection, Database
from schemas.payment import PaymentPosted, PaymentRefused, PaymentRequested
from tests.support.events import ALICE, BOB, payment_id, requested, resolved, screened
from tests.support.memory_stage import NOW
from tests.support.payment_events import facts

pytestmark = pytest.mark.real

Fact = tuple[PaymentFact, datetime]

EVERYTHING = Filters()


class RollBackError(Exception):
    """Leaves a transaction without a trace."""


@pytest.fixture
async def database(database_dsn: str) -> AsyncIterator[Database]:
    owner = await asyncpg.connect(database_dsn)
    await owner.execute("TRUNCATE payments")
    await owner.close()
    database = await Database.connect(database_dsn, name="tests", size=6)
    yield database
    await database.close()


def rows_of(history: Sequence[Fact]) -> list[PaymentRow]:
    rows: dict[UUID, PaymentRow] = {}
    for event, occurred_at in history:
        rows[event.payment_id] = fold(rows.get(event.payment_id), event, occurred_at)
    return [rows[id_] for id_ in sorted(rows)]


async def table(connection: Connection) -> list[PaymentRow]:
    records = await connection.fetch(
        f"SELECT {', '.join(PaymentRow._fields)} FROM payments ORDER BY payment_id"
    )
    return [PaymentRow(*record) for record in records]


async def write(database: Database, *events: PaymentFact) -> None:
    """Each event occurred a second after the one before it."""
    history = [(event, NOW + timedelta(seconds=n)) for n, event in enumerate(events)]
    async with database.connection() as connection:
        await payments.merge(connection, rows_of(history))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(history=st.lists(facts, min_size=1, max_size=14), data=st.data())
async def test_however_the_log_is_cut_into_batches_the_table_is_the_fold(
    database: Database, history: list[Fact], data: st.DataObject
) -> None:
    repeats = data.draw(st.lists(st.sampled_from(history), max_size=4))
    log = data.draw(st.permutations(history + repeats))
    cuts = sorted(data.draw(st.sets(st.integers(1, len(log)), max_size=6)) | {0, len(log)})

    with suppress(RollBackError):
        async with database.connection() as connection, connection.transaction():
            for start, end in itertools.pairwise(cuts):
                await payments.merge(connection, rows_of(log[start:end]))
            assert await table(connection) == rows_of(history)
            raise RollBackError


async def test_readers_of_the_same_log_at_once_come_to_the_same_table(database: Database) -> None:
    history: list[Fact] = [
        (event, NOW)
        for number in range(60)
        for event in (
            requested(payment_id=payment_id(str(number)), fingerprint="a" * 64),
            requested(payment_id=payment_id(str(number)), fingerprint="b" * 64, amount_minor=7),
            resolved(payment_id=payment_id(str(number))),
            screened(payment_id=payment_id(str(number))),
        )
    ]

    async def read(seed: int) -> None:
        log = history.copy()
        random.Random(seed).shuffle(log)
        for start in range(0, len(log), 30):
            async with database.connection() as connection:
                await payments.merge(connection, rows_of(log[start : start + 30]))

    async with asyncio.TaskGroup() as readers:
        for seed in range(4):
            readers.create_task(read(seed))

    async with database.connection() as connection:
        assert await table(connection) == rows_of(history)


async def read(database: Database, client_id: str = "demo") -> Payment | None:
    async with database.connection() as connection:
        return await payments.read_payment(connection, payment_id(), client_id=client_id)


def posted() -> PaymentPosted:
    return PaymentPosted(
        payment_id=payment_id(),
        accepted_at=NOW,
        posting_id=ALICE,
        payer_account_id=ALICE,
        payee_account_id=BOB,
        amount_minor=1000,
        currency="USD",
    )


async def test_a_payment_is_read_with_each_state_and_its_time(database: Database) -> None:
    await write(database, requested(), resolved(), screened(), posted())
    payment = await read(database)

    assert payment is not None
    assert payment.state is State.POSTED
    assert payment.history == tuple(
        (state, NOW + timedelta(seconds=n))
        for n, state in enumerate([State.REQUESTED, State.RESOLVED, State.SCREENED, State.POSTED])
    )
    assert (payment.payer_account_id, payment.payee_account_id) == (ALICE, BOB)
    assert (payment.posting_id, payment.refusal_code) == (ALICE, None)


async def test_a_refused_payment_says_why(database: Database) -> None:
    refused = PaymentRefused(
        payment_id=payment_id(), accepted_at=NOW, code=RefusalCode.UNKNOWN_PAYEE
    )
    await write(database, requested(), refused)
    payment = await read(database)

    assert payment is not None
    assert (payment.state, payment.refusal_code) == (State.REFUSED, RefusalCode.UNKNOWN_PAYEE)


async def test_a_payment_shows_itself_only_once_it_was_requested(database: Database) -> None:
    async def seen() -> list[object]:
        async with database.connection() as connection:
            return [
                await read(database),
                await payments.states(connection, [payment_id()]),
                await payments.list_payments(connection, "demo", EVERYTHING, after=None, limit=9),
            ]

    await write(database, resolved())
    assert await seen() == [None, {}, []]

    await write(database, requested())
    assert (await seen())[1] == {payment_id(): State.RESOLVED}


async def test_another_clients_payment_is_not_there(database: Database) -> None:
    await write(database, requested())

    assert await read(database, "demo") is not None
    assert await read(database, "other") is None
    async with database.connection() as connection:
        assert await payments.accepted_many(connection, "other", [payment_id()]) == {}
        listed = await payments.list_payments(
            connection, "other", Filters(handle="alice"), after=None, limit=9
        )
        assert listed == []


def numbered(number: int, **changes: object) -> PaymentRequested:
    """Three payments are accepted at each instant, so that pages end between equal times."""
    return requested(
        payment_id=payment_id(str(number)),
        accepted_at=NOW + timedelta(seconds=number // 3),
        **changes,
    )


async def walk(database: Database, filters: Filters, limit: int) -> list[Payment]:
    found: list[Payment] = []
    after: PageStart | None = None
    while True:
        async with database.connection() as connection:
            page = await payments.list_payments(
                connection, "demo", filters, after=after, limit=limit
            )
        found += page
        if len(page) < limit:
            return found
        after = PageStart(page[-1].accepted_at, page[-1].payment_id)


@pytest.mark.parametrize("handle", [None, "bob"])
async def test_pages_show_each_payment_once_the_newest_first(
    database: Database, handle: str | None
) -> None:
    parties = [("alice", "bob"), ("bob", "carol"), ("bob", "bob")]
    expected = [
        numbered(n, from_handle=parties[n % 3][0], to_handle=parties[n % 3][1]) for n in range(20)
    ]
    strangers = [numbered(n, from_handle="dave", to_handle="erin") for n in range(20, 30)]
    await write(database, *expected, *strangers)
    if handle is None:
        expected += strangers

    found = await walk(database, Filters(handle=handle), limit=4)

    assert [(payment.accepted_at, payment.payment_id) for payment in found] == sorted(
        ((event.accepted_at, event.payment_id) for event in expected), reverse=True
    )


async def test_lists_are_narrowed_by_state_and_time(database: Database) -> None:
    events: list[PaymentFact] = [numbered(n) for n in range(9)]
    await write(database, *events, resolved(payment_id=payment_id("4")))

    async def numbers(filters: Filters) -> set[UUID]:
        return {payment.payment_id for payment in await walk(database, filters, limit=100)}

    second = timedelta(seconds=1)
    assert await numbers(Filters(state=State.RESOLVED)) == {payment_id("4")}
    assert await numbers(Filters(accepted_from=NOW + 2 * second)) == {
        payment_id(str(n)) for n in (6, 7, 8)
    }
    assert await numbers(
        Filters(handle="bob", accepted_from=NOW + second, accepted_until=NOW + 2 * second)
    ) == {payment_id(str(n)) for n in (3, 4, 5)}


async def test_the_application_cannot_delete_what_it_projected(database: Database) -> None:
    async with database.connection() as connection:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("DELETE FROM payments")
