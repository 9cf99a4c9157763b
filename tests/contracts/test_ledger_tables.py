"""The last wall: what the tables refuse, whoever asks."""

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from runtime.database import Connection
from tests.contracts.ledger_place import NOW, Place, hold_on, postgres_place, transfer

pytestmark = pytest.mark.real


@pytest.fixture
async def place(database_dsn: str) -> AsyncIterator[Place]:
    async with postgres_place(database_dsn) as place:
        yield place


@pytest.fixture
async def connection(database_dsn: str) -> AsyncIterator[Connection]:
    """As the owner of the tables; `SET ROLE titan_app` makes it the application."""
    connection = await asyncpg.connect(database_dsn, timeout=5, command_timeout=5)
    yield connection
    await connection.close()


HISTORY = [
    "UPDATE ledger_postings SET currency = currency",
    "DELETE FROM ledger_postings",
    "TRUNCATE ledger_postings",
    "UPDATE ledger_entries SET amount_minor = amount_minor",
    "DELETE FROM ledger_entries",
    "TRUNCATE ledger_entries",
    "DELETE FROM ledger_accounts",
    "TRUNCATE ledger_accounts CASCADE",
    "DELETE FROM ledger_holds",
    "TRUNCATE ledger_holds",
]


@pytest.mark.parametrize("statement", HISTORY)
async def test_the_application_has_no_privilege_to_change_history(
    connection: Connection, statement: str
) -> None:
    await connection.execute("SET ROLE titan_app")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.execute(statement)


@pytest.mark.parametrize("statement", HISTORY)
async def test_not_even_the_owner_changes_history(connection: Connection, statement: str) -> None:
    with pytest.raises(asyncpg.RestrictViolationError):
        await connection.execute(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ledger_accounts SET minimum_minor = -1",
        "UPDATE ledger_accounts SET currency = 'EUR'",
        "UPDATE ledger_holds SET amount_minor = 1",
        "ALTER TABLE ledger_entries DISABLE TRIGGER ALL",
        "DROP TRIGGER ledger_entries_append_only ON ledger_entries",
    ],
)
async def test_the_application_cannot_rewrite_what_was_agreed(
    connection: Connection, statement: str
) -> None:
    await connection.execute("SET ROLE titan_app")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.execute(statement)


async def test_an_account_is_not_drawn_below_its_minimum(
    connection: Connection, place: Place
) -> None:
    alice = await place.open_with(100)
    await connection.execute("SET ROLE titan_app")
    for column, value in (("balance_minor", -1), ("held_minor", 101)):
        with pytest.raises(asyncpg.CheckViolationError):
            await connection.execute(
                f"UPDATE ledger_accounts SET {column} = $2 WHERE account_id = $1", alice, value
            )


@pytest.mark.parametrize("amounts_minor", [(-5, 4), (5,), (-5, -5), (0, 0)])
async def test_entries_that_do_not_balance_are_not_recorded(
    connection: Connection, place: Place, amounts_minor: tuple[int, ...]
) -> None:
    accounts = [await place.open() for _ in amounts_minor]
    other = transfer(await place.open_with(10), await place.open(), 1)
    await connection.execute("SET ROLE titan_app")
    with pytest.raises(asyncpg.CheckViolationError):
        await connection.execute(
            "INSERT INTO ledger_entries SELECT account_id, 1, $3, amount_minor, amount_minor "
            "FROM unnest($1::uuid[], $2::bigint[]) AS entry (account_id, amount_minor)",
            accounts,
            amounts_minor,
            other.posting_id,
        )


async def test_one_posting_cannot_make_up_for_another(connection: Connection, place: Place) -> None:
    alice, bob = await place.open(), await place.open()
    one, two = transfer(alice, bob, 1), transfer(alice, bob, 1)
    with pytest.raises(asyncpg.CheckViolationError):
        await connection.execute(
            "INSERT INTO ledger_entries VALUES ($1, 1, $3, -1, -1), ($2, 1, $4, 1, 1)",
            alice,
            bob,
            one.posting_id,
            two.posting_id,
        )


@pytest.mark.parametrize(
    "change",
    [
        "ended_as = NULL, ended_at = NULL",
        "ended_as = 'expired'",
        "ended_at = ended_at + interval '1 day'",
        "amount_minor = 1",
    ],
)
async def test_the_end_of_a_hold_is_final(
    connection: Connection, place: Place, change: str
) -> None:
    hold = hold_on(await place.open_with(100), 10, NOW)
    await place.hold(hold)
    await place.void(hold.hold_id)
    with pytest.raises(asyncpg.RestrictViolationError):
        await connection.execute(
            f"UPDATE ledger_holds SET {change} WHERE hold_id = $1", hold.hold_id
        )


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ("amount_minor = 1", asyncpg.RestrictViolationError),
        ("expires_at = NULL", asyncpg.RestrictViolationError),
        ("ended_at = now()", asyncpg.RestrictViolationError),
        ("ended_as = 'voided', ended_at = now(), amount_minor = 1", asyncpg.RestrictViolationError),
        ("ended_as = 'voided'", asyncpg.CheckViolationError),
        ("ended_as = 'captured', ended_at = now()", asyncpg.CheckViolationError),
        ("ended_as = 'forgotten', ended_at = now()", asyncpg.CheckViolationError),
    ],
)
async def test_an_open_hold_can_only_be_ended_whole(
    connection: Connection, place: Place, change: str, error: type[Exception]
) -> None:
    hold = hold_on(await place.open_with(100), 10, NOW)
    await place.hold(hold)
    with pytest.raises(error):
        await connection.execute(
            f"UPDATE ledger_holds SET {change} WHERE hold_id = $1", hold.hold_id
        )


async def test_a_posting_of_one_id_is_recorded_once(connection: Connection, place: Place) -> None:
    sent = transfer(await place.open_with(10), await place.open(), 1)
    await place.post(sent)
    row: Any = ["USD", NOW, [], []]
    insert = "INSERT INTO ledger_postings VALUES ($1, $3, NULL, $2, $4::uuid[], $5::bigint[])"
    with pytest.raises(asyncpg.CheckViolationError):
        await connection.execute(insert, sent.posting_id, *row)
    row[2:] = [entry.account_id for entry in sent.entries], [1, 1]
    with pytest.raises(asyncpg.UniqueViolationError):
        await connection.execute(insert, sent.posting_id, *row)
