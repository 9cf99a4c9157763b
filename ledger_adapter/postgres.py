"""The ledger on PostgreSQL, in the same transaction as the batch that asks.

A call is: lock the accounts, read what is known of the ids, decide (domain/), write. Three
statements for a batch of postings, whatever its size.
"""

from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import TYPE_CHECKING, Protocol
from uuid import UUID

from domain.account import BALANCE_MINOR_MAX, Account, AccountOpening, Opened, opened_or_defect
from domain.errors import Defect
from domain.hold import (
    Capture,
    Ended,
    Held,
    Hold,
    HoldEnd,
    HoldRefused,
    decide_captures,
    decide_holds,
    decide_releases,
)
from domain.posting import Posted, Posting, Refused, decide_postings
from ledger_adapter import statements
from ledger_adapter.ports import AccountEntry, PostgresUnit, Unit
from ledger_adapter.tables import (
    accounts_of,
    end_holds,
    holds_of,
    known_holds,
    known_postings,
    lock_accounts,
    place_holds,
    record,
    set_held,
)

if TYPE_CHECKING:
    from ledger_adapter.ports import Connection


class Connections(Protocol):
    """Where a reader gets its connections; what goes wrong with them is raised as Unavailable."""

    def connection(self) -> AbstractAsyncContextManager["Connection"]:
        """A connection for the block."""
        ...


class PostgresLedger:
    """The `Ledger` in tables of the unit's own database.

    Errors of the server leave as the driver raises them: the unit gives them their kind. One of
    two units that race with one id and other accounts fails so, and learns more when it runs again.
    """

    def __init__(self, *, now: Callable[[], datetime]) -> None:
        self._now = now

    async def open(self, batch: Sequence[AccountOpening], *, unit: Unit) -> list[Opened]:
        """Open accounts, empty."""
        connection = _connection(unit)
        account_ids = [opening.account_id for opening in batch]
        await connection.execute(
            statements.OPEN_ACCOUNTS,
            account_ids,
            [opening.currency for opening in batch],
            [opening.minimum_minor for opening in batch],
            self._now(),
        )
        rows = await connection.fetch(statements.OPENED_ACCOUNTS, account_ids)
        opened = {row["account_id"]: Opened(*row) for row in rows}
        return [opened_or_defect(opened[opening.account_id], opening) for opening in batch]

    async def post(self, batch: Sequence[Posting], *, unit: Unit) -> list[Posted | Refused]:
        """Record each posting whole, or refuse it whole."""
        connection = _connection(unit)
        accounts = await lock_accounts(connection, batch)
        known = await known_postings(connection, [posting.posting_id for posting in batch])
        decisions = decide_postings(batch, accounts=accounts, known=known, now=self._now())
        await record(connection, decisions.fresh, decisions.accounts)
        return decisions.results

    async def hold(self, batch: Sequence[Hold], *, unit: Unit) -> list[Held | HoldRefused]:
        """Reserve money."""
        connection = _connection(unit)
        account_ids = {hold.account_id for hold in batch}
        accounts = accounts_of(await connection.fetch(statements.LOCK_ACCOUNTS, account_ids))
        known = await known_holds(connection, [hold.hold_id for hold in batch])
        decisions = decide_holds(batch, accounts=accounts, known=known, now=self._now())
        await place_holds(connection, decisions.fresh)
        await set_held(connection, decisions.accounts)
        return decisions.results

    async def capture(self, batch: Sequence[Capture], *, unit: Unit) -> list[Posted | Refused]:
        """End each hold by a posting that takes all or part of it."""
        connection = _connection(unit)
        postings = [capture.posting for capture in batch]
        accounts = await lock_accounts(connection, postings)
        decisions = decide_captures(
            batch,
            accounts=accounts,
            known=await known_postings(connection, [posting.posting_id for posting in postings]),
            holds=await known_holds(connection, [capture.hold_id for capture in batch]),
            now=self._now(),
        )
        await record(connection, decisions.fresh, decisions.accounts)
        await end_holds(connection, decisions.ended)
        return decisions.results

    async def void(self, batch: Sequence[UUID], *, unit: Unit) -> list[Ended | HoldRefused]:
        """Release these holds whole."""
        connection = _connection(unit)
        accounts = accounts_of(await connection.fetch(statements.LOCK_ACCOUNTS_OF_HOLDS, batch))
        # A hold that was placed while we waited for the locks is on an account we have not locked.
        holds = {
            hold_id: found
            for hold_id, found in (await known_holds(connection, batch)).items()
            if found.held.hold.account_id in accounts
        }
        decisions = decide_releases(
            batch, HoldEnd.VOIDED, accounts=accounts, holds=holds, now=self._now()
        )
        await end_holds(connection, decisions.ended)
        await set_held(connection, decisions.accounts)
        return decisions.results

    async def expire(self, *, now: datetime, limit: int, unit: Unit) -> list[Ended]:
        """Release up to `limit` open holds whose time is over at `now`, the oldest first."""
        connection = _connection(unit)
        accounts = accounts_of(
            await connection.fetch(statements.LOCK_ACCOUNTS_OF_DUE_HOLDS, now, limit)
        )
        # Read again under the locks: some of them may have ended while we waited.
        holds = holds_of(await connection.fetch(statements.DUE_HOLDS, now, accounts.keys(), limit))
        decisions = decide_releases(
            holds, HoldEnd.EXPIRED, accounts=accounts, holds=holds, now=self._now()
        )
        await end_holds(connection, decisions.ended)
        await set_held(connection, decisions.accounts)
        return decisions.ended

    async def freeze(self, account_ids: Collection[UUID], *, unit: Unit) -> frozenset[UUID]:
        """Stop debits, credits and new holds; the ids that name no account are returned."""
        return await self._set_frozen(account_ids, is_frozen=True, unit=unit)

    async def unfreeze(self, account_ids: Collection[UUID], *, unit: Unit) -> frozenset[UUID]:
        """Lift the freeze; the ids that name no account are returned."""
        return await self._set_frozen(account_ids, is_frozen=False, unit=unit)

    async def _set_frozen(
        self, account_ids: Collection[UUID], *, is_frozen: bool, unit: Unit
    ) -> frozenset[UUID]:
        rows = await _connection(unit).fetch(statements.SET_FROZEN, account_ids, is_frozen)
        return frozenset(account_ids) - {row["account_id"] for row in rows}


class PostgresLedgerReader:
    """The `LedgerReader` on connections of its own. Give it the primary: a replica lags."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def balances(self, account_ids: Collection[UUID]) -> dict[UUID, Account]:
        """These accounts as they stand; ids that name no account are absent."""
        async with self._connections.connection() as connection:
            return accounts_of(await connection.fetch(statements.READ_ACCOUNTS, account_ids))

    async def entries(
        self, account_id: UUID, *, before_sequence: int | None = None, limit: int
    ) -> list[AccountEntry]:
        """Up to `limit` entries, the newest first, each with the balance it left."""
        before = BALANCE_MINOR_MAX if before_sequence is None else before_sequence
        async with self._connections.connection() as connection:
            rows = await connection.fetch(statements.ENTRIES_OF_ACCOUNT, account_id, before, limit)
        return [AccountEntry(*row) for row in rows]

    async def postings(self, posting_ids: Collection[UUID]) -> dict[UUID, Posted]:
        """These postings as recorded; absent are those never recorded."""
        async with self._connections.connection() as connection:
            return await known_postings(connection, posting_ids)


def _connection(unit: Unit) -> "Connection":
    if not isinstance(unit, PostgresUnit):
        raise Defect("the PostgreSQL ledger was given a unit without a connection")
    return unit.connection
