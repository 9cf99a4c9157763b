"""Hold a rebuilt read model against the living one, while the living one moves on.

The rebuilt tables stand at a vector that the living ones have applied wholly. Then the living ones
are looked at in one snapshot, and only after that the end of the log: all that they may hold
besides lies in between. A row may differ from its rebuilt one by events from in between, and by
nothing else; each such row is brought to where the living one is. What is equal then is equal for
every event before the vector, and holds nothing that is not in the log.
"""

from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final

from domain.errors import Defect, Unavailable
from replay.database import connected, told
from replay.groups import committed
from replay.rebuild import Rebuild
from replay.staging import replace_rows
from replay.tables import Row, Table
from replay.tail import reached, tail_of
from replay.vector import Vector, later, places_of, record_count
from runtime import limits
from runtime.database import Connection

_DIFFERENT: Final = """
    SELECT live.{key} IS NULL, rebuilt.{key} IS NULL, {pairs}
    FROM public.{name} AS live FULL JOIN titan_replay.{name} AS rebuilt USING ({key})
    WHERE ({lives}) IS DISTINCT FROM ({rebuilts})
    ORDER BY COALESCE(live.{key}, rebuilt.{key}){collation}
"""
_ALL_LIVE: Final = "SELECT {columns} FROM public.{name} ORDER BY {order}"
_ALL_REBUILT: Final = "SELECT {columns} FROM titan_replay.{name} ORDER BY {order}"
_FETCH_ROWS: Final = 1_000


@dataclass(frozen=True, slots=True)
class Difference:
    """A value that is not what the log says; a missing row is one difference, of column None."""

    table: str
    key: str
    column: str | None
    live: str | None
    rebuilt: str | None


@dataclass(slots=True)
class Comparison:
    """How one table came out. Hashes are SHA-256 over the rows as COPY writes them, by key."""

    table: str
    rows: int = 0
    in_flight: int = 0
    """Rows that hold events from beyond the vector."""
    different: int = 0
    """Rows that are not what the log says."""
    differences: list[Difference] = field(default_factory=list)
    """The first of them, value by value."""
    live_sha256: str = ""
    rebuilt_sha256: str = ""

    @property
    def is_equal(self) -> bool:
        """Whether the living table is what the log says."""
        return self.different == 0


async def catch_up(rebuild: Rebuild) -> None:
    """Bring the rebuilt tables as near as may be to what the living ones have applied wholly."""
    for _ in range(limits.REPLAY_CATCH_UPS_MAX):
        end = await applied(rebuild)
        gap = record_count(rebuild.vector, end)
        await rebuild.go_on(later(end, rebuild.vector))
        if gap <= limits.REPLAY_GAP_RECORDS:
            return
    raise Unavailable("events come faster than they can be replayed: try again when fewer come")


async def applied(rebuild: Rebuild) -> Vector:
    """Before this vector all is in the living tables.

    What a group applies it commits afterwards; what a stage decides is in its table before it is
    in the log.
    """
    projection, location = rebuild.projection, rebuild.location
    places = places_of(projection.topics)
    if projection.step is not None:
        return await rebuild.source.end(places)
    assert location.bootstrap is not None
    return await committed(location.bootstrap, projection.group, places, prefix=location.prefix)


async def compare(rebuild: Rebuild, *, shown_max: int) -> list[Comparison]:
    """Compare every table; `shown_max` bounds the differences that are listed of each."""
    async with AsyncExitStack() as stack:
        stack.enter_context(told())
        looking = await stack.enter_async_context(connected(rebuild.location.dsn))
        await stack.enter_async_context(
            looking.transaction(isolation="repeatable_read", readonly=True)
        )
        await looking.execute("SELECT pg_current_snapshot()")
        tail = await tail_of(rebuild, rebuild.connection)
        return [
            await _compare_table(rebuild.connection, looking, table, rows, shown_max)
            for table, rows in zip(rebuild.projection.tables, tail, strict=True)
        ]


async def _compare_table(
    connection: Connection,
    looking: Connection,
    table: Table,
    tail: Any,  # noqa: ANN401 - one of a Tail
    shown_max: int,
) -> Comparison:
    found = Comparison(table.name)
    brought: list[Row] = []
    width = len(table.columns)
    async for record in looking.cursor(_different(table), prefetch=_FETCH_ROWS):
        no_live, no_base, *values = record
        live = None if no_live else tuple(values[:width])
        base = None if no_base else tuple(values[width:])
        key = (live or base or values)[0]
        right = reached(table, base, tail.get(key, ()), live)
        if live is not None and right == live:
            brought.append(live)
            continue
        found.different += 1
        if len(found.differences) < shown_max:
            found.differences += _differences(table, live, right)
    found.in_flight = len(brought)
    await replace_rows(connection, table, brought)
    found.rows, found.live_sha256 = await fingerprint(looking, table, is_live=True)
    _, found.rebuilt_sha256 = await fingerprint(connection, table)
    if (found.live_sha256 == found.rebuilt_sha256) is not found.is_equal:
        raise Defect(f"hash and rows of {table.name} do not say the same")
    return found


def _different(table: Table) -> str:
    pairs = ", ".join(f"{side}.{name}" for side in ("live", "rebuilt") for name in table.columns)
    lives, rebuilts = (
        ", ".join(f"{side}.{name}" for name in table.columns) for side in ("live", "rebuilt")
    )
    return _DIFFERENT.format(
        key=table.key,
        name=table.name,
        pairs=pairs,
        lives=lives,
        rebuilts=rebuilts,
        collation=table.collation,
    )


def _differences(table: Table, live: Row | None, right: Row | None) -> list[Difference]:
    if live is None or right is None:
        key = str((live or right or ("?",))[0])
        said = ("a row" if row is not None else None for row in (live, right))
        return [Difference(table.name, key, None, *said)]
    return [
        Difference(table.name, str(live[0]), name, _text(one), _text(other))
        for name, one, other in zip(table.columns, live, right, strict=True)
        if one != other
    ]


def _text(value: object) -> str | None:
    return None if value is None else str(value)


async def fingerprint(
    connection: Connection, table: Table, *, is_live: bool = False
) -> tuple[int, str]:
    """How many rows the rebuilt or the living table has, and the SHA-256 over them in key order.

    The bytes are those of `COPY (SELECT ...) TO STDOUT` with times in UTC, so anybody can compute
    the same with psql.
    """
    digest = sha256()
    query = table.sql(_ALL_LIVE if is_live else _ALL_REBUILT)
    status = await connection.copy_from_query(query, output=_Writer(digest.update))
    return int(status.rpartition(" ")[2]), digest.hexdigest()


class _Writer:
    """What COPY writes to: hands on every chunk."""

    def __init__(self, update: Any) -> None:  # noqa: ANN401 - a hash's method
        self._update = update

    async def __call__(self, data: bytes) -> None:
        self._update(data)
