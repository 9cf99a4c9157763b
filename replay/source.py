"""Where replay reads: the log on the broker, an archive of it, or the one and then the other."""

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path

from domain.errors import Invalid, Unavailable
from replay.archive import Archive
from replay.log import Batch, KafkaLog, from_ms, to_ms
from replay.splice import demand_same_log
from replay.vector import Place, Vector, later


class Source:
    """Records by place and offset: first those of the archive, then those of the broker.

    One of the two may be None.
    """

    def __init__(self, log: KafkaLog | None, archive: Archive | None) -> None:
        self._log = log
        self._archive = archive

    async def demand_whole(self, places: Sequence[Place]) -> None:
        """Invalid unless everything since offset 0 can be read, of one log."""
        live: Vector = {}
        if self._log is not None:
            live = await self._log.begin(places)
            if self._archive is not None:
                end = await self._log.end(places)
                await demand_same_log(self._log, self._archive.manifest, live, end)
        for place in places:
            kept = 0 if self._archive is None else self._archive.end(place)
            if kept and self._archive is not None and self._archive.begin(place) > 0:
                raise Invalid(
                    "gap",
                    f"the archive of {place} begins at {self._archive.begin(place)}, not at 0",
                )
            if live.get(place, 0) > kept:
                raise Invalid(
                    "gap",
                    f"the broker has {place} from offset {live[place]} on, and what came before "
                    + (
                        "is only in an archive: give it with --from-archive"
                        if self._archive is None
                        else f"is archived until {kept} only"
                    ),
                )

    async def begin(self, places: Sequence[Place]) -> dict[Place, int]:
        """From which offsets on everything can be read."""
        live: Vector = {} if self._log is None else await self._log.begin(places)
        if self._archive is None:
            return dict(live)
        archive = self._archive
        # Where the two do not meet, the archive's part leads nowhere.
        return {
            place: archive.begin(place)
            if archive.end(place) and live.get(place, 0) <= archive.end(place)
            else live.get(place, 0)
            for place in places
        }

    async def log_end(self, places: Sequence[Place]) -> dict[Place, int]:
        """Where these places end on the broker."""
        if self._log is None:
            raise Unavailable("that needs the broker: set TITAN_KAFKA_BOOTSTRAP")
        return await self._log.end(places)

    async def end(self, places: Sequence[Place]) -> dict[Place, int]:
        """Where these places end: on the broker, else in the archive."""
        kept = self._kept(places)
        return kept if self._log is None else later(await self._log.end(places), kept)

    async def at(self, places: Sequence[Place], time: datetime) -> dict[Place, int]:
        """Before which offsets all was appended by a time, the very millisecond included.

        By the broker's clock, which stamps each record as it appends it. Unavailable if an archive
        alone does not reach as far as that time.
        """
        time_ms = to_ms(time)
        kept = self._kept(places)
        found = {} if self._archive is None else {p: self._archive.at(p, time_ms) for p in places}
        if self._log is not None:
            live = await self._log.at(places, time)
            return {
                place: found[place] if found.get(place, 0) < kept[place] else offset
                for place, offset in later(live, kept).items()
            }
        assert self._archive is not None
        complete_ms = self._archive.manifest.complete_until_ms
        if time_ms >= complete_ms:
            raise Unavailable(
                f"the archive is complete until {from_ms(complete_ms).isoformat()} only, and no "
                "broker is given"
            )
        return found

    async def read(self, start: Vector, end: Vector) -> AsyncIterator[Batch]:
        """Every record from `start` until before `end`; those of one place in their order."""
        rest = {place: start.get(place, 0) for place in end}
        if self._archive is not None:
            for place, offset in end.items():
                for records in self._archive.read(place, rest[place], offset):
                    if records:
                        yield place, records
                rest[place] = max(rest[place], min(offset, self._archive.end(place)))
        if any(rest[place] < offset for place, offset in end.items()):
            if self._log is None:
                raise Unavailable(
                    "the archive does not reach as far as that, and no broker is given"
                )
            async for batch in self._log.read(rest, end):
                yield batch

    def _kept(self, places: Sequence[Place]) -> dict[Place, int]:
        return {p: 0 if self._archive is None else self._archive.end(p) for p in places}


@asynccontextmanager
async def open_source(
    topics: Iterable[str], *, bootstrap: str | None, prefix: str, archive: Path | None
) -> AsyncIterator[Source]:
    """A source of these topics; at least one of `bootstrap` and `archive` is given."""
    kept = None if archive is None else Archive(archive)
    if bootstrap is None:
        if kept is None:
            raise Unavailable("there is nothing to read: set TITAN_KAFKA_BOOTSTRAP")
        yield Source(None, kept)
        return
    log = KafkaLog(bootstrap, prefix=prefix)
    await log.start(topics)
    try:
        yield Source(log, kept)
    finally:
        await log.stop()
