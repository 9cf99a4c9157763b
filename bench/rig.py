"""What every measurement works with: the place, its people, and ways to feed and watch it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final
from uuid import uuid5

from bench.flow import lag_reader, until_through
from bench.log import Log, Offsets
from bench.people import People
from bench.place import Place
from runtime import limits
from runtime.clock import Clock, SystemClock
from runtime.database import Database
from runtime.lag import LagReader
from runtime.publisher import KafkaPublisher
from runtime.settings import Settings
from runtime.vault import load_vault
from schemas.event import Event
from schemas.wire import Message, first_message

POSTED: Final = "SELECT count(*) FROM payments WHERE state = 'posted'"
"""Counts the payments whose row in the projection says that they are posted."""

_CHUNK: Final = 1_000
_LOOK_S: Final = 0.05
_SETTLE_S_MAX: Final = 600.0


@dataclass(frozen=True, slots=True)
class Rig:
    """All of it, open."""

    place: Place
    people: People
    publisher: KafkaPublisher
    log: Log
    lag: LagReader
    database: Database
    clock: Clock

    async def publish(self, events: Sequence[Event]) -> None:
        """Put first events on their topics, acknowledged, as an edge would."""
        for start in range(0, len(events), _CHUNK):
            messages = self.messages(events[start : start + _CHUNK])
            await self.publisher.publish(messages, deadline_s=limits.STAGE_PUBLISH_S_MAX)

    def messages(self, events: Sequence[Event]) -> list[Message]:
        """First events as records, as an edge would make them."""
        return [
            first_message(
                event,
                event_id=uuid5(event.subject, "first"),
                idempotency_id=event.subject,
                source="titan/bench",
                now=self.clock.now(),
                traceparent=None,
            )
            for event in events
        ]

    async def count(self, query: str) -> int:
        """What a query that counts says."""
        async with self.database.connection() as connection:
            return int(await connection.fetchval(query))

    async def until_count(self, query: str, wanted: int) -> None:
        """Wait until the query counts as many as wanted."""
        async with asyncio.timeout(_SETTLE_S_MAX):
            while await self.count(query) < wanted:
                await self.clock.sleep(_LOOK_S)

    async def until_ended(self, start: Offsets, wanted: int) -> None:
        """Wait until so many payments have been posted or refused since `start`."""
        async with asyncio.timeout(_SETTLE_S_MAX):
            while await self.log.ended_since(start) < wanted:
                await self.clock.sleep(_LOOK_S)

    async def until_told(self) -> None:
        """Wait until the stages that tell people of payments have caught up as well."""
        async with asyncio.timeout(_SETTLE_S_MAX):
            await until_through(self.lag, self.clock)


@asynccontextmanager
async def open_rig(place: Place, *, people: int) -> AsyncIterator[Rig]:
    """Connect, open and fund an account for each of the people, and claim their handles."""
    clock = SystemClock()
    settings = Settings()
    publisher = KafkaPublisher(place.bootstrap, prefix="", settings=settings, role="bench")
    log = Log(place.bootstrap)
    lag = lag_reader(place.bootstrap)
    database = await Database.connect(place.dsn, name="bench")
    try:
        await publisher.start()
        await log.start()
        rig = Rig(
            place,
            People(people, clock=clock, vault=load_vault(settings)),
            publisher,
            log,
            lag,
            database,
            clock,
        )
        await _settle_in(rig)
        yield rig
    finally:
        await database.close()
        await lag.close()
        await log.stop()
        await publisher.stop()


async def _settle_in(rig: Rig) -> None:
    openings, claims, fundings = rig.people.openings(), rig.people.claims(), rig.people.fundings()
    await rig.publish(openings)
    await rig.until_count("SELECT count(*) FROM accounts", len(openings))
    await rig.publish(claims)
    await rig.until_count("SELECT count(*) FROM directory_handles", len(claims))
    await rig.publish(fundings)
    await rig.until_count(POSTED, len(fundings))
