"""A look-up before a real Valkey and a directory in memory."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import redis.asyncio

from domain.directory import HandleEntry, HandleTarget
from domain.errors import Unavailable
from producers.handles.cached import CachedSights
from producers.handles.lookup import Lookup
from producers.handles.near import NearSights
from producers.handles.sight import Sight, sight_of
from runtime.cache import Cache
from runtime.clock import SystemClock
from schemas.handle import HandleClaimed, HandleReleased
from tests.support.events import ALICE, BOB
from tests.support.memory_stage import NOW
from titan.servers import Valkey


@dataclass
class Directory:
    """The table, with its queries counted and held up on demand."""

    entries: dict[str, HandleEntry] = field(default_factory=dict)
    queries: list[list[str]] = field(default_factory=list)
    answers: asyncio.Event = field(default_factory=asyncio.Event)
    is_down: bool = False

    def __post_init__(self) -> None:
        self.answers.set()

    def put(
        self, handle: str, version: int, *, released: bool = False
    ) -> HandleClaimed | HandleReleased:
        """Let a handle stand; the event that says so."""
        account_id = (ALICE, BOB)[version % 2]
        target = None if released else HandleTarget(account_id, "USD", "c2VhbGVk")
        self.entries[handle] = HandleEntry(handle, version, "demo", target, NOW)
        common = {
            "request_id": ALICE,
            "requested_at": NOW,
            "handle": handle,
            "fingerprint": "0" * 64,
            "client_id": "demo",
            "version": version,
        }
        if released:
            return HandleReleased.model_validate(common)
        return HandleClaimed.model_validate(
            common
            | {"account_id": account_id, "currency": "USD", "display_name_sealed": "c2VhbGVk"}
        )

    def sight(self, handle: str) -> Sight:
        return sight_of(self.entries.get(handle))

    async def load(self, handles: Sequence[str]) -> Mapping[str, HandleEntry]:
        self.queries.append(list(handles))
        seen = {handle: self.entries[handle] for handle in handles if handle in self.entries}
        await self.answers.wait()
        if self.is_down:
            raise Unavailable("the directory is down")
        return seen


@dataclass
class Switch:
    """A tail that is fresh when the test says so."""

    is_fresh: bool = True


@dataclass
class Place:
    valkey: Valkey
    directory: Directory
    tail: Switch
    cached: CachedSights
    lookup: Lookup
    redis: redis.asyncio.Redis

    async def is_cached(self, handle: str) -> bool:
        """Whether a look-up is answered without a query."""
        before = len(self.directory.queries)
        await self.lookup.sight(handle)
        return len(self.directory.queries) == before


@asynccontextmanager
async def look_up_at(
    valkey: Valkey, directory: Directory, tail: Switch, *, near_max: int = 0
) -> AsyncIterator[Place]:
    """`near_max` is how many handles the process keeps itself: none, so that the cache is seen."""
    clock = SystemClock()
    cache = Cache.at(valkey.url, prefix="tests:", clock=clock)
    cached = CachedSights(cache, clock=clock)
    cached.follow(tail)
    near = NearSights(near_max, clock=clock)
    near.follow(tail)
    lookup = Lookup(directory.load, cached, near, clock=clock)
    client = redis.asyncio.Redis.from_url(valkey.url)
    yield Place(valkey, directory, tail, cached, lookup, client)
    await lookup.close()
    await cache.close()
    await client.aclose()
