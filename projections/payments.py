"""The read model `payments`: each payment's body, states and outcome. The SQL of its one table.

`projections/payment_fold.py` says what the rows mean. A payment can be read once its
payment.requested has come, whatever else came before it.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

import asyncpg

from domain.payment import RANK, PaymentType, RefusalCode, State
from projections.payment_fold import (
    PROGRESS_FIELDS,
    PaymentRow,
    is_progress,
    join,
    progress_of,
)
from runtime.database import Connection

CHANNEL: Final = "payments_changed"
"""Told at the commit of each batch that changed payments: a hint for waiters, without content."""


class Payment(NamedTuple):
    """A payment as its client may see it. Times are in UTC; amount_minor counts minor units."""

    payment_id: UUID
    client_id: str
    from_handle: str
    to_handle: str
    amount_minor: int
    currency: str
    payment_type: PaymentType
    description_sealed: str | None
    fingerprint: str
    accepted_at: datetime
    state: State
    history: tuple[tuple[State, datetime], ...]
    """Each state that was entered and when, in the order of the payment's life."""
    refusal_code: RefusalCode | None
    posting_id: UUID | None
    payer_account_id: UUID | None
    payee_account_id: UUID | None
    conflicted_at: datetime | None
    """When a second body under the payment's key was first ignored."""


class PageStart(NamedTuple):
    """Where a page begins: after this payment in the order of the list."""

    accepted_at: datetime
    payment_id: UUID


@dataclass(frozen=True, slots=True)
class Filters:
    """What a list is narrowed to; None narrows nothing. `accepted_until` is not included."""

    handle: str | None = None
    """Payer's or payee's."""
    state: State | None = None
    accepted_from: datetime | None = None
    accepted_until: datetime | None = None


async def merge(connection: Connection, rows: Sequence[PaymentRow]) -> None:
    """Join rows into the table, and tell those who wait: one row a payment, sorted by payment_id.

    The order keeps two processes from waiting for each other in a circle; so does that each
    statement commits on its own, which a join may: do not call it in a transaction. The hint to
    those who wait is part of the statement: a batch is often a single event, and then each round
    trip counts.
    """
    progress = [row for row in rows if is_progress(row)]
    if progress:
        await connection.execute(_MERGE_PROGRESS, [progress_of(row) for row in progress], CHANNEL)
    if len(progress) == len(rows):
        return
    bodies = [row for row in rows if not is_progress(row)]
    if await connection.fetchval(_MERGE, bodies, CHANNEL) < len(bodies):
        await _merge_rivals(connection, bodies)


async def _merge_rivals(connection: Connection, rows: Sequence[PaymentRow]) -> None:
    """Join here what the statement left alone, because bodies compete."""
    async with connection.transaction():
        records = await connection.fetch(_LOCK, [row.payment_id for row in rows])
        known = {record["payment_id"]: PaymentRow(*record) for record in records}
        merged = [join(known[row.payment_id], row) for row in rows]
        await connection.execute(_REPLACE, merged)


async def read_payment(
    connection: Connection, payment_id: UUID, *, client_id: str
) -> Payment | None:
    """This client's payment; None if there is none, or it is another's, or not here yet."""
    found = await accepted_many(connection, client_id, [payment_id])
    return found.get(payment_id)


async def accepted_many(
    connection: Connection, client_id: str, payment_ids: Collection[UUID]
) -> dict[UUID, Payment]:
    """Which of these ids are payments that the client has asked for before, and what they are."""
    records = await connection.fetch(
        f"{_READ} AND payment_id = ANY($2::uuid[])", client_id, list(payment_ids)
    )
    return {payment.payment_id: payment for payment in map(_payment, records)}


async def list_payments(
    connection: Connection, client_id: str, filters: Filters, *, after: PageStart | None, limit: int
) -> list[Payment]:
    """Up to `limit` of this client's payments, the newest first, after where a page ended."""
    arguments = [
        client_id,
        filters.accepted_from,
        filters.accepted_until,
        None if after is None else after.accepted_at,
        None if after is None else after.payment_id,
        None if filters.state is None else filters.state.value,
        limit,
    ]
    if filters.handle is None:
        records = await connection.fetch(_LIST, *arguments)
    else:
        records = await connection.fetch(_LIST_OF_HANDLE, *arguments, filters.handle)
    return [_payment(record) for record in records]


async def first_acceptances(
    connection: Connection, payment_ids: Collection[UUID]
) -> dict[UUID, tuple[datetime, str]]:
    """When these payments were first accepted, and with which body's fingerprint, whosoever's."""
    records = await connection.fetch(
        "SELECT payment_id, accepted_at, fingerprint FROM payments"
        " WHERE payment_id = ANY($1::uuid[]) AND fingerprint IS NOT NULL",
        list(payment_ids),
    )
    return {
        record["payment_id"]: (record["accepted_at"], record["fingerprint"]) for record in records
    }


