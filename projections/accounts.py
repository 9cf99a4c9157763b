"""The read model `accounts`: whose each account is, of what kind, tier and currency.

Its money is the ledger's. An account is opened once and does not change. A request for one that
stands is granted again: its event says the same but for the request and its time, and changes
nothing. All events of an account lie in one partition, so the first is the same for everybody.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

from runtime.changes import notify
from runtime.database import Connection
from schemas.account import AccountKind, AccountOpened, Tier

CHANNEL: Final = "accounts_changed"
"""Told at the commit of each batch that opened accounts: a hint for waiters, without content."""


class AccountProfile(NamedTuple):
    """An account, in the order of the table's columns."""

    account_id: UUID
    client_id: str
    kind: AccountKind
    tier: Tier
    currency: str
    requested_at: datetime
    """When its opening was asked for (UTC)."""


def fold(state: AccountProfile | None, event: AccountOpened) -> AccountProfile:
    """The account after one more event, in the order of the log: the first stands."""
    if state is not None:
        return state
    return AccountProfile(
        event.account_id,
        event.client_id,
        event.kind,
        event.tier,
        event.currency,
        event.requested_at,
    )


async def read_accounts(
    connection: Connection, account_ids: Collection[UUID]
) -> dict[UUID, AccountProfile]:
    """These accounts; ids that name none are absent."""
    rows = await connection.fetch(_READ, list(account_ids))
    return {
        account_id: AccountProfile(
            account_id, client_id, AccountKind(kind), Tier(tier), currency, requested_at
        )
        for account_id, client_id, kind, tier, currency, requested_at in rows
    }


async def accounts_of(connection: Connection, client_id: str) -> list[AccountProfile]:
    """All accounts of a client, the oldest first."""
    rows = await connection.fetch(_READ_OF_CLIENT, client_id)
    return [
        AccountProfile(row[0], row[1], AccountKind(row[2]), Tier(row[3]), row[4], row[5])
        for row in rows
    ]


async def write_opened(connection: Connection, profiles: Sequence[AccountProfile]) -> None:
    """Add accounts that were read as absent.

    One that another transaction adds meanwhile breaks the primary key: the whole unit is tried
    again, and then sees it.
    """
    columns = zip(*profiles, strict=True)
    await connection.execute(_INSERT, *(list(column) for column in columns))
    await notify(connection, CHANNEL)


_READ: Final = (
    "SELECT account_id, client_id, kind, tier, currency, requested_at FROM accounts"
    " WHERE account_id = ANY($1::uuid[])"
)
_READ_OF_CLIENT: Final = (
    "SELECT account_id, client_id, kind, tier, currency, requested_at FROM accounts"
    " WHERE client_id = $1 ORDER BY requested_at, account_id"
)
_INSERT: Final = (
    "INSERT INTO accounts (account_id, client_id, kind, tier, currency, requested_at)"
    " SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[],"
    " $6::timestamptz[])"
)
