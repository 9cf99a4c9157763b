"""What nobody waits for by the millisecond: strays, replays, turns, and what is over.

Any number of processes may run it; each duty is done by one at a time.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import asyncpg

from domain.webhook import delivery_id_of, is_wanted
from producers.webhook_delivery import limits
from projections import webhook_events
from runtime.database import Connection

_SET_ASIDE: Final = """
    WITH waiting AS (
        SELECT unfinished.delivery_id
        -- Endpoint by endpoint: what waits for those that are enabled may be very much.
        FROM webhook_endpoints AS endpoint CROSS JOIN LATERAL (
            SELECT delivery_id FROM webhook_deliveries AS delivery
            WHERE delivery.endpoint_id = endpoint.endpoint_id
              AND delivery.state IN ('waiting', 'pending')
            LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED
        ) AS unfinished
        WHERE endpoint.disabled_at IS NOT NULL
        LIMIT $2
    )
    UPDATE webhook_deliveries AS delivery
    SET state = 'dead', finished_at = $1, last_outcome = 'endpoint_disabled'
    FROM waiting WHERE delivery.delivery_id = waiting.delivery_id
"""
_RUNNING: Final = """
    SELECT replay.*, endpoint.event_types AS endpoint_types, endpoint.is_ordered
    FROM webhook_replays AS replay JOIN webhook_endpoints AS endpoint USING (endpoint_id)
    WHERE replay.finished_at IS NULL
    ORDER BY replay.created_at FOR NO KEY UPDATE OF replay SKIP LOCKED
"""
_DUE: Final = """
    SELECT count(*) FROM (
        SELECT FROM webhook_deliveries
        WHERE endpoint_id = $1 AND state = 'pending' AND due_at <= $2 LIMIT $3
    ) AS due
"""
_NEXT_EVENTS: Final = """
    SELECT event.event_id, event.event_type, event.subject, event.rank, event.occurred_at
    FROM webhook_events AS event
    WHERE event.client_id = $1 AND event.occurred_at >= $2 AND event.occurred_at < $3
      AND ($4::timestamptz IS NULL OR (event.occurred_at, event.event_id) > ($4, $5))
      AND ($6::uuid IS NULL OR event.subject = $6)
      AND ($7::text IS NULL
           OR (event.topic = $7 AND event.partition = $8 AND event."offset" >= $9))
      AND (event.topic IS NOT NULL OR $10)
      AND (NOT $10 OR EXISTS (
          SELECT FROM webhook_deliveries AS dead
          WHERE dead.event_id = event.event_id AND dead.endpoint_id = $11 AND dead.state = 'dead'
      ))
    ORDER BY event.occurred_at, event.event_id LIMIT $12
    -- What is begun again must not lose its event in the same moment.
    FOR KEY SHARE OF event
"""
_PLAN_AGAIN: Final = """
    INSERT INTO webhook_deliveries AS known (
        delivery_id, event_id, event_type, subject, rank, endpoint_id, client_id, state, due_at,
        created_at
    )
    SELECT said.*, $6::uuid, $7::text,
        CASE WHEN $8 AND said.rank IS NOT NULL THEN 'waiting' ELSE 'pending' END, $9, $9
    FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::uuid[], $5::smallint[])
        AS said (delivery_id, event_id, event_type, subject, rank)
    ON CONFLICT (delivery_id) DO UPDATE
    SET state = EXCLUDED.state, due_at = EXCLUDED.due_at, tries = 0, finished_at = NULL
    WHERE known.state IN ('delivered', 'dead')
"""
_OLD_EVENTS: Final = """
    SELECT event_id FROM webhook_events WHERE occurred_at < $1
      AND NOT EXISTS (
          SELECT FROM webhook_deliveries AS delivery
          WHERE delivery.event_id = webhook_events.event_id
            AND delivery.state IN ('waiting', 'pending'))
    LIMIT $2 FOR UPDATE SKIP LOCKED
"""
_FORGET_EVENTS: Final = """
    DELETE FROM webhook_events AS event WHERE event_id = ANY($1::uuid[])
      -- What is still to be sent is kept until it has been: it may have been asked for again.
      AND NOT EXISTS (
          SELECT FROM webhook_deliveries AS delivery
          WHERE delivery.event_id = event.event_id
            AND delivery.state IN ('waiting', 'pending'))
