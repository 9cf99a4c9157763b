"""What the planning of notifications reads and writes, in PostgreSQL."""

from collections.abc import Collection, Mapping, Sequence
from typing import Final
from uuid import UUID

from consumers.notifications.decide import Holder, Parties
from domain.client import person_of
from domain.notification import Channel, Subject
from domain.notification_plan import (
    Burst,
    BurstKey,
    Device,
    Known,
    News,
    Notification,
    Plan,
    Recipient,
)
from runtime import recipients
from runtime.changes import notify
from runtime.database import Connection
from runtime.unit import PostgresUnit, Unit


class PostgresHolders:
    """The tables of the projections of accounts and of the directory."""

    async def read(
        self, unit: Unit, account_ids: Collection[UUID], handles: Collection[str]
    ) -> Parties:
        """One query for the accounts, and one for the handles where there are any."""
        connection = _connection(unit)
        rows = await connection.fetch(_ACCOUNTS, list(account_ids)) if account_ids else []
        by_handle: dict[str, Holder] = {}
        if handles:
            by_handle = {
                row["handle"]: Holder(row["client_id"], row["account_id"])
                for row in await connection.fetch(_HANDLES, list(handles))
            }
        return Parties({row["account_id"]: row["client_id"] for row in rows}, by_handle)


class PostgresNotices:
    """The tables notification_* and notifications."""

    async def lock(self, unit: Unit, news: Sequence[News]) -> Known:
        """Five queries for the batch. Rows are locked in the order of clients, against circles."""
        connection = _connection(unit)
        client_ids = sorted({each.client_id for each in news})
        people = [person_of(client_id) for client_id in client_ids]
        await connection.execute(_MAKE, client_ids, people)
        rows = await connection.fetch(_LOCK, client_ids)
        return Known(
            recipients={
                row["client_id"]: Recipient(row["last_number"], recipients.preferences_of(row))
                for row in rows
            },
            devices=await _devices(connection, [each for each in people if each is not None]),
            bursts=await _bursts(connection, news),
            ranks=await _ranks(connection, news),
        )

    async def write(self, unit: Unit, plan: Plan) -> None:
        """Four statements for the batch, and a hint to those who wait."""
        if not plan.notifications:
            return
        connection = _connection(unit)
        await connection.execute(_ADD, *_columns(map(_row, plan.notifications.values())))
        if plan.deliveries:
            await connection.execute(_DELIVER, *_columns(plan.deliveries.values()))
        if plan.bursts:
            bursts = [(*key, *burst) for key, burst in plan.bursts.items()]
            await connection.execute(_COUNT, *_columns(bursts))
        await connection.execute(_NUMBER, list(plan.numbers), list(plan.numbers.values()))
        await notify(connection, recipients.CHANNEL)


async def _devices(
    connection: Connection, people: Sequence[UUID]
) -> Mapping[UUID, Sequence[Device]]:
    devices: dict[UUID, list[Device]] = {}
    for row in await connection.fetch(_DEVICES, people) if people else ():
        device = Device(row["device_id"], Channel(row["platform"]))
        devices.setdefault(row["person_id"], []).append(device)
    return devices


async def _bursts(connection: Connection, news: Sequence[News]) -> dict[BurstKey, Burst]:
    keys = sorted({(each.account_id, each.subject) for each in news if each.account_id})
    if not keys:
        return {}
    return {
        (holder_id, Subject(subject)): Burst(began_at, told)
        for holder_id, subject, began_at, told in await connection.fetch(_BURSTS, *_columns(keys))
    }


async def _ranks(connection: Connection, news: Sequence[News]) -> dict[tuple[UUID, str], int]:
    payment_ids = sorted({each.payment_id for each in news if each.payment_id})
    if not payment_ids:
        return {}
    return {(row[0], row[1]): row[2] for row in await connection.fetch(_RANKS, payment_ids)}


