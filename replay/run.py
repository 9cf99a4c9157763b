"""One replay from begin to end: rebuild, and then compare, swap, or leave the tables to be read."""

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from domain.errors import Invalid, Unavailable
from replay.compare import Comparison, applied, catch_up, compare, fingerprint
from replay.database import be_alone, connected, told
from replay.projection import Projection
from replay.rebuild import Location, Rebuild
from replay.source import Source, open_source
from replay.swap import swap
from replay.tables import Table
from replay.vector import Place, Vector, places_of, record_count
from runtime.clock import Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Until:
    """Where a replay ends, where that is not the present."""

    time: datetime | None = None
    """What was appended by then, by the broker's clock."""
    bounds: Mapping[Place, int] = field(default_factory=dict)
    """Offsets not included; places that are not named are read to their end."""

    @property
    def is_now(self) -> bool:
        """Whether everything there is shall be read."""
        return self.time is None and not self.bounds


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What a replay of one projection came to."""

    projection: str
    records: int
    passed_over: int
    """Records that no stage would have understood either."""
    build_s: float
    """From the first record read to the last row merged."""
    vector: Vector
    tables: list[Comparison]
    is_compared: bool
    hold_s: float | None = None
    """For how long writers had to wait, if the tables were swapped."""

    @property
    def is_right(self) -> bool:
        """Whether the living tables are what the log says, as far as that was asked."""
        return not self.is_compared or all(table.is_equal for table in self.tables)


class Watcher(Protocol):
    """Who looks on."""

    def total(self, what: str, count: int) -> None:
        """So many records are to be read."""

    def advance(self, count: int) -> None:
        """So many more were read."""


async def replay(
    projection: Projection,
    *,
    location: Location,
    until: Until,
    is_swap: bool,
    shown_max: int,
    clock: Clock,
    watcher: Watcher,
) -> Outcome:
    """Rebuild a projection into the schema titan_replay and say how the living one compares.

    Publishes nothing, calls nothing, commits no offset. Errors: Invalid where the log does not
    reach back to its beginning; Unavailable where broker or database is away.
    """
    if is_swap and not until.is_now:
        raise Invalid("swap_of_the_past", "a table of the past would lose what came since: no swap")
    if is_swap and location.bootstrap is None:
        raise Unavailable("a swap needs the broker: set TITAN_KAFKA_BOOTSTRAP")
    places = places_of(projection.topics)
    async with AsyncExitStack() as stack:
        stack.enter_context(told())
        source = await stack.enter_async_context(
            open_source(
                {*projection.topics, *projection.requests},
                bootstrap=location.bootstrap,
                prefix=location.prefix,
                archive=location.archive,
            )
        )
        connection = await stack.enter_async_context(connected(location.dsn))
        await be_alone(connection)
        await source.demand_whole(places)
        rebuild = Rebuild(
            projection,
            location=location,
            source=source,
            connection=connection,
            on_progress=watcher.advance,
        )
        is_compared = until.is_now and location.bootstrap is not None
        end = await (applied(rebuild) if is_compared else _end(source, places, until))
        watcher.total(projection.name, record_count({}, end))
        await rebuild.begin(is_kept=is_swap)
        began_s = clock.monotonic_s()
        await rebuild.go_on(end)
        outcome = Outcome(
            projection=projection.name,
            records=rebuild.records,
            passed_over=rebuild.passed_over,
            build_s=clock.monotonic_s() - began_s,
            vector=rebuild.vector,
            tables=[],
            is_compared=is_compared,
        )
        if is_compared:
            await catch_up(rebuild)
            outcome.tables = await compare(rebuild, shown_max=shown_max)
        if is_swap:
            outcome.hold_s = await swap(rebuild, clock=clock)
        if not is_compared:
            outcome.tables = [await _built(rebuild, table) for table in projection.tables]
        outcome.vector = rebuild.vector
        return outcome


async def _end(source: Source, places: Sequence[Place], until: Until) -> Vector:
    end = await (source.end(places) if until.time is None else source.at(places, until.time))
    unknown = [place for place in until.bounds if place not in end]
    if unknown:
        raise Invalid("no_such_place", f"{unknown[0]} is no topic of this projection")
    return {place: min(offset, until.bounds.get(place, offset)) for place, offset in end.items()}


async def _built(rebuild: Rebuild, table: Table) -> Comparison:
    rows, digest = await fingerprint(rebuild.connection, table)
    return Comparison(table.name, rows=rows, rebuilt_sha256=digest)