"""
_FORGET: Final = (
    """
    DELETE FROM webhook_deliveries WHERE delivery_id IN (
        SELECT delivery_id FROM webhook_deliveries WHERE created_at < $1
          AND state IN ('delivered', 'dead') LIMIT $2 FOR UPDATE SKIP LOCKED)
    """,
    """
    DELETE FROM webhook_owners WHERE subject IN (
        SELECT subject FROM webhook_owners WHERE started_at < $1 LIMIT $2
        FOR UPDATE SKIP LOCKED)
    """,
    """
    DELETE FROM webhook_replays WHERE replay_id IN (
        SELECT replay_id FROM webhook_replays WHERE finished_at < $1 LIMIT $2
        FOR UPDATE SKIP LOCKED)
    """,
)


async def set_aside(connection: Connection, now: datetime) -> None:
    """What waits for a disabled endpoint is dead, until its owner recovers it."""
    await connection.execute(_SET_ASIDE, now, limits.SET_ASIDE_DELIVERIES)


async def advance_replays(connection: Connection, now: datetime) -> None:
    """Let each replay go on by REPLAY_EVENTS, unless its endpoint has enough to do."""
    async with connection.transaction():
        for replay in await connection.fetch(_RUNNING):
            due = await connection.fetchval(
                _DUE, replay["endpoint_id"], now, limits.REPLAY_WAITING_MAX
            )
            if due < limits.REPLAY_WAITING_MAX:
                await _advance(connection, replay, now)


async def release_turns(connection: Connection, now: datetime) -> None:
    """Let go of whatever may go: a turn may have come while it was being planned."""
    async with connection.transaction():
        await webhook_events.release(connection, None, now)


async def forget(connection: Connection, now: datetime) -> None:
    """Forget what is older than it is kept for."""
    before = now - timedelta(days=limits.KEPT_DAYS)
    for statement in _FORGET:
        await connection.execute(statement, before, limits.RETENTION_ROWS)
    async with connection.transaction():
        await forget_events(connection, await lock_forgotten(connection, before))
    await webhook_events.drop_strays(connection, now - timedelta(days=limits.STRAY_DAYS))


async def lock_forgotten(connection: Connection, before: datetime) -> list[UUID]:
    """Events that are too old and are not to be sent any more, locked.

    Who begins a delivery again locks its event too: so it waits for the deletion and finds none,
    or the event is passed over here, or `forget_events` sees what was begun.
    """
    rows = await connection.fetch(_OLD_EVENTS, before, limits.RETENTION_ROWS)
    return [row["event_id"] for row in rows]


async def forget_events(connection: Connection, event_ids: Sequence[UUID]) -> None:
    """Forget events that were locked in this transaction, but for those that were begun again."""
    await connection.execute(_FORGET_EVENTS, list(event_ids))


async def _advance(connection: Connection, replay: asyncpg.Record, now: datetime) -> None:
    events = await connection.fetch(
        _NEXT_EVENTS,
        *(replay["client_id"], replay["since"], replay["until"]),
        *(replay["at_time"], replay["at_event"], replay["subject"]),
        *(replay["from_topic"], replay["from_partition"], replay["from_offset"]),
        *(replay["is_recovery"], replay["endpoint_id"], limits.REPLAY_EVENTS),
    )
    filters = replay["event_types"] or replay["endpoint_types"]
    wanted = [
        event
        for event in events
        if replay["is_recovery"] or is_wanted(event["event_type"], filters)
    ]
    if wanted:
        await _plan_again(connection, replay, wanted, now)
    is_over = len(events) < limits.REPLAY_EVENTS
    last = events[-1] if events else None
    await connection.execute(
        "UPDATE webhook_replays SET events_done = events_done + $2,"
        " at_time = COALESCE($3, at_time), at_event = COALESCE($4, at_event), finished_at = $5"
        " WHERE replay_id = $1",
        replay["replay_id"],
        len(events),
        None if last is None else last["occurred_at"],
        None if last is None else last["event_id"],
        now if is_over else None,
    )


async def _plan_again(
    connection: Connection,
    replay: asyncpg.Record,
    events: Sequence[asyncpg.Record],
    now: datetime,
) -> None:
    endpoint_id = replay["endpoint_id"]
    await connection.execute(
        _PLAN_AGAIN,
        [delivery_id_of(event["event_id"], endpoint_id) for event in events],
        [event["event_id"] for event in events],
        [event["event_type"] for event in events],
        [event["subject"] for event in events],
        [event["rank"] for event in events],
        *(endpoint_id, replay["client_id"], replay["is_ordered"], now),
    )
    if replay["is_ordered"]:
        await webhook_events.release(connection, list({each["subject"] for each in events}), now)
