"""The feeds: each owner's events, numbered from 1 without a gap (feed_heads, feed_events).

A number is given and committed under the lock of the owner's head, so a reader that has seen a
number has seen, or can read, all below it. Old days are dropped whole, and always from a feed's
beginning: a missing number after a reader's place means that it came too late, and is told.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Final, NamedTuple
from uuid import UUID

from runtime.database import Connection

CHANNEL: Final = "feed_changed"
"""Told at the commit of each batch that appended: a hint for those who wait, without content."""

DAYS_KEPT: Final = 30
"""Days for which an event can be pulled: as long as the topics keep it."""


class Entry(NamedTuple):
    """An event that is appended to a feed."""

    client_id: str
    event_id: UUID
    type: str
    document: str


class Place(NamedTuple):
    """How far a reader has read: up to this number, which was given on that day.

    `began_us` names the numbering (microseconds since 1970); 0 before the first event was there.
    """

    began_us: int
    position: int
    told_on: date


START: Final = Place(0, 0, date(1970, 1, 1))
"""The place of a reader that has read nothing."""


class Batch(NamedTuple):
    """What follows a place; `documents` are JSON objects, in order."""

    documents: list[str]
    end: Place
    """The place after the last of them, or after all there is if nothing was left out."""
    head: int
    """The highest number of the feed; 0 while it is empty."""
    has_more: bool


class Expired(NamedTuple):
    """The place lies before what is kept, or in another numbering."""

    oldest: Place


async def append(connection: Connection, entries: Sequence[Entry], *, now: datetime) -> None:
    """Append one or more in this order; the caller's transaction holds their feeds to its end."""
    assert connection.is_in_transaction(), "a number must not be seen before its event"
    columns = zip(*entries, strict=True)
    await connection.execute(_APPEND, *map(list, columns), now.date(), now, CHANNEL)


async def keep_partitions(connection: Connection, today: date) -> None:
    """Make room for today and tomorrow, and drop the days that are kept no longer."""
    for day in (today, today + timedelta(days=1)):
        await connection.execute("SELECT feed_ensure_partition($1)", day)
    await connection.execute("SELECT feed_drop_before($1)", today - timedelta(days=DAYS_KEPT))


async def read(
    connection: Connection,
    client_id: str,
    place: Place | None,
    *,
    types: Sequence[str] | None,
    limit: int,
) -> Batch | Expired:
    """Up to `limit` events of this owner after a place, of these types; None begins at the oldest.

    One statement, so that events and head are of one moment.
    """
    after = place or START
    rows = await connection.fetch(_READ, client_id, after.position, after.told_on, types, limit + 1)
    if not rows:
        return Batch([], after, 0, has_more=False) if after == START else Expired(START)
    head, first = rows[0], rows[0]["first_position"]
    began_us = head["began_us"]
    end = Place(began_us, head["head"], head["head_told_on"])
    is_other = after.began_us not in (0, began_us) or after.position > head["head"]
    missing = (first or head["head"] + 1) > after.position + 1
    if is_other or (missing and place is not None):
        return Expired(await _oldest(connection, client_id, end))
    found = [row for row in rows if row["position"] is not None]
    shown = found[:limit]
    if len(found) > limit:
        end = Place(began_us, shown[-1]["position"], shown[-1]["told_on"])
    return Batch([row["document"] for row in shown], end, head["head"], has_more=len(found) > limit)


async def heads(connection: Connection, client_ids: Sequence[str]) -> Mapping[str, int]:
    """The highest number of each of these feeds; a feed that is empty is absent."""
    rows = await connection.fetch(
        "SELECT client_id, position FROM feed_heads WHERE client_id = ANY($1::text[])",
        list(client_ids),
    )
    return {row["client_id"]: row["position"] for row in rows}


async def _oldest(connection: Connection, client_id: str, end: Place) -> Place:
    """The place from which all that is kept can be read; the end if nothing is."""
    row = await connection.fetchrow(_OLDEST, client_id)
    return end if row is None else Place(end.began_us, row["position"] - 1, row["told_on"])


_APPEND: Final = """
    WITH asked AS MATERIALIZED (
        SELECT client_id, event_id, type, document, place,
               row_number() OVER (PARTITION BY client_id ORDER BY place) AS number,
               count(*) OVER (PARTITION BY client_id) AS events
        FROM unnest($1::text[], $2::uuid[], $3::text[], $4::text[]) WITH ORDINALITY
             AS said (client_id, event_id, type, document, place)
    ), moved AS (
        INSERT INTO feed_heads AS known (client_id, position, told_on, began_at)
        SELECT DISTINCT client_id, events, $5::date, $6::timestamptz FROM asked ORDER BY client_id
        ON CONFLICT (client_id) DO UPDATE
        SET position = known.position + EXCLUDED.position,
            told_on = GREATEST(known.told_on, EXCLUDED.told_on)
        RETURNING client_id, position, told_on
    ), told AS (
        INSERT INTO feed_events (client_id, position, told_on, event_id, type, document)
        SELECT client_id, moved.position - events + number, moved.told_on, event_id, type, document
        FROM asked JOIN moved USING (client_id) ORDER BY client_id, number
        RETURNING 1
    )
    SELECT count(*), pg_notify($7, '') FROM told
"""
_READ: Final = """
    SELECT head.position AS head, head.told_on AS head_told_on,
           (extract(epoch FROM head.began_at) * 1000000)::bigint AS began_us,
           first.position AS first_position, found.position, found.told_on, found.document
    FROM feed_heads AS head
    LEFT JOIN LATERAL (
        SELECT position FROM feed_events
        WHERE client_id = $1 AND position > $2 AND told_on >= $3 ORDER BY position LIMIT 1
    ) AS first ON true
    LEFT JOIN LATERAL (
        SELECT position, told_on, document FROM feed_events
        WHERE client_id = $1 AND position > $2 AND told_on >= $3
          AND ($4::text[] IS NULL OR type = ANY($4::text[]))
        ORDER BY position LIMIT $5
    ) AS found ON true
    WHERE head.client_id = $1
    ORDER BY found.position
"""
_OLDEST: Final = """
    SELECT position, told_on FROM feed_events WHERE client_id = $1 ORDER BY position LIMIT 1
"""
