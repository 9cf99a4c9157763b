import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any
from uuid import UUID, uuid4

import pytest

from consumers.account_opening.decide import decide_batch as decide_accounts
from consumers.account_opening.store import PostgresAccounts
from consumers.handle_directory.decide import Outcome, Request, decide_batch
from consumers.handle_directory.store import PostgresDirectory
from domain.errors import Defect, Unavailable
from projections.accounts import read_accounts
from projections.directory import (
    ChangeKind,
    change_of,
    fold_all,
    read_changes,
    read_handles,
    read_history,
)
from runtime.database import Database
from runtime.unit import PostgresUnits
from schemas.handle import HandleClaimed, HandleRefusalCode
from tests.support.directory_events import (
    claim_requested,
    opening_requested,
    port_requested,
    release_requested,
)

pytestmark = pytest.mark.real


@pytest.fixture
async def database(database_dsn: str) -> AsyncIterator[Database]:
    database = await Database.connect(database_dsn, name="tests", size=4)
    yield database
    await database.close()


@pytest.fixture
async def accounts(database: Database) -> tuple[UUID, UUID]:
    """Two accounts of the client demo, in USD and EUR."""
    opened = decide_accounts(
        [
            opening_requested(uuid4(), account_id=uuid4(), currency=currency)
            for currency in ("USD", "EUR")
        ],
        {},
    ).opened
    async with PostgresUnits(database).begin() as unit:
        await PostgresAccounts().add(unit, opened)
    return opened[0].account_id, opened[1].account_id


@pytest.fixture
def handle() -> str:
    """One that no other test uses."""
    return f"h{uuid4().hex[:12]}"


async def decide(database: Database, *requests: Request) -> list[Outcome]:
    directory = PostgresDirectory()
    async with PostgresUnits(database).begin() as unit:
        facts = await directory.read(unit, requests)
        outcomes = [outcome for outcome in decide_batch(requests, facts) if outcome is not None]
        await directory.write(unit, facts, outcomes)
    return outcomes


async def test_the_tables_are_the_fold_of_the_outcomes(
    database: Database, accounts: tuple[UUID, UUID], handle: str
) -> None:
    usd, eur = accounts
    outcomes = await decide(
        database,
        claim_requested(uuid4(), handle=handle, account_id=usd),
        port_requested(uuid4(), handle=handle, account_id=eur),
        claim_requested(uuid4(), handle=handle, account_id=usd),
    )
    outcomes += await decide(
        database,
        release_requested(uuid4(), handle=handle),
        claim_requested(uuid4(), handle=handle, account_id=eur),
    )
    outcomes += await decide(database, release_requested(uuid4(), handle=handle))

    async with database.connection() as connection:
        assert await read_handles(connection, [handle, "nobody"]) == fold_all({}, outcomes)
        request_ids = [outcome.request_id for outcome in outcomes]
        assert await read_changes(connection, [*request_ids, uuid4()]) == {
            outcome.request_id: change_of(outcome) for outcome in outcomes
        }
    changes = [change_of(outcome) for outcome in outcomes]
    assert [(change.kind, change.version, change.code) for change in changes] == [
        (ChangeKind.CLAIMED, 1, None),
        (ChangeKind.PORTED, 2, None),
        (ChangeKind.REFUSED, None, HandleRefusalCode.HANDLE_TAKEN),
        (ChangeKind.RELEASED, 3, None),
        (ChangeKind.CLAIMED, 4, None),
        (ChangeKind.RELEASED, 5, None),
    ]


async def test_history_pages_backwards_and_is_its_client_s_own(
    database: Database, accounts: tuple[UUID, UUID], handle: str
) -> None:
    usd, eur = accounts
    await decide(
        database,
        claim_requested(uuid4(), handle=handle, account_id=usd),
        port_requested(uuid4(), handle=handle, account_id=eur),
        release_requested(uuid4(), handle=handle),
    )

    async def versions(client_id: str, before: int | None) -> list[int | None]:
        async with database.connection() as connection:
            found = await read_history(
                connection, handle, client_id=client_id, before_version=before, limit=2
            )
        return [change.version for change in found]

    assert await versions("demo", None) == [3, 2]
    assert await versions("demo", 2) == [1]
    assert await versions("stranger", None) == []


async def test_a_request_is_decided_once_even_when_the_inbox_has_forgotten_it(
    database: Database, accounts: tuple[UUID, UUID], handle: str
) -> None:
    request = claim_requested(uuid4(), handle=handle, account_id=accounts[0])

    assert len(await decide(database, request)) == 1
    assert await decide(database, release_requested(uuid4(), handle=handle)) != []
    assert await decide(database, request) == []


async def test_the_loser_of_a_race_for_a_new_handle_tries_again_and_sees_the_winner(
    database: Database, accounts: tuple[UUID, UUID], handle: str
) -> None:
    first, second = (
        claim_requested(uuid4(), handle=handle, account_id=account) for account in accounts
    )
    directory = PostgresDirectory()
    async with AsyncExitStack() as stack:
        unit = await stack.enter_async_context(PostgresUnits(database).begin())
        facts = await directory.read(unit, [first])
        # The second has read, and waits for the first one's row, when the first commits.
        losing = asyncio.create_task(decide(database, second))
        [outcome] = decide_batch([first], facts)
        assert outcome is not None
        await directory.write(unit, facts, [outcome])
    try:
        outcomes = await losing
    except Unavailable:
        outcomes = await decide(database, second)

    [lost] = outcomes
    assert change_of(lost).code is HandleRefusalCode.HANDLE_TAKEN


async def test_many_batches_at_once_give_every_handle_one_holder_and_lose_no_version(
    database: Database, accounts: tuple[UUID, UUID], handle: str
) -> None:
    handles = [f"{handle}-{number}" for number in range(10)]

    async def claim_and_release(turn: int) -> list[Outcome]:
        requests: list[Request] = []
        # Half of them go the other way round: locks in the order of handles keep them apart.
        for name in handles if turn % 2 else reversed(handles):
            requests.append(claim_requested(uuid4(), handle=name, account_id=accounts[0]))
            requests.append(release_requested(uuid4(), handle=name))
        while True:
            try:
                return await decide(database, *requests)
            except Unavailable:
                continue

    turns = await asyncio.gather(*(claim_and_release(turn) for turn in range(6)))

    outcomes = [outcome for turn in turns for outcome in turn]
    claimed = [outcome for outcome in outcomes if isinstance(outcome, HandleClaimed)]
    for name in handles:
        versions = sorted(outcome.version for outcome in claimed if outcome.handle == name)
        assert versions == [1, 3, 5, 7, 9, 11]
    async with database.connection() as connection:
        standing = await read_handles(connection, handles)
    assert {entry.version for entry in standing.values()} == {12}


async def test_accounts_are_read_as_they_were_opened(
    database: Database, accounts: tuple[UUID, UUID]
) -> None:
    async with database.connection() as connection:
        profiles = await read_accounts(connection, [*accounts, uuid4()])

    assert {id_: profile.currency for id_, profile in profiles.items()} == {
        accounts[0]: "USD",
        accounts[1]: "EUR",
    }


async def test_the_application_cannot_rewrite_history(database: Database) -> None:
    for statement in (
        "UPDATE directory_changes SET handle = 'mallory'",
        "DELETE FROM directory_handles",
        "UPDATE accounts SET client_id = 'mallory'",
    ):
        with pytest.raises(Defect, match="42501"):
            await execute(database, statement)


async def execute(database: Database, statement: str) -> Any:
    async with database.connection() as connection:
        return await connection.execute(statement)
