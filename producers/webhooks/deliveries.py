"""The tables webhook_deliveries, webhook_attempts and webhook_replays, as their owners see them."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import asyncpg

from domain.errors import Invalid
from domain.webhook import TEST_EVENT, DeliveryState
from producers.webhooks import limits
from runtime.database import Connection

_COLUMNS: Final = (
    "delivery_id, endpoint_id, event_id, event_type, subject, state, attempts, due_at,"
    " created_at, finished_at, last_outcome"
)
_LIST: Final = (
    f"SELECT {_COLUMNS} FROM webhook_deliveries WHERE client_id = $1"  # noqa: S608 - a constant
    " AND ($2::uuid IS NULL OR endpoint_id = $2) AND ($3::uuid IS NULL OR event_id = $3)"
    " AND ($4::text IS NULL OR state = $4)"
    " AND ($5::timestamptz IS NULL OR (created_at, delivery_id) < ($5, $6))"
    " ORDER BY created_at DESC, delivery_id DESC LIMIT $7"
)
_READ: Final = (
    f"SELECT {_COLUMNS} FROM webhook_deliveries WHERE client_id = $1 AND delivery_id = $2"  # noqa: S608 - a constant
)
_REPLAY_COLUMNS: Final = (
    "replay_id, endpoint_id, is_recovery, events, events_done, created_at, finished_at"
)
_BEGIN_REPLAY: Final = (
    "INSERT INTO webhook_replays (replay_id, endpoint_id, client_id, is_recovery, event_types,"  # noqa: S608 - a constant
    " subject, since, until, from_topic, from_partition, from_offset, events, created_at)"
    " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)"
    f" RETURNING {_REPLAY_COLUMNS}"
)
_RETRY: Final = """
    WITH kept AS (
        -- Locked: what is begun again must not lose its event in the same moment.
        SELECT event_id FROM webhook_events WHERE event_id = (
            SELECT event_id FROM webhook_deliveries WHERE client_id = $1 AND delivery_id = $2
        ) FOR KEY SHARE
    )
    UPDATE webhook_deliveries AS d
    SET state = CASE WHEN p.is_ordered AND d.rank IS NOT NULL AND d.state <> 'pending'
                     THEN 'waiting' ELSE 'pending' END,
        tries = CASE WHEN d.state = 'pending' THEN d.tries ELSE 0 END,
        due_at = $3, finished_at = NULL
    FROM webhook_endpoints AS p, kept
    WHERE d.client_id = $1 AND d.delivery_id = $2 AND d.event_id = kept.event_id
      AND p.endpoint_id = d.endpoint_id
      AND p.disabled_at IS NULL
      AND NOT EXISTS (
          SELECT FROM webhook_attempts AS a
          WHERE a.delivery_id = d.delivery_id AND a.started_at > $4
      )
      -- One that is due soon may be on its way: it comes by itself.
      AND (d.state <> 'pending' OR d.due_at > $3::timestamptz + interval '60 seconds')
    RETURNING d.subject
"""
_COUNT_EVENTS: Final = """
    SELECT count(*) FROM webhook_events AS e
    WHERE e.client_id = $1 AND e.occurred_at >= $2 AND e.occurred_at < $3
      AND ($4::uuid IS NULL OR e.subject = $4)
      AND ($5::text IS NULL OR (e.topic = $5 AND e.partition = $6 AND e."offset" >= $7))
      AND (e.topic IS NOT NULL OR $8)
      AND (NOT $8 OR EXISTS (
          SELECT FROM webhook_deliveries AS d
          WHERE d.event_id = e.event_id AND d.endpoint_id = $9 AND d.state = 'dead'
      ))
"""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event for one endpoint."""

    delivery_id: UUID
    endpoint_id: UUID
    event_id: UUID
    event_type: str
    subject: UUID
    state: DeliveryState
    attempts: int
    due_at: datetime
    created_at: datetime
    finished_at: datetime | None
    last_outcome: str | None


@dataclass(frozen=True, slots=True)
class Filters:
    """What a list is narrowed to."""

    endpoint_id: UUID | None = None
    event_id: UUID | None = None
    state: DeliveryState | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt; the reply's begin is sealed."""

    attempt: int
    started_at: datetime
    latency_ms: int
    outcome: str
    status: int | None
    reply_sealed: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What an owner wants sent again; None narrows nothing. `until` is not included."""

    is_recovery: bool
    since: datetime
    until: datetime
    event_types: tuple[str, ...] = ()
    subject: UUID | None = None
    position: tuple[str, int, int] | None = None
    """Topic, partition and offset."""


@dataclass(frozen=True, slots=True)
class LockedEndpoint:
    """An endpoint that nobody else changes until the transaction ends."""

    is_disabled: bool


@dataclass(frozen=True, slots=True)
class Replay:
    """How far a replay has come."""

    replay_id: UUID
    endpoint_id: UUID
    is_recovery: bool
    events: int
    events_done: int
    created_at: datetime
    finished_at: datetime | None


async def list_of(
    connection: Connection,
    client_id: str,
    filters: Filters,
    *,
    after: tuple[datetime, UUID] | None,
    limit: int,
) -> list[Delivery]:
    """This client's deliveries, the newest first."""
    created_at, delivery_id = after or (None, None)
    rows = await connection.fetch(
        _LIST,
        client_id,
        filters.endpoint_id,
        filters.event_id,
        None if filters.state is None else filters.state.value,
        created_at,
        delivery_id,
        limit,
    )
    return [_delivery(row) for row in rows]


