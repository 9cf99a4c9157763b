"""The in-app inbox in PostgreSQL: what somebody was told, and what of it they have read.

Every row of a client has a number, given in the order of commits, so a stream that goes on after a
number misses nothing. A summary that grows gets a new one, and is unread again.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Final
from uuid import UUID

from producers.notifications import limits
from runtime.database import Connection


@dataclass(frozen=True, slots=True)
class InboxRow:
    """A notification, in the order of the columns that are read."""

    notification_id: UUID
    account_id: UUID | None
    subject: str
    payment_id: UUID | None
    amount_minor: int | None
    currency: str | None
    code: str | None
    count: int
    occurred_at: datetime
    planned_at: datetime
    number: int
    read_at: datetime | None


async def newest(
    connection: Connection,
    client_id: str,
    *,
    account_id: UUID | None,
    is_unread: bool,
    before: int | None,
    limit: int,
) -> list[InboxRow]:
    """Up to `limit` notifications, the newest first, with smaller numbers than `before`."""
    rows = await connection.fetch(_NEWEST, client_id, account_id, is_unread, before, limit)
    return [InboxRow(*row) for row in rows]


async def after(
    connection: Connection, client_id: str, number: int, *, account_id: UUID | None
) -> list[InboxRow]:
    """The next notifications after a number, the oldest first; SEEN_ROWS_MAX at most."""
    rows = await connection.fetch(_AFTER, client_id, account_id, number, limits.SEEN_ROWS_MAX)
    return [InboxRow(*row) for row in rows]


async def unread(connection: Connection, client_id: str, *, account_id: UUID | None) -> int:
    """How many are not read yet; UNREAD_MAX + 1 stands for more."""
    count: int = await connection.fetchval(_UNREAD, client_id, account_id, limits.UNREAD_MAX + 1)
    return count


async def last_numbers(connection: Connection, client_ids: Collection[str]) -> Mapping[str, int]:
    """The number of the newest notification of each client, for those who wait."""
    rows = await connection.fetch(_LAST, list(client_ids))
    return {row["client_id"]: row["last_number"] for row in rows}


async def mark_read(
    connection: Connection, client_id: str, notification_id: UUID, at: datetime
) -> bool:
    """One was read; whether the client has it. Reading it again changes nothing."""
    found = await connection.fetchval(_READ_ONE, client_id, notification_id, at)
    return found is not None


async def mark_all_read(
    connection: Connection, client_id: str, *, up_to: int, account_id: UUID | None, at: datetime
) -> None:
    """All up to a number were read: what came since the reader looked stays unread."""
    await connection.execute(_READ_ALL, client_id, account_id, up_to, at)


_COLUMNS: Final = ", ".join(field.name for field in fields(InboxRow))
_SHOWN: Final = (
    " FROM notifications WHERE client_id = $1 AND is_shown"
    " AND ($2::uuid IS NULL OR account_id = $2)"
)
_NEWEST: Final = (
    f"SELECT {_COLUMNS}{_SHOWN}"
    " AND (NOT $3 OR read_at IS NULL) AND ($4::bigint IS NULL OR number < $4)"
    " ORDER BY number DESC LIMIT $5"
)
_AFTER: Final = f"SELECT {_COLUMNS}{_SHOWN} AND number > $3 ORDER BY number LIMIT $4"
_UNREAD: Final = f"SELECT count(*) FROM (SELECT {_SHOWN} AND read_at IS NULL LIMIT $3) AS counted"  # noqa: S608 - own words only
_LAST: Final = """
    SELECT client_id, last_number FROM notification_recipients WHERE client_id = ANY($1::text[])
"""
_READ_ONE: Final = """
    UPDATE notifications SET read_at = COALESCE(read_at, $3)
    WHERE client_id = $1 AND notification_id = $2 AND is_shown RETURNING 1
"""
_READ_ALL: Final = """
    UPDATE notifications SET read_at = $4
    WHERE client_id = $1 AND is_shown AND read_at IS NULL AND number <= $3
      AND ($2::uuid IS NULL OR account_id = $2)
"""
