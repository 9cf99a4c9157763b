"""Deliveries in PostgreSQL: claimed before they are tried, ended when it is known how.

A claim moves the time at which a delivery is due past the longest that a try can take, and is
committed before the try: whoever dies in between has it tried again by another, with the same id.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, NamedTuple
from uuid import UUID

from domain.notification import Channel
from producers.notifications import limits
from runtime.database import Connection


class End(StrEnum):
    """What became of a delivery."""

    SENT = "sent"
    EXPIRED = "expired"
    """It was pointless by then."""
    UNWANTED = "unwanted"
    """The person has chosen otherwise since it was planned."""
    UNDELIVERABLE = "undeliverable"
    """The device or address is no more."""
    REFUSED = "refused"
    """The carrier will never take it."""


class Claimed(NamedTuple):
    """A delivery that this process is to try now, in the order of the columns that are read."""

    delivery_id: UUID
    notification_id: UUID
    person_id: UUID
    channel: str
    device_id: UUID | None
    expires_at: datetime
    attempts: int
    """This one included. It fences what is written down of the try."""


async def claim(
    connection: Connection, channel: Channel, *, now: datetime, limit: int
) -> list[Claimed]:
    """Deliveries that are due, the longest due first, and this process's for CLAIM_S.

    Of one payment a later state waits, at each device, until what was to be told before has ended.
    """
    until = now + timedelta(seconds=limits.CLAIM_S)
    rows = await connection.fetch(_CLAIM, channel, now, limit, until)
    return [Claimed(*row) for row in rows]


async def end(
    connection: Connection, claimed: Claimed, how: End, reason: str | None, *, now: datetime
) -> None:
    """It is over, unless another process has claimed it since and says what becomes of it."""
    await connection.execute(_END, claimed.delivery_id, how, reason, now, claimed.attempts)


async def postpone(
    connection: Connection, claimed: Claimed, reason: str, *, due_at: datetime, is_tried: bool
) -> None:
    """Later, unless another has claimed it since; a try that never reached the carrier is none."""
    uncounted = 0 if is_tried else 1
    await connection.execute(
        _POSTPONE, claimed.delivery_id, reason, due_at, uncounted, claimed.attempts
    )


async def expire(connection: Connection, *, now: datetime) -> int:
    """End what is pointless by now; how many there were, SWEEP_ROWS_MAX at most."""
    rows: Sequence[object] = await connection.fetch(_EXPIRE, now, limits.SWEEP_ROWS_MAX)
    return len(rows)


async def forget_old(connection: Connection, *, now: datetime) -> int:
    """Delete what nobody asks for any more; how many rows, SWEEP_ROWS_MAX of each at most."""
    ended = await connection.fetch(
        _FORGET_ENDED, now - timedelta(days=limits.ENDED_DAYS), limits.SWEEP_ROWS_MAX
    )
    kept = await connection.fetch(
        _FORGET_KEPT, now - timedelta(days=limits.KEPT_DAYS), limits.SWEEP_ROWS_MAX
    )
    return len(ended) + len(kept)


def pause_s(attempts: int) -> float:
    """Pause after so many tries that failed."""
    return limits.SCHEDULE_S[min(attempts, len(limits.SCHEDULE_S)) - 1]


_CLAIM: Final = """
    WITH due AS (
        SELECT delivery_id FROM notification_deliveries AS one
        WHERE channel = $1 AND state = 'waiting' AND due_at <= $2 AND expires_at > $2
          AND NOT EXISTS (
              SELECT FROM notification_deliveries AS earlier
              WHERE earlier.payment_id = one.payment_id AND earlier.state = 'waiting'
                AND earlier.rank < one.rank AND earlier.person_id = one.person_id
                AND earlier.channel = one.channel
                AND earlier.device_id IS NOT DISTINCT FROM one.device_id
          )
        ORDER BY due_at LIMIT $3
        FOR UPDATE SKIP LOCKED
    )
    UPDATE notification_deliveries AS claimed SET due_at = $4, attempts = attempts + 1
    FROM due WHERE claimed.delivery_id = due.delivery_id
    RETURNING claimed.delivery_id, notification_id, person_id, channel, device_id, expires_at,
        attempts
"""
_END: Final = """
    UPDATE notification_deliveries SET state = $2, reason = $3, ended_at = $4
    WHERE delivery_id = $1 AND state = 'waiting' AND attempts = $5
"""
_POSTPONE: Final = """
    UPDATE notification_deliveries
    SET due_at = $3, reason = $2, attempts = greatest(0, attempts - $4)
    WHERE delivery_id = $1 AND state = 'waiting' AND attempts = $5
"""
_EXPIRE: Final = """
    UPDATE notification_deliveries SET state = 'expired', ended_at = $1
    WHERE delivery_id IN (
        SELECT delivery_id FROM notification_deliveries
        WHERE state = 'waiting' AND expires_at <= $1 LIMIT $2 FOR UPDATE SKIP LOCKED
    ) RETURNING 1
"""
_FORGET_ENDED: Final = """
    DELETE FROM notification_deliveries WHERE delivery_id IN (
        SELECT delivery_id FROM notification_deliveries
        WHERE ended_at < $1 LIMIT $2 FOR UPDATE SKIP LOCKED
    ) RETURNING 1
"""
_FORGET_KEPT: Final = """
    DELETE FROM notifications WHERE notification_id IN (
        SELECT notification_id FROM notifications
        WHERE planned_at < $1 LIMIT $2 FOR UPDATE SKIP LOCKED
    ) RETURNING 1
"""