async def states(connection: Connection, payment_ids: Collection[UUID]) -> dict[UUID, State]:
    """Where these payments stand, for those who wait; ids that cannot be read yet are absent.

    Does not look at whose a payment is: the caller has, before it began to wait.
    """
    records = await connection.fetch(_STATES, list(payment_ids))
    return {payment_id: State(state) for payment_id, state in records}


def _payment(record: asyncpg.Record) -> Payment:
    code = record["refusal_code"]
    return Payment(
        payment_id=record["payment_id"],
        client_id=record["client_id"],
        from_handle=record["from_handle"],
        to_handle=record["to_handle"],
        amount_minor=record["amount_minor"],
        currency=record["currency"],
        payment_type=PaymentType(record["payment_type"]),
        description_sealed=record["description_sealed"],
        fingerprint=record["fingerprint"],
        accepted_at=record["accepted_at"],
        state=State(record["state"]),
        history=tuple(
            (state, record[column])
            for state, column in _ENTERED_AT.items()
            if record[column] is not None
        ),
        refusal_code=None if code is None else RefusalCode(code),
        posting_id=record["posting_id"],
        payer_account_id=record["payer_account_id"],
        payee_account_id=record["payee_account_id"],
        conflicted_at=record["conflicted_at"],
    )


_ENTERED_AT: Final = {state: f"{state.value}_at" for state in sorted(State, key=RANK.__getitem__)}

_COLUMNS: Final = ", ".join(PaymentRow._fields)
_UPSERT: Final = (
    f"INSERT INTO payments AS known ({_COLUMNS}) SELECT * FROM unnest($1::payment_row[])"  # noqa: S608 - own words only
    " ON CONFLICT (payment_id) DO UPDATE SET "
)
_MERGE: Final = (
    f"WITH merged AS ({_UPSERT}"  # noqa: S608 - own words only
    + ", ".join(
        f"{name} = LEAST(known.{name}, EXCLUDED.{name})" for name in PaymentRow._fields[1:-1]
    )
    + " WHERE known.rivals IS NULL AND EXCLUDED.rivals IS NULL"
    " AND (known.fingerprint = EXCLUDED.fingerprint) IS NOT FALSE"
    " RETURNING 1) SELECT count(*), pg_notify($2, '') FROM merged"
)
_PROGRESS_COLUMNS: Final = ", ".join(PROGRESS_FIELDS)
_MERGE_PROGRESS: Final = (
    f"WITH merged AS (INSERT INTO payments AS known ({_PROGRESS_COLUMNS})"  # noqa: S608 - own words only
    " SELECT * FROM unnest($1::payment_progress[]) ON CONFLICT (payment_id) DO UPDATE SET "
    + ", ".join(f"{name} = LEAST(known.{name}, EXCLUDED.{name})" for name in PROGRESS_FIELDS[1:])
    + " RETURNING 1) SELECT count(*), pg_notify($2, '') FROM merged"
)
_REPLACE: Final = _UPSERT + ", ".join(
    f"{name} = EXCLUDED.{name}" for name in PaymentRow._fields[1:]
)
_LOCK: Final = (
    f"SELECT {_COLUMNS} FROM payments WHERE payment_id = ANY($1::uuid[])"  # noqa: S608 - own words only
    " ORDER BY payment_id FOR UPDATE"
)

_READ: Final = f"SELECT {_COLUMNS}, state FROM payments WHERE client_id = $1"  # noqa: S608 - own words only
_PAGE: Final = (
    " AND accepted_at >= COALESCE($2::timestamptz, '-infinity')"
    " AND accepted_at < COALESCE($3::timestamptz, 'infinity')"
    " AND (accepted_at, payment_id) < (COALESCE($4::timestamptz, 'infinity'),"
    " COALESCE($5::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))"
    " AND ($6::text IS NULL OR state = $6)"
    " ORDER BY accepted_at DESC, payment_id DESC LIMIT $7"
)
_LIST: Final = _READ + _PAGE
_LIST_OF_HANDLE: Final = (
    f"({_READ} AND from_handle = $8{_PAGE}) UNION ALL"
    f" ({_READ} AND to_handle = $8 AND from_handle <> $8{_PAGE})"
    " ORDER BY accepted_at DESC, payment_id DESC LIMIT $7"
)
_STATES: Final = (
    "SELECT payment_id, state FROM payments"
    " WHERE payment_id = ANY($1::uuid[]) AND client_id IS NOT NULL"
)
