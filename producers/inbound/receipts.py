"""Which messages were published: the table `inbound_receipts`."""

from datetime import datetime, timedelta
from typing import Final, NamedTuple
from uuid import UUID

from runtime.database import Connection

DAYS_KEPT: Final = 90
"""So long a message is known by its id."""

CLAIM_S: Final = 10.0
"""A claim lapses after so long: more than a publish takes, or is waited for."""

SWEEP_ROWS: Final = 10_000
"""Receipts that one sweep deletes."""


class Receipt(NamedTuple):
    """What is known of a message."""

    received_at: datetime
    """When it came first."""
    is_published: bool
    is_mine: bool
    """Whether the claim that asked holds it: it may be published by nobody else for CLAIM_S."""
    is_same: bool
    """Whether it came with this body before."""


async def claim(
    connection: Connection,
    request_id: UUID,
    *,
    provider: str,
    body_sha256: str,
    claim_id: UUID,
    now: datetime,
) -> Receipt:
    """Claim a message that was not published, unless another claim of it holds."""
    lapsed = now - timedelta(seconds=CLAIM_S)
    row = await connection.fetchrow(
        _CLAIM, request_id, provider, body_sha256, now, claim_id, lapsed
    )
    assert row is not None
    return Receipt(*row)


async def published(connection: Connection, request_id: UUID, now: datetime) -> None:
    """The log has it."""
    await connection.execute(
        "UPDATE inbound_receipts SET published_at = $2 WHERE request_id = $1", request_id, now
    )


async def release(connection: Connection, request_id: UUID, claim_id: UUID) -> None:
    """The log certainly has it not: let whoever comes next try."""
    await connection.execute(
        "UPDATE inbound_receipts SET claimed_at = '-infinity'"
        " WHERE request_id = $1 AND claim = $2 AND published_at IS NULL",
        request_id,
        claim_id,
    )


async def sweep(connection: Connection, now: datetime) -> None:
    """Forget some of what is older than DAYS_KEPT."""
    await connection.execute(_SWEEP, now - timedelta(days=DAYS_KEPT), SWEEP_ROWS)


_CLAIM: Final = """
    INSERT INTO inbound_receipts AS known
        (request_id, provider, body_sha256, received_at, claim, claimed_at)
    VALUES ($1, $2, $3, $4, $5, $4)
    ON CONFLICT (request_id) DO UPDATE SET
        claim = CASE WHEN known.published_at IS NULL AND known.claimed_at < $6
                THEN EXCLUDED.claim ELSE known.claim END,
        claimed_at = CASE WHEN known.published_at IS NULL AND known.claimed_at < $6
                     THEN EXCLUDED.claimed_at ELSE known.claimed_at END
    RETURNING received_at, published_at IS NOT NULL, claim = $5, body_sha256 = $3
"""
_SWEEP: Final = """
    DELETE FROM inbound_receipts WHERE request_id IN (
        SELECT request_id FROM inbound_receipts WHERE received_at < $1
        ORDER BY received_at LIMIT $2 FOR UPDATE SKIP LOCKED
    )
"""