async def read(connection: Connection, client_id: str, delivery_id: UUID) -> Delivery | None:
    """This client's delivery; None if there is none, or it is another's."""
    row = await connection.fetchrow(_READ, client_id, delivery_id)
    return None if row is None else _delivery(row)


async def attempts_of(connection: Connection, delivery_id: UUID) -> list[Attempt]:
    """Its attempts, the first one first."""
    rows = await connection.fetch(
        "SELECT attempt, started_at, latency_ms, outcome, status, reply_sealed"
        " FROM webhook_attempts WHERE delivery_id = $1 ORDER BY attempt",
        delivery_id,
    )
    return [Attempt(**row) for row in rows]


async def body_of(connection: Connection, event_id: UUID) -> str:
    """An event as it is sent; empty if it is not kept any more."""
    body = await connection.fetchval(
        "SELECT body FROM webhook_events WHERE event_id = $1", event_id
    )
    return body or ""


async def retry(
    connection: Connection, client_id: str, delivery_id: UUID, at: datetime
) -> UUID | None:
    """Send a delivery now, under the same id; what its event is about, or None if it may not.

    It may not while its endpoint is disabled, shortly after an attempt, or once its event is not
    kept any more.
    """
    pause = timedelta(seconds=limits.RETRY_PAUSE_S)
    row = await connection.fetchrow(_RETRY, client_id, delivery_id, at, at - pause)
    if row is None:
        return None
    subject: UUID = row["subject"]
    return subject


async def count_tests(connection: Connection, client_id: str, since: datetime) -> int:
    """How many test events the client has sent since."""
    count: int = await connection.fetchval(
        "SELECT count(*) FROM webhook_events"
        " WHERE client_id = $1 AND occurred_at > $2 AND event_type = $3",
        client_id,
        since,
        TEST_EVENT,
    )
    return count


async def lock_endpoint(
    connection: Connection, client_id: str, endpoint_id: UUID
) -> LockedEndpoint | None:
    """This client's endpoint, locked; None if there is none, or it is another's."""
    row = await connection.fetchrow(
        "SELECT disabled_at IS NOT NULL AS is_disabled FROM webhook_endpoints"
        " WHERE client_id = $1 AND endpoint_id = $2 FOR UPDATE",
        client_id,
        endpoint_id,
    )
    return None if row is None else LockedEndpoint(row["is_disabled"])


async def add_replay(
    connection: Connection,
    client_id: str,
    endpoint_id: UUID,
    wish: Wish,
    *,
    replay_id: UUID,
    at: datetime,
) -> Replay:
    """Begin a replay, in a transaction that has locked the endpoint; Invalid `too_many_replays`."""
    running = await connection.fetchval(
        "SELECT count(*) FROM webhook_replays WHERE client_id = $1 AND finished_at IS NULL",
        client_id,
    )
    if running >= limits.REPLAYS_RUNNING_MAX:
        raise Invalid("too_many_replays", "wait until a replay of yours has ended")
    topic, partition, offset = wish.position or (None, None, None)
    place = (wish.subject, topic, partition, offset)
    events = await connection.fetchval(
        _COUNT_EVENTS,
        *(client_id, wish.since, wish.until, *place, wish.is_recovery, endpoint_id),
    )
    row = await connection.fetchrow(
        _BEGIN_REPLAY,
        *(replay_id, endpoint_id, client_id, wish.is_recovery, wish.event_types),
        *(wish.subject, wish.since, wish.until, topic, partition, offset, events, at),
    )
    assert row is not None
    return Replay(**row)


async def read_replay(connection: Connection, client_id: str, replay_id: UUID) -> Replay | None:
    """This client's replay; None if there is none, or it is another's."""
    row = await connection.fetchrow(
        f"SELECT {_REPLAY_COLUMNS} FROM webhook_replays"  # noqa: S608 - a constant
        " WHERE client_id = $1 AND replay_id = $2",
        client_id,
        replay_id,
    )
    return None if row is None else Replay(**row)


def _delivery(row: asyncpg.Record) -> Delivery:
    return Delivery(**{**row, "state": DeliveryState(row["state"])})