def _row(notification: Notification) -> tuple[object, ...]:
    """In the order of `_ADD`."""
    news = notification.news
    return (
        notification.notification_id,
        news.client_id,
        notification.person_id,
        news.account_id,
        news.subject,
        news.event_id,
        notification.payment_id,
        news.rank,
        notification.amount_minor,
        news.currency,
        None if notification.is_summary else news.code,
        notification.count,
        news.occurred_at,
        notification.planned_at,
        notification.number,
        notification.is_shown,
    )


def _columns(rows: "Collection[Sequence[object]] | map[tuple[object, ...]]") -> list[list[object]]:
    return [list(column) for column in zip(*rows, strict=True)]


def _connection(unit: Unit) -> Connection:
    assert isinstance(unit, PostgresUnit)
    return unit.connection


_PREFERENCES: Final = recipients.COLUMNS

_ACCOUNTS: Final = """
    SELECT account_id, client_id FROM accounts
    WHERE account_id = ANY($1::uuid[]) AND kind = 'wallet'
"""
_HANDLES: Final = """
    SELECT handle, client_id, account_id FROM directory_handles
    WHERE handle = ANY($1::text[]) AND account_id IS NOT NULL
"""
_MAKE: Final = """
    INSERT INTO notification_recipients (client_id, person_id)
    SELECT * FROM unnest($1::text[], $2::uuid[]) ON CONFLICT DO NOTHING
"""
_LOCK: Final = (
    f"SELECT client_id, last_number, {_PREFERENCES} FROM notification_recipients"  # noqa: S608 - own words only
    " WHERE client_id = ANY($1::text[]) ORDER BY client_id FOR UPDATE"
)
_DEVICES: Final = """
    SELECT person_id, device_id, platform FROM notification_devices
    WHERE person_id = ANY($1::uuid[]) ORDER BY registered_at, device_id
"""
_BURSTS: Final = """
    SELECT holder_id, subject, began_at, told
    FROM notification_bursts JOIN unnest($1::uuid[], $2::text[]) AS wanted (holder_id, subject)
    USING (holder_id, subject)
"""
_RANKS: Final = """
    SELECT payment_id, client_id, max(rank) FROM notifications
    WHERE payment_id = ANY($1::uuid[]) GROUP BY payment_id, client_id
"""
# Only a summary is there already: what is told by itself has an id of its event, which is new.
_ADD: Final = """
    INSERT INTO notifications AS known (
        notification_id, client_id, person_id, account_id, subject, event_id, payment_id, rank,
        amount_minor, currency, code, count, occurred_at, planned_at, number, is_shown
    )
    SELECT * FROM unnest(
        $1::uuid[], $2::text[], $3::uuid[], $4::uuid[], $5::text[], $6::uuid[], $7::uuid[],
        $8::smallint[], $9::bigint[], $10::text[], $11::text[], $12::integer[],
        $13::timestamptz[], $14::timestamptz[], $15::bigint[], $16::boolean[]
    )
    ON CONFLICT (notification_id) DO UPDATE SET
        count = known.count + EXCLUDED.count,
        amount_minor = known.amount_minor + EXCLUDED.amount_minor,
        occurred_at = EXCLUDED.occurred_at,
        number = EXCLUDED.number,
        read_at = NULL
"""
_DELIVER: Final = """
    INSERT INTO notification_deliveries (
        delivery_id, notification_id, person_id, channel, device_id, payment_id, rank, planned_at,
        due_at, expires_at
    )
    SELECT * FROM unnest(
        $1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::uuid[], $6::uuid[], $7::smallint[],
        $8::timestamptz[], $9::timestamptz[], $10::timestamptz[]
    )
    ON CONFLICT (delivery_id) DO NOTHING
"""
_COUNT: Final = """
    INSERT INTO notification_bursts (holder_id, subject, began_at, told)
    SELECT * FROM unnest($1::uuid[], $2::text[], $3::timestamptz[], $4::integer[])
    ON CONFLICT (holder_id, subject) DO UPDATE SET
        began_at = EXCLUDED.began_at, told = EXCLUDED.told
"""
_NUMBER: Final = """
    UPDATE notification_recipients AS known SET last_number = last_number + used.told
    FROM unnest($1::text[], $2::bigint[]) AS used (client_id, told)
    WHERE known.client_id = used.client_id
"""
