"""The tables `webhook_events`, `webhook_strays` and what is planned of them: `webhook_deliveries`.

An event is kept as it is told, for clients that have an endpoint; for each endpoint that wants it
there is one delivery, whose id derives from both. So planning is a join: twice is once.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Any, Final
from uuid import UUID

import asyncpg

from domain.errors import Unavailable
from domain.webhook import delivery_id_of
from projections.webhook_fold import Planned, ToldEvent, Wanting, deliveries_of
from runtime.database import Connection

ORDER_WAIT_S_MAX: Final = 300
"""A delivery waits so long for events that led to its own and have not come; then it goes."""

STRAYS_MAX: Final = 1_000
"""Events without an owner that are looked after at once."""


async def has_endpoints(connection: Connection) -> bool:
    """Whether there is anybody to tell."""
    return bool(await connection.fetchval("SELECT EXISTS (SELECT FROM webhook_endpoints)"))


async def owners_of(connection: Connection, subjects: Collection[UUID]) -> dict[UUID, str]:
    """Whose these payments and requests are, as far as anybody has said."""
    if not subjects:
        return {}
    rows = await connection.fetch(
        "SELECT payment_id AS subject, client_id FROM payments"
        " WHERE payment_id = ANY($1::uuid[]) AND client_id IS NOT NULL"
        " UNION ALL SELECT subject, client_id FROM webhook_owners WHERE subject = ANY($1::uuid[])",
        list(subjects),
    )
    return {row["subject"]: row["client_id"] for row in rows}


async def keep_owners(connection: Connection, owners: Mapping[UUID, tuple[str, datetime]]) -> None:
    """Whose requests these are, and since when, for those whose answers do not say it."""
    if owners:
        await connection.execute(
            "INSERT INTO webhook_owners (subject, client_id, started_at)"
            " SELECT * FROM unnest($1::uuid[], $2::text[], $3::timestamptz[])"
            " ON CONFLICT DO NOTHING",
            list(owners),
            [client_id for client_id, _ in owners.values()],
            [started_at for _, started_at in owners.values()],
        )


async def plan(connection: Connection, events: Sequence[ToldEvent], now: datetime) -> None:
    """Keep events and plan their deliveries, in one transaction; those without an owner stray.

    Unavailable if an endpoint is deleted meanwhile: the next try does not see it any more.
    """
    clients = {event.client_id for event in events if event.client_id is not None}
    rows = await connection.fetch(_WANTING, list(clients))
    endpoints: dict[str, list[Wanting]] = {}
    for row in rows:
        endpoints.setdefault(row["client_id"], []).append(Wanting(*row))
    kept = [event for event in events if event.client_id in endpoints]
    strays = [event for event in events if event.client_id is None]
    if not kept and not strays:
        return
    planned = deliveries_of(kept, endpoints)
    try:
        async with connection.transaction():
            if strays:
                await connection.execute(_STRAY, *_columns(strays, _STRAY_FIELDS), now)
            if kept:
                await connection.execute(_KEEP, *_columns(kept, ToldEvent._fields))
            if planned:
                await _insert(connection, planned, now)
            if any(each.state == "waiting" for each in planned):
                await release(connection, list({each.event.subject for each in planned}), now)
    except asyncpg.ForeignKeyViolationError:
        # Endpoints are not locked when they are read: that would cost every batch, and could lock
        # in a circle with their owners. One that goes in between costs one batch another try.
        raise Unavailable("an endpoint was deleted while it was planned for") from None


async def plan_one(
    connection: Connection, event: ToldEvent, endpoint_id: UUID, now: datetime
) -> UUID:
    """Keep an event that is for one endpoint only, in the caller's transaction; its delivery."""
    await connection.execute(_KEEP, *_columns([event], ToldEvent._fields))
    planned = Planned(
        delivery_id_of(event.event_id, endpoint_id), endpoint_id, event, is_ordered=False
    )
    await _insert(connection, [planned], now)
    return planned.delivery_id


