"""Claims what is due: each delivery to one process, each endpoint within its bounds."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

from domain.webhook import BREAKER_FAILURES, THROTTLE_S_MAX
from producers.webhook_delivery import limits
from runtime.database import Connection


class Claim(NamedTuple):
    """A delivery that is this process's to attempt, until LEASE_S is over.

    `attempt` numbers it from 1, and fences what is written down; `tries` counts those before it
    since the delivery was last begun anew.
    """

    delivery_id: UUID
    endpoint_id: UUID
    subject: UUID
    attempt: int
    tries: int
    due_at: datetime
    url_sealed: str
    body: str
    secrets: list[str]
    """Sealed; the newest first."""
    is_probe: bool = False
    """Whether it is sent to see if an endpoint whose breaker is open is well again."""


_CLAIM: Final = """
    WITH ready AS (
        SELECT endpoint.endpoint_id, endpoint.url_sealed, allowed.room, spent.used_until,
            endpoint.failures >= $6 AS is_probe
        FROM webhook_endpoints AS endpoint
        LEFT JOIN unnest($2::uuid[], $3::integer[]) AS busy (endpoint_id, in_flight)
            USING (endpoint_id)
        CROSS JOIN LATERAL (
            -- What is used up lies before now; what does not was written before the clock stepped.
            SELECT CASE
                WHEN endpoint.rate_used_until > $1::timestamptz + interval '1 second'
                THEN $1::timestamptz - interval '1 second'
                ELSE GREATEST(
                    endpoint.rate_used_until, $1::timestamptz - interval '1 second'
                )
            END AS used_until
        ) AS spent
        CROSS JOIN LATERAL (
            SELECT CASE
                WHEN endpoint.failures >= $6 THEN 1 - COALESCE(busy.in_flight, 0)
                ELSE LEAST(
                    $4 - COALESCE(busy.in_flight, 0),
                    floor(
                        endpoint.rate_per_s * extract(epoch FROM $1::timestamptz - spent.used_until)
                    )::integer
                )
            END AS room
        ) AS allowed
        -- A claim that a crash of the database forgets is made again: its commit need not wait.
        WHERE (SELECT set_config('synchronous_commit', 'off', true)) = 'off'
          AND endpoint.disabled_at IS NULL
          AND (
              endpoint.rest_until <= $1::timestamptz
              OR endpoint.rest_until > $1::timestamptz + make_interval(secs => $9)
          )
          AND allowed.room >= 1
          AND EXISTS (
              SELECT FROM webhook_deliveries AS due
              WHERE due.endpoint_id = endpoint.endpoint_id
                AND due.state = 'pending' AND due.due_at <= $1
          )
        ORDER BY endpoint.served_at LIMIT $5
        FOR NO KEY UPDATE OF endpoint SKIP LOCKED
    ), picked AS (
        SELECT due.delivery_id, due.due_at
        FROM ready CROSS JOIN LATERAL (
            SELECT delivery_id, due_at FROM webhook_deliveries AS waiting
            WHERE waiting.endpoint_id = ready.endpoint_id
              AND waiting.state = 'pending' AND waiting.due_at <= $1
            ORDER BY waiting.due_at LIMIT ready.room
            FOR NO KEY UPDATE SKIP LOCKED
        ) AS due
        LIMIT $7
    ), claimed AS (
        UPDATE webhook_deliveries AS delivery
        SET attempts = delivery.attempts + 1, due_at = $1 + make_interval(secs => $8)
        FROM picked WHERE delivery.delivery_id = picked.delivery_id
        RETURNING delivery.delivery_id, delivery.endpoint_id, delivery.event_id, delivery.subject,
            delivery.attempts, delivery.tries, picked.due_at
    ), served AS (
        SELECT endpoint_id, count(*) AS claims FROM claimed GROUP BY endpoint_id
    ), noted AS (
        UPDATE webhook_endpoints AS endpoint
        SET served_at = $1,
            rate_used_until = CASE
                WHEN endpoint.rate_per_s IS NULL THEN endpoint.rate_used_until
                ELSE ready.used_until
                    + make_interval(secs => served.claims::float8 / endpoint.rate_per_s)
            END,
            rest_until = CASE
                WHEN endpoint.failures >= $6 THEN $1 + make_interval(secs => $8)
                ELSE endpoint.rest_until
            END
        FROM served JOIN ready USING (endpoint_id)
        WHERE endpoint.endpoint_id = served.endpoint_id
    )
    SELECT claimed.delivery_id, claimed.endpoint_id, claimed.subject, claimed.attempts,
        claimed.tries, claimed.due_at, ready.url_sealed, event.body,
        ARRAY(
            SELECT secret.sealed FROM webhook_secrets AS secret
            WHERE secret.endpoint_id = claimed.endpoint_id AND secret.expires_at > $1
            ORDER BY secret.created_at DESC
        ) AS secrets, ready.is_probe
    FROM claimed JOIN ready USING (endpoint_id)
    JOIN webhook_events AS event USING (event_id)
"""


async def claim(
    connection: Connection, now: datetime, *, busy: Mapping[UUID, int], room: int
) -> list[Claim]:
    """Up to `room` deliveries that are due, in one statement.

    `busy` says how many attempts this process makes at each endpoint. An endpoint whose breaker is
    open is claimed one delivery as a probe, and rests until that is written down or its lease over.
    What is locked by another process is passed over.
    """
    rows = await connection.fetch(
        _CLAIM,
        now,
        list(busy.keys()),
        list(busy.values()),
        limits.ENDPOINT_IN_FLIGHT_MAX,
        limits.ENDPOINTS_CLAIMED_MAX,
        BREAKER_FAILURES,
        room,
        float(limits.LEASE_S),
        2.0 * THROTTLE_S_MAX,
    )
    return [Claim(*row) for row in rows]
