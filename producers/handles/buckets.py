"""How many look-ups a caller has left: a token bucket, as Pix's directory (DICT) has it.

A look-up that finds somebody costs 1 token, one that finds nobody 20, so that the directory cannot
be scanned; tokens come back slowly with time, and one with each payment that completes. What is
left stands in PostgreSQL: the cache may be erased at any time, and nobody may begin anew by that.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from runtime.database import Connection
from runtime.http.caller import Kind

HIT: Final = 1_000
"""Thousandths of a token that a look-up costs which finds somebody."""

MISS: Final = 20_000
"""Likewise, which finds nobody."""

PAID: Final = 1_000
"""Likewise, that a completed payment gives back."""

CREDIT_LAG: Final = timedelta(seconds=10)
"""A payment gives its token back so long after it was accepted, if it is completed by then."""


class Plan(NamedTuple):
    """How large a bucket is, and how fast it fills, in thousandths of a token."""

    size: int
    per_second: float


PLANS: Final[Mapping[Kind, Plan]] = {
    # A person looks up whom they pay: a full bucket is five misses, and 2 tokens come a minute.
    Kind.PERSON: Plan(100_000, 2_000 / 60),
    # A program looks up for many.
    Kind.PROGRAM: Plan(1_000_000, 20_000 / 60),
}
"""Who is metered. The demo is not: it answers its own machine only."""


class Bucket(NamedTuple):
    """What is left of a caller's allowance (thousandths of a token), and since when that holds."""

    tokens: int
    filled_at: datetime
    credited_until: datetime
    """Payments accepted before then have given their token back."""


class Want(NamedTuple):
    """What one caller's process wants of their bucket; a negative amount gives back."""

    plan: Plan
    tokens: int


def full(plan: Plan, now: datetime) -> Bucket:
    """The bucket of somebody who has never looked anything up."""
    return Bucket(plan.size, now, now - CREDIT_LAG)


def draw(bucket: Bucket, want: Want, *, now: datetime, paid: int) -> tuple[Bucket, int]:
    """Take what there is, up to what is wanted, after time and payments have filled the bucket.

    Returns what is left, and how many thousandths of a token were taken; none when giving back.

    `paid` counts the completed payments accepted from `credited_until` on, and more than
    CREDIT_LAG ago: younger ones may not be completed yet, and count the next time. A clock that
    goes back fills nothing.
    """
    plan = want.plan
    elapsed_s = max(0.0, (now - bucket.filled_at).total_seconds())
    tokens = min(plan.size, bucket.tokens + int(elapsed_s * plan.per_second) + paid * PAID)
    taken = min(want.tokens, tokens)
    left = min(plan.size, tokens - taken)
    after = Bucket(left, max(now, bucket.filled_at), max(now - CREDIT_LAG, bucket.credited_until))
    return after, max(0, taken)


_MAKE: Final = """
    INSERT INTO lookup_buckets (client_id, tokens_milli, filled_at, credited_until)
    SELECT client_id, tokens_milli, $3, $4
    FROM unnest($1::text[], $2::bigint[]) AS made (client_id, tokens_milli)
    ON CONFLICT DO NOTHING
"""

_LOCK: Final = """
    SELECT client_id, tokens_milli, filled_at, credited_until, (
        SELECT count(*) FROM (
            SELECT FROM payments
            WHERE payments.client_id = lookup_buckets.client_id
              AND accepted_at >= credited_until AND accepted_at < $2
              AND posted_at IS NOT NULL
            LIMIT $3
        ) AS completed
    ) AS paid
    FROM lookup_buckets WHERE client_id = ANY($1::text[])
    ORDER BY client_id FOR UPDATE
"""

_WRITE: Final = """
    UPDATE lookup_buckets
    SET tokens_milli = after.tokens_milli,
        filled_at = after.filled_at,
        credited_until = after.credited_until
    FROM unnest($1::text[], $2::bigint[], $3::timestamptz[], $4::timestamptz[])
        AS after (client_id, tokens_milli, filled_at, credited_until)
    WHERE lookup_buckets.client_id = after.client_id
"""


async def draw_all(
    connection: Connection, wants: Mapping[str, Want], *, now: datetime
) -> dict[str, int]:
    """Thousandths of a token that several callers get, in one transaction of three statements.

    Rows are locked in the order of callers, so that two processes do not wait in a circle.
    """
    async with connection.transaction():
        fresh = {client_id: full(want.plan, now) for client_id, want in wants.items()}
        tokens = [bucket.tokens for bucket in fresh.values()]
        await connection.execute(_MAKE, list(fresh), tokens, now, now - CREDIT_LAG)
        payments_max = max(want.plan.size for want in wants.values()) // PAID
        rows = await connection.fetch(_LOCK, list(wants), now - CREDIT_LAG, payments_max)
        after: dict[str, Bucket] = {}
        drawn: dict[str, int] = {}
        for client_id, tokens_milli, filled_at, credited_until, paid in rows:
            before = Bucket(tokens_milli, filled_at, credited_until)
            after[client_id], drawn[client_id] = draw(before, wants[client_id], now=now, paid=paid)
        columns = zip(*after.values(), strict=True)
        await connection.execute(_WRITE, list(after), *map(list, columns))
    return drawn
