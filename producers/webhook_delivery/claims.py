"""Claims what is due: each delivery to one process, each endpoint within its bounds."""

from collections import Counter
from dataclasses import dataclass, field
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
    client_id: str
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


@dataclass(frozen=True, slots=True)
class Busy:
    """How many attempts this process makes at each endpoint, and for each client."""

    endpoints: Counter[UUID] = field(default_factory=Counter)
    clients: Counter[str] = field(default_factory=Counter)

    def begin(self, claim: Claim) -> None:
        """One more."""
        self.endpoints[claim.endpoint_id] += 1
        self.clients[claim.client_id] += 1

    def end(self, claim: Claim) -> None:
        """One less; what is at rest is forgotten."""
        self.endpoints[claim.endpoint_id] -= 1
        if not self.endpoints[claim.endpoint_id]:
            del self.endpoints[claim.endpoint_id]
        self.clients[claim.client_id] -= 1
        if not self.clients[claim.client_id]:
            del self.clients[claim.client_id]


_CLAIM: Final = """
    WITH ready AS (
        SELECT endpoint.endpoint_id, endpoint.client_id, endpoint.served_at, endpoint.url_sealed,
            allowed.room, $10 - COALESCE(ours.in_flight, 0) AS client_room, spent.used_until,
            endpoint.failures >= $6 AS is_probe
        FROM webhook_endpoints AS endpoint
        LEFT JOIN unnest($2::uuid[], $3::integer[]) AS busy (endpoint_id, in_flight)
            USING (endpoint_id)
        LEFT JOIN unnest($11::text[], $12::integer[]) AS ours (client_id, in_flight)
            USING (client_id)
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
          AND allowed.room >= 1 AND COALESCE(ours.in_flight, 0) < $10
          AND EXISTS (
              SELECT FROM webhook_deliveries AS due
              WHERE due.endpoint_id = endpoint.endpoint_id
                AND due.state = 'pending' AND due.due_at <= $1
          )
        ORDER BY endpoint.served_at LIMIT $5
        FOR NO KEY UPDATE OF endpoint SKIP LOCKED
    ), shares AS (
        -- A client's room is shared out evenly, and where it is less than one each, by turns.
        SELECT endpoint_id, LEAST(room, CASE
            WHEN client_room >= count(*) OVER whole THEN client_room / count(*) OVER whole
            WHEN client_room >= row_number() OVER by_turn THEN 1
            ELSE 0
        END) AS room
        FROM ready
        WINDOW whole AS (PARTITION BY client_id),
            by_turn AS (PARTITION BY client_id ORDER BY served_at)
    ), picked AS (
        SELECT due.delivery_id, due.due_at
        FROM shares CROSS JOIN LATERAL (
            SELECT delivery_id, due_at FROM webhook_deliveries AS waiting
            WHERE waiting.endpoint_id = shares.endpoint_id
              AND waiting.state = 'pending' AND waiting.due_at <= $1
            ORDER BY waiting.due_at LIMIT shares.room
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
    SELECT claimed.delivery_id, claimed.endpoint_id, ready.client_id, claimed.subject,
        claimed.attempts, claimed.tries, claimed.due_at, ready.url_sealed, event.body,
        ARRAY(
            SELECT secret.sealed FROM webhook_secrets AS secret
            WHERE secret.endpoint_id = claimed.endpoint_id AND secret.expires_at > $1
            ORDER BY secret.created_at DESC
        ) AS secrets, ready.is_probe
    FROM claimed JOIN ready USING (endpoint_id)
    LEFT JOIN webhook_events AS event USING (event_id)
"""
_END: Final = """
    UPDATE webhook_deliveries
    SET state = 'dead', finished_at = $2, last_outcome = 'event_forgotten'
    WHERE delivery_id = ANY($1::uuid[]) AND state = 'pending'
"""


async def claim(connection: Connection, now: datetime, *, busy: Busy, room: int) -> list[Claim]:
    """Up to `room` deliveries that are due, in one statement.

    `busy` says how many attempts this process makes already. An endpoint whose breaker is
    open is claimed one delivery as a probe, and rests until that is written down or its lease over.
    What is locked by another process is passed over. A delivery whose event is not kept any more
    can never be sent: it ends.
    """
    rows = await connection.fetch(
        _CLAIM,
        now,
        list(busy.endpoints.keys()),
        list(busy.endpoints.values()),
        limits.ENDPOINT_IN_FLIGHT_MAX,
        limits.ENDPOINTS_CLAIMED_MAX,
        BREAKER_FAILURES,
        room,
        float(limits.LEASE_S),
        2.0 * THROTTLE_S_MAX,
        limits.CLIENT_IN_FLIGHT_MAX,
        list(busy.clients.keys()),
        list(busy.clients.values()),
    )
    lost = [row["delivery_id"] for row in rows if row["body"] is None]
    if lost:
        await connection.execute(_END, lost, now)
    return [Claim(*row) for row in rows if row["body"] is not None]
