"""Writes down what came of attempts, together: deliveries, attempts, and their endpoints' health.

-> webhook.endpoint-disabled
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID, uuid5

import asyncpg

from domain.webhook import Breaker, DeliveryState, Health, Next, Seen, health_of, next_of
from producers.webhook_delivery.sending import Finished
from projections.webhook_events import release
from runtime.clock import Clock
from runtime.database import Connection
from runtime.outbox import put
from schemas.webhook import WebhookEndpointDisabled
from schemas.wire import Message, first_message

SOURCE: Final = "titan/producers/webhook_delivery"

JITTER_PART: Final = 5
"""A pause is drawn out by up to a fifth, so that what failed together does not return together."""

_LOCK: Final = """
    SELECT endpoint_id, client_id, version, failures, failing_since, disabled_at, is_ordered
    FROM webhook_endpoints WHERE endpoint_id = ANY($1::uuid[])
    ORDER BY endpoint_id FOR NO KEY UPDATE
"""
_RECORD: Final = """
    WITH said AS (
        SELECT * FROM unnest(
            $1::uuid[], $2::integer[], $3::timestamptz[], $4::integer[], $5::text[],
            $6::smallint[], $7::text[], $8::text[], $9::timestamptz[]
        ) AS said (
            delivery_id, attempt, started_at, latency_ms, outcome, status, reply_sealed, state,
            due_at
        )
    ), alive AS (
        SELECT delivery_id FROM webhook_deliveries
        WHERE delivery_id = ANY($1::uuid[]) ORDER BY delivery_id FOR NO KEY UPDATE
    ), noted AS (
        INSERT INTO webhook_attempts
            (delivery_id, attempt, started_at, latency_ms, outcome, status, reply_sealed)
        SELECT delivery_id, attempt, started_at, latency_ms, outcome, status, reply_sealed
        FROM said JOIN alive USING (delivery_id)
        ON CONFLICT DO NOTHING
    )
    UPDATE webhook_deliveries AS delivery
    SET state = said.state, due_at = said.due_at, tries = delivery.tries + 1,
        last_outcome = said.outcome,
        finished_at = CASE WHEN said.state IN ('delivered', 'dead') THEN $10::timestamptz END
    FROM said JOIN alive USING (delivery_id)
    WHERE delivery.delivery_id = said.delivery_id AND delivery.state = 'pending'
      AND delivery.attempts = said.attempt
"""
_HEALTH: Final = """
    UPDATE webhook_endpoints AS endpoint
    SET failures = said.failures, failing_since = said.failing_since,
        rest_until = COALESCE(said.rest_until, endpoint.rest_until),
        disabled_at = COALESCE(endpoint.disabled_at, said.disabled_at),
        disabled_reason = COALESCE(endpoint.disabled_reason, said.disabled_reason),
        version = endpoint.version + (said.disabled_at IS NOT NULL)::integer
    FROM unnest(
        $1::uuid[], $2::integer[], $3::timestamptz[], $4::timestamptz[], $5::timestamptz[],
        $6::text[]
    ) AS said (endpoint_id, failures, failing_since, rest_until, disabled_at, disabled_reason)
    WHERE endpoint.endpoint_id = said.endpoint_id
"""


async def record(connection: Connection, finished: Sequence[Finished], *, clock: Clock) -> None:
    """Write attempts down in one transaction, in the order in which they ended.

    An attempt whose delivery another process has claimed since changes nothing but the list of
    attempts. Endpoints are locked before deliveries, as everywhere.
    """
    now = clock.now()
    by_endpoint: dict[UUID, list[Finished]] = {}
    for each in finished:
        by_endpoint.setdefault(each.claim.endpoint_id, []).append(each)
    async with connection.transaction():
        endpoints = await connection.fetch(_LOCK, list(by_endpoint))
        plans = [
            next_of(each.outcome, each.claim.tries + 1, each.retry_after_s) for each in finished
        ]
        await _record(connection, finished, plans, clock=clock, now=now)
        await _note_health(connection, endpoints, by_endpoint, clock=clock, now=now)
        ordered = {row["endpoint_id"] for row in endpoints if row["is_ordered"]}
        ended = {
            each.claim.subject
            for each, plan in zip(finished, plans, strict=True)
            if each.claim.endpoint_id in ordered and plan.state is not DeliveryState.PENDING
        }
        if ended:
            await release(connection, list(ended), now)


async def _record(
    connection: Connection,
    finished: Sequence[Finished],
    plans: Sequence[Next],
    *,
    clock: Clock,
    now: datetime,
) -> None:
    await connection.execute(
        _RECORD,
        [each.claim.delivery_id for each in finished],
        [each.claim.attempt for each in finished],
        [each.started_at for each in finished],
        [each.latency_ms for each in finished],
        [each.outcome.value for each in finished],
        [each.status for each in finished],
        [each.reply_sealed for each in finished],
        [plan.state.value for plan in plans],
        [now + drawn_out(plan.after_s, clock) for plan in plans],
        now,
    )


async def _note_health(
    connection: Connection,
    endpoints: Sequence[asyncpg.Record],
    by_endpoint: Mapping[UUID, Sequence[Finished]],
    *,
    clock: Clock,
    now: datetime,
) -> None:
    """What the attempts say of each endpoint; those that are disabled by it are told on the log."""
    health = [_health(row, by_endpoint[row["endpoint_id"]]) for row in endpoints]
    told = [
        _disabled_message(row, each, now)
        for row, each in zip(endpoints, health, strict=True)
        if each.disabled is not None and row["disabled_at"] is None
    ]
    await connection.execute(
        _HEALTH,
        [row["endpoint_id"] for row in endpoints],
        [each.breaker.failures for each in health],
        [_time(each.breaker.failing_since_s) for each in health],
        [None if each.rest_s is None else now + drawn_out(each.rest_s, clock) for each in health],
        [None if each.disabled is None else now for each in health],
        [None if each.disabled is None else each.disabled.value for each in health],
    )
    await put(connection, told)


def _health(row: asyncpg.Record, finished: Sequence[Finished]) -> Health:
    since = row["failing_since"]
    known = Breaker(row["failures"], None if since is None else int(since.timestamp()))
    seen = [
        Seen(
            each.outcome,
            int(each.started_at.timestamp()) + each.latency_ms // 1000,
            each.retry_after_s,
            each.claim.is_probe,
        )
        for each in finished
    ]
    return health_of(known, seen)


def _disabled_message(row: asyncpg.Record, health: Health, now: datetime) -> Message:
    assert health.disabled is not None
    # Its version names the time that it happened: told again, it is the same event.
    request_id = uuid5(row["endpoint_id"], f"disabled {row['version']}")
    event = WebhookEndpointDisabled(
        request_id=request_id,
        requested_at=now,
        client_id=row["client_id"],
        endpoint_id=row["endpoint_id"],
        reason=health.disabled,
        failing_since=_time(health.breaker.failing_since_s),
    )
    return first_message(event, event_id=request_id, source=SOURCE, now=now, traceparent=None)


def _time(at_s: int | None) -> datetime | None:
    return None if at_s is None else datetime.fromtimestamp(at_s, UTC)


def drawn_out(pause_s: int, clock: Clock) -> timedelta:
    """Never shorter than it was asked for."""
    return timedelta(seconds=pause_s + clock.jitter(pause_s / JITTER_PART))
