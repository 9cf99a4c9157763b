"""What a living table may hold already or not yet: events at the end of the log, or before it.

The table of a stage that decides holds its outcomes before they are published: the stage's inbox
knows those.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Any, Final

from domain.errors import Unavailable
from replay.groups import committed
from replay.projection import Projection, Understanding
from replay.rebuild import Rebuild
from replay.source import Source
from replay.tables import Row, Table
from replay.vector import Vector, places_of, record_count
from runtime import limits
from runtime.database import Connection
from runtime.topics import topic_map
from schemas.event import Delivered, Envelope, Position

Tail = list[Mapping[Any, Sequence[Row]]]
"""Of each table of a projection, by key, what events say, in the order in which they may come."""

_OUTCOMES: Final = """
    SELECT outcome_topic, outcome, idempotency_id, event_id, decided_at FROM public.inbox
    WHERE step = $1 AND idempotency_id = ANY($2::uuid[]) AND outcome IS NOT NULL
    ORDER BY decided_at
"""


async def tail_of(rebuild: Rebuild, connection: Connection) -> Tail:
    """Everything after the rebuild's vector that the living table may hold by now.

    Call it after the table was looked at, or while nobody can write to it.
    """
    projection = rebuild.projection
    # Commits before ends: what a stage has published by the one lies before the other.
    undecided = await _undecided(rebuild) if projection.step else {}
    end = await rebuild.source.end(places_of(projection.topics))
    _demand_near(projection, rebuild.vector, end)
    rows: list[dict[Any, list[Row]]] = [defaultdict(list) for _ in projection.tables]
    for delivered in await _events(rebuild.source, rebuild.vector, end):
        _add(rows, projection, delivered)
    for delivered in await _unpublished(projection, connection, rebuild.source, undecided):
        _add(rows, projection, delivered)
    return list(rows)


def joined(table: Table, base: Row | None, rows: Sequence[Row]) -> Row | None:
    """A row with all of these joined to it."""
    known = [] if base is None else [base]
    folded = reduce(table.join, [*known, *rows]) if known or rows else None
    return None if folded is None else tuple(folded)


def reached(table: Table, base: Row | None, rows: Sequence[Row], live: Row | None) -> Row | None:
    """The rebuilt row as far as the living one can have come: `base` and some of `rows`.

    The living row is right if and only if it is equal to this. Where the join is a least upper
    bound, the rows that can be in it are those that it would not change by being joined again.
    """
    if table.is_first_kept:
        return base if base is not None or live is None else joined(table, None, rows)
    return joined(table, base, [] if live is None else [r for r in rows if _is_in(table, r, live)])


def _is_in(table: Table, row: Row, live: Row) -> bool:
    return tuple(table.join(live, row)) == live


def _add(
    rows: list[dict[Any, list[Row]]], projection: Projection, delivered: Delivered[Any]
) -> None:
    for number, row in projection.rows(delivered):
        width = len(projection.tables[number].columns)
        rows[number][row[0]].append(row[:width])


async def _events(source: Source, start: Vector, end: Vector) -> list[Delivered[Any]]:
    """The events in between; those of one partition in their order."""
    understanding = Understanding()
    return [
        delivered
        async for place, records in source.read(start, end)
        for record in records
        if (delivered := understanding(place.topic, record)) is not None
    ]


async def _undecided(rebuild: Rebuild) -> Vector:
    """From where on the deciding stage may not have published its outcomes yet."""
    location, projection = rebuild.location, rebuild.projection
    assert location.bootstrap is not None
    return await committed(
        location.bootstrap,
        projection.group,
        places_of(projection.requests),
        prefix=location.prefix,
    )


async def _unpublished(
    projection: Projection, connection: Connection, source: Source, start: Vector
) -> list[Delivered[Any]]:
    """The outcomes that the deciding stage has stored for requests it has not done with."""
    if not start:
        return []
    end = await source.log_end(list(start))
    _demand_near(projection, start, end)
    requests = await _events(source, start, end)
    ids = [request.envelope.idempotency_id for request in requests]
    outcomes = await connection.fetch(_OUTCOMES, projection.step, ids)
    return [
        Delivered(
            topic_map()[topic].model.model_validate_json(outcome),
            Envelope(idempotency_id, idempotency_id, cause_id, "", decided_at),
            Position(topic, 0, 0),
        )
        for topic, outcome, idempotency_id, cause_id, decided_at in outcomes
        if topic in projection.topics
    ]


def _demand_near(projection: Projection, start: Vector, end: Vector) -> None:
    count = record_count(start, end)
    if count > limits.REPLAY_TAIL_RECORDS_MAX:
        raise Unavailable(
            f"{projection.group} is {count:,} records behind the log: compare once it has caught up"
        )
