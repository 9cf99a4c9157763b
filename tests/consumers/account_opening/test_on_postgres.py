"""Account opening on PostgreSQL: profile and ledger in one commit, also when two race."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from uuid import uuid4

import pytest

from consumers.account_opening.decide import Outcome
from consumers.account_opening.handler import on_openings_requested
from consumers.account_opening.store import PostgresAccounts
from domain.account import NO_MINIMUM_MINOR
from domain.errors import Unavailable
from ledger_adapter.postgres import PostgresLedger, PostgresLedgerReader
from projections.accounts import read_accounts
from runtime.clock import SystemClock
from runtime.database import Database
from runtime.unit import PostgresUnits
from schemas.account import AccountKind, AccountOpened, AccountOpeningRequested, Tier
from schemas.event import Delivered, Position
from schemas.wire import first_envelope
from tests.support.directory_events import opening_requested
from tests.support.memory_stage import NOW

pytestmark = pytest.mark.real


@pytest.fixture
async def database(database_dsn: str) -> AsyncIterator[Database]:
    database = await Database.connect(database_dsn, name="tests", size=4)
    yield database
    await database.close()


async def handle(
    database: Database, *requests: AccountOpeningRequested, fail: bool = False
) -> Sequence[Outcome]:
    async with PostgresUnits(database).begin() as unit:
        outcomes = await on_openings_requested(
            [delivered(request) for request in requests],
            unit,
            accounts=PostgresAccounts(),
            ledger=PostgresLedger(now=SystemClock().now),
        )
        if fail:
            raise Unavailable("the database goes away before the commit")
    return outcomes


def delivered(request: AccountOpeningRequested) -> Delivered[AccountOpeningRequested]:
    envelope = first_envelope(
        event_id=request.request_id,
        idempotency_id=request.request_id,
        source="tests",
        now=NOW,
        traceparent=None,
    )
    return Delivered(request, envelope, Position(request.TOPIC, 0, 0))


async def test_opens_in_the_ledger_and_makes_known_or_neither(database: Database) -> None:
    wallet = opening_requested(uuid4(), account_id=uuid4())
    system = opening_requested(
        uuid4(), account_id=uuid4(), kind=AccountKind.SYSTEM, tier=Tier.SYSTEM
    )
    ids = [wallet.account_id, system.account_id]
    ledger = PostgresLedgerReader(database)

    with pytest.raises(Unavailable):
        await handle(database, wallet, system, fail=True)
    async with database.connection() as connection:
        assert await read_accounts(connection, ids) == {}
    assert await ledger.balances(ids) == {}

    await handle(database, wallet, system)

    async with database.connection() as connection:
        profiles = await read_accounts(connection, ids)
    accounts = await ledger.balances(ids)
    assert {id_: profile.kind for id_, profile in profiles.items()} == {
        wallet.account_id: AccountKind.WALLET,
        system.account_id: AccountKind.SYSTEM,
    }
    assert {id_: account.minimum_minor for id_, account in accounts.items()} == {
        wallet.account_id: 0,
        system.account_id: NO_MINIMUM_MINOR,
    }


async def test_of_racing_openings_of_one_id_one_stands_and_the_ledger_agrees(
    database: Database,
) -> None:
    account_id = uuid4()

    async def open_in(currency: str) -> Outcome:
        request = opening_requested(uuid4(), account_id=account_id, currency=currency)
        while True:
            try:
                [outcome] = await handle(database, request)
            except Unavailable:
                continue
            return outcome

    outcomes = await asyncio.gather(*(open_in(currency) for currency in ("USD", "EUR", "JPY")))

    [opened] = [outcome for outcome in outcomes if isinstance(outcome, AccountOpened)]
    account = (await PostgresLedgerReader(database).balances([account_id]))[account_id]
    assert account.currency == opened.currency
