"""Look handles up: this process, else the cache, else the database; each with many at once.

Requests of one turn of the event loop share one question to the cache and one to the database,
and whoever asks for a handle that is being looked up already waits for that answer.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from domain.directory import HandleEntry
from domain.errors import Unavailable
from producers.handles.cached import CachedSights
from producers.handles.near import NearSights
from producers.handles.sight import Sight, sight_of
from runtime import limits, metrics
from runtime.clock import Clock
from schemas.event import Event
from schemas.handle import HandleClaimed, HandlePorted, HandleReleased, entry_of

Load = Callable[[Sequence[str]], Awaitable[Mapping[str, HandleEntry]]]
"""The present entries of these handles in one query; one never claimed is absent."""

_HIT = metrics.CACHE_LOOKUPS.labels("handles", "hit")
_NEGATIVE = metrics.CACHE_LOOKUPS.labels("handles", "negative")
_MISS = metrics.CACHE_LOOKUPS.labels("handles", "miss")
_DOWN = metrics.CACHE_LOOKUPS.labels("handles", "down")


@dataclass(frozen=True, slots=True, eq=False)
class _Flight:
    """A look-up under way."""

    began_s: float
    sight: "asyncio.Future[Sight]"


class Lookup:
    """Answers what handles name. Never older than the database, or than the tail is fresh."""

    def __init__(self, load: Load, cached: CachedSights, near: NearSights, *, clock: Clock) -> None:
        self._load = load
        self._cached = cached
        self._near = near
        self._clock = clock
        self._flights: dict[str, _Flight] = {}
        self._boarding: dict[str, _Flight] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def sight(self, handle: str) -> Sight:
        """What the handle names; Unavailable if neither cache nor database answers."""
        sight = self._near.get(handle)
        if sight is not None:
            (_HIT if sight.target is not None else _NEGATIVE).inc()
            return sight
        flight = self._flights.get(handle)
        if flight is None or (
            self._clock.monotonic_s() - flight.began_s > limits.LOOKUP_JOIN_S_MAX
        ):
            flight = self._board(handle)
        # Shielded: one who gives up must not take the answer from the others.
        return await asyncio.shield(flight.sight)

    async def refresh(self, handle: str) -> None:
        """Read the handle anew after a change that was seen decided, before its event arrives."""
        entries = await self._load([handle])
        await self._changed({handle: sight_of(entries.get(handle))})

    async def on_events(self, events: Sequence[Event]) -> None:
        """Write the changes through that the tail brings."""
        changes: dict[str, Sight] = {}
        for event in events:
            if isinstance(event, HandleClaimed | HandlePorted | HandleReleased):
                sight = sight_of(entry_of(event))
                known = changes.get(event.handle)
                if known is None or known.version < sight.version:
                    changes[event.handle] = sight
        if changes:
            await self._changed(changes)

    async def close(self) -> None:
        """Wait for what is under way."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def distrust(self) -> None:
        """Changes may have been missed: nothing kept until now is believed any more."""
        self._flights.clear()
        self._near.clear()
        self._cached.distrust()

    async def _changed(self, sights: Mapping[str, Sight]) -> None:
        self._overtake(sights)
        await self._cached.write_changed(sights)
        # Again, for those who have read the cache while it was being written.
        self._overtake(sights)

    def _overtake(self, handles: Iterable[str]) -> None:
        """Let nobody join or keep what may have read what stood before a change."""
        for handle in handles:
            self._flights.pop(handle, None)
            self._near.forget(handle)

    def _board(self, handle: str) -> _Flight:
        loop = asyncio.get_running_loop()
        if not self._boarding:
            loop.call_soon(self._take_off)
        flight = self._boarding.get(handle)
        if flight is None:
            flight = _Flight(self._clock.monotonic_s(), loop.create_future())
            self._boarding[handle] = flight
        self._flights[handle] = flight
        return flight

    def _take_off(self) -> None:
        flights, self._boarding = self._boarding, {}
        task = asyncio.create_task(self._fly(flights))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _fly(self, flights: Mapping[str, _Flight]) -> None:
        try:
            found, epoch = await self._from_cache(list(flights))
            self._land(flights, found)
            missing = [handle for handle in flights if handle not in found]
            if not missing:
                return
            sights = await self._from_database(missing)
            self._land(flights, sights)
        except Exception as error:  # noqa: BLE001 - belongs to those who wait
            for flight in flights.values():
                if not flight.sight.done():
                    flight.sight.set_exception(error)
            return
        finally:
            for handle, flight in flights.items():
                self._forget(handle, flight)
                # Only if this was cancelled: nobody may wait for ever.
                flight.sight.cancel()
        if epoch is not None:
            with contextlib.suppress(Unavailable):
                await self._cached.write_read(sights, epoch=epoch)

    async def _from_cache(self, handles: Sequence[str]) -> tuple[dict[str, Sight], str | None]:
        try:
            found, epoch = await self._cached.read(handles)
        except Unavailable:
            _DOWN.inc(len(handles))
            return {}, None
        negative = sum(sight.target is None for sight in found.values())
        _HIT.inc(len(found) - negative)
        _NEGATIVE.inc(negative)
        _MISS.inc(len(handles) - len(found))
        return found, epoch

    async def _from_database(self, handles: Sequence[str]) -> dict[str, Sight]:
        try:
            async with asyncio.timeout(limits.LOOKUP_S_MAX):
                entries = await self._load(handles)
        except TimeoutError as error:
            raise Unavailable("the directory took too long") from error
        return {handle: sight_of(entries.get(handle)) for handle in handles}

    def _land(self, flights: Mapping[str, _Flight], sights: Mapping[str, Sight]) -> None:
        for handle, sight in sights.items():
            flight = flights[handle]
            flight.sight.set_result(sight)
            if self._forget(handle, flight):
                self._near.put(handle, sight)

    def _forget(self, handle: str, flight: _Flight) -> bool:
        """End a flight; whether it was still the newest, and no change had overtaken it."""
        if self._flights.get(handle) is not flight:
            return False
        del self._flights[handle]
        return True