async def adopt_strays(connection: Connection, now: datetime) -> int:
    """Plan events whose owner has become known; how many. One process at a time."""
    async with connection.transaction():
        rows = await connection.fetch(_TAKE_STRAYS, STRAYS_MAX)
        await plan(connection, [ToldEvent(*row) for row in rows], now)
    return len(rows)


async def drop_strays(connection: Connection, before: datetime) -> None:
    """Forget events whose owner has not become known for so long that it never will."""
    await connection.execute("DELETE FROM webhook_strays WHERE strayed_at < $1", before)


async def release(connection: Connection, subjects: Sequence[UUID] | None, now: datetime) -> int:
    """Let go of ordered deliveries about these payments (None: all) whose turn has come."""
    forgone = now - timedelta(seconds=ORDER_WAIT_S_MAX)
    given = None if subjects is None else list(subjects)
    released: int = await connection.fetchval(
        "SELECT webhook_release($1::uuid[], $2, $3)", given, now, forgone
    )
    return released


async def _insert(connection: Connection, planned: Sequence[Planned], now: datetime) -> None:
    ordered = sorted(planned, key=lambda each: each.delivery_id.int)
    await connection.execute(
        _PLAN,
        [each.delivery_id for each in ordered],
        [each.endpoint_id for each in ordered],
        *_columns([each.event for each in ordered], _PLAN_FIELDS),
        [each.state for each in ordered],
        now,
    )


def _columns(events: Sequence[ToldEvent], names: Sequence[str]) -> list[list[Any]]:
    return [list(map(attrgetter(name), events)) for name in names]


_WANTING: Final = """
    SELECT endpoint_id, client_id, event_types, is_ordered, created_at, disabled_at
    FROM webhook_endpoints WHERE client_id = ANY($1::text[])
"""
_KEEP: Final = """
    INSERT INTO webhook_events (
        event_id, client_id, event_type, subject, rank, started_at, occurred_at,
        topic, partition, "offset", body
    )
    SELECT * FROM unnest(
        $1::uuid[], $2::text[], $3::text[], $4::uuid[], $5::smallint[],
        $6::timestamptz[], $7::timestamptz[], $8::text[], $9::integer[], $10::bigint[], $11::text[]
    ) ON CONFLICT DO NOTHING
"""
_STRAY_FIELDS: Final = tuple(name for name in ToldEvent._fields if name != "client_id")
_STRAY: Final = """
    INSERT INTO webhook_strays (
        event_id, event_type, subject, rank, started_at, occurred_at, topic,
        partition, "offset", body, strayed_at
    )
    SELECT *, $11 FROM unnest(
        $1::uuid[], $2::text[], $3::uuid[], $4::smallint[],
        $5::timestamptz[], $6::timestamptz[], $7::text[], $8::integer[], $9::bigint[], $10::text[]
    ) ON CONFLICT DO NOTHING
"""
_TAKE_STRAYS: Final = """
    WITH found AS (
        SELECT stray.event_id, COALESCE(payment.client_id, owner.client_id) AS client_id
        FROM webhook_strays AS stray
        LEFT JOIN payments AS payment ON payment.payment_id = stray.subject
        LEFT JOIN webhook_owners AS owner ON owner.subject = stray.subject
        WHERE payment.client_id IS NOT NULL OR owner.client_id IS NOT NULL
        ORDER BY stray.strayed_at LIMIT $1
        FOR UPDATE OF stray SKIP LOCKED
    )
    DELETE FROM webhook_strays AS stray USING found WHERE stray.event_id = found.event_id
    RETURNING stray.event_id, found.client_id, event_type, subject, rank,
        started_at, occurred_at, topic, partition, "offset", body
"""
_PLAN_FIELDS: Final = ("event_id", "client_id", "event_type", "subject", "rank")
_PLAN: Final = """
    INSERT INTO webhook_deliveries (
        delivery_id, endpoint_id, event_id, client_id, event_type, subject, rank, state,
        due_at, created_at
    )
    SELECT *, $9, $9 FROM unnest(
        $1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::uuid[], $7::smallint[],
        $8::text[]
    ) ON CONFLICT DO NOTHING
"""
