"""The ledger's tables: rows in, values out, and back; every function takes a whole batch."""

from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from domain.account import Account
from domain.hold import Ended, Held, Hold, HoldEnd, HoldRecord
from domain.posting import Posted, PostedEntry, Posting
from ledger_adapter import statements

if TYPE_CHECKING:
    from asyncpg import Record

    from ledger_adapter.ports import Connection


def accounts_of(rows: "Iterable[Record]") -> dict[UUID, Account]:
    """Accounts by id, in the order of the rows."""
    return {row[0]: Account._make(row) for row in rows}


def holds_of(rows: "Iterable[Record]") -> dict[UUID, HoldRecord]:
    """Holds by id, in the order of the rows."""
    return {row["hold_id"]: _hold_record(row) for row in rows}


def _hold_record(row: "Record") -> HoldRecord:
    hold_id, account_id, currency, amount_minor, expires_at = row[:5]
    held_at, ended_as, ended_at, posting_id = row[5:]
    held = Held(Hold(hold_id, account_id, currency, amount_minor, expires_at), held_at)
    if ended_as is None:
        return HoldRecord(held)
    return HoldRecord(held, Ended(hold_id, HoldEnd(ended_as), ended_at, posting_id))


async def lock_accounts(
    connection: "Connection", postings: Iterable[Posting]
) -> dict[UUID, Account]:
    """Every account that a posting names and that exists, locked until the unit ends."""
    account_ids = {entry.account_id for posting in postings for entry in posting.entries}
    return accounts_of(await connection.fetch(statements.LOCK_ACCOUNTS, account_ids))


async def known_holds(
    connection: "Connection", hold_ids: Collection[UUID]
) -> dict[UUID, HoldRecord]:
    """Those of these holds that exist, each with its end if it has ended."""
    return holds_of(await connection.fetch(statements.KNOWN_HOLDS, hold_ids))


async def known_postings(
    connection: "Connection", posting_ids: Collection[UUID]
) -> dict[UUID, Posted]:
    """Those of these postings that are recorded, field by field as when they were."""
    rows = await connection.fetch(statements.KNOWN_POSTINGS, posting_ids)
    if not rows:
        return {}
    entries = iter(
        await connection.fetch(
            statements.ENTRIES_AT,
            [account_id for row in rows for account_id in row["account_ids"]],
            [sequence for row in rows for sequence in row["entry_sequences"]],
        )
    )
    return {
        row["posting_id"]: Posted(
            row["posting_id"],
            row["currency"],
            row["posted_at"],
            tuple(PostedEntry._make(next(entries)) for _ in row["account_ids"]),
            row["hold_id"],
        )
        for row in rows
    }


async def record(
    connection: "Connection", fresh: Sequence[Posted], accounts: Sequence[Account]
) -> None:
    """Write postings, all recorded at one time, their entries, and what the accounts became."""
    if not fresh:
        return
    first: list[int] = []
    last: list[int] = []
    places: list[int] = []
    entries: list[PostedEntry] = []
    for place, posted in enumerate(fresh, start=1):
        first.append(len(entries) + 1)
        entries += posted.entries
        last.append(len(entries))
        places += [place] * len(posted.entries)
    await connection.execute(
        statements.RECORD_POSTINGS,
        [posted.posting_id for posted in fresh],
        [posted.currency for posted in fresh],
        [posted.hold_id for posted in fresh],
        first,
        last,
        fresh[0].posted_at,
        [entry.account_id for entry in entries],
        [entry.sequence for entry in entries],
        places,
        [entry.amount_minor for entry in entries],
        [entry.balance_after_minor for entry in entries],
        [account.account_id for account in accounts],
        [account.balance_minor for account in accounts],
        [account.held_minor for account in accounts],
        [account.entry_count for account in accounts],
    )


async def place_holds(connection: "Connection", fresh: Sequence[Held]) -> None:
    """Add holds, all placed at one time; their accounts are `set_held`."""
    if not fresh:
        return
    holds = [held.hold for held in fresh]
    await connection.execute(
        statements.PLACE_HOLDS,
        [hold.hold_id for hold in holds],
        [hold.account_id for hold in holds],
        [hold.currency for hold in holds],
        [hold.amount_minor for hold in holds],
        [hold.expires_at for hold in holds],
        fresh[0].held_at,
    )


async def set_held(connection: "Connection", accounts: Sequence[Account]) -> None:
    """Write what is held on these accounts; nothing else of them."""
    if accounts:
        await connection.execute(
            statements.SET_HELD,
            [account.account_id for account in accounts],
            [account.held_minor for account in accounts],
        )


async def end_holds(connection: "Connection", ended: Sequence[Ended]) -> None:
    """Fill in the end of open holds."""
    if ended:
        await connection.execute(
            statements.END_HOLDS,
            [end.hold_id for end in ended],
            [end.how.value for end in ended],
            [end.ended_at for end in ended],
            [end.posting_id for end in ended],
        )
