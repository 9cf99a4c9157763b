"""Sights of handles in Redis: believed only while they cannot be older than the tail is fresh.

Every entry carries the epoch in which it was written, and counts in that epoch only. The epoch is
a word under a key of its own, so a new one makes all entries void at once, for every process. One
is begun whenever changes may have been missed: when a tail takes its place, and when a change
could not be written. The word names the run of the server it was begun on: a server that comes up
with older contents, or a replica that takes over, brings a word that is void. Where everything is
erased the word is gone too, and what is still written under it is refused.

Within an epoch an entry is replaced by a higher version only: a slow reader of the database
cannot put back what a change has overtaken.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

from redis.asyncio import Redis
from redis.commands.core import AsyncScript

from domain.errors import Unavailable
from producers.handles.sight import Sight, from_text, to_text
from runtime import limits
from runtime.cache import Cache
from runtime.clock import Clock

_MARK: Final = "|"
_RUN_MARK: Final = "."

_BEGIN_EPOCH: Final = """
local epoch = redis.call('GET', KEYS[1])
if (epoch or '') == ARGV[1] then
    redis.call('SET', KEYS[1], ARGV[2])
    return ARGV[2]
end
return epoch
"""
"""Replaces the epoch that was seen to be void; of two who saw it, one begins the next."""

_WRITE_IF_NEWER: Final = """
local epoch = redis.call('GET', KEYS[1])
if not epoch or (ARGV[1] ~= '' and ARGV[1] ~= epoch) then
    return 0
end
for i = 2, #KEYS do
    local version, text, ttl_ms = ARGV[3 * i - 4], ARGV[3 * i - 3], ARGV[3 * i - 2]
    local known = redis.call('GET', KEYS[i])
    local known_epoch, known_version
    if known then
        known_epoch, known_version = string.match(known, '^([^|]*)|(%d+)|')
    end
    if known_epoch ~= epoch or tonumber(known_version) < tonumber(version) then
        redis.call('SET', KEYS[i], epoch .. '|' .. text, 'PX', ttl_ms)
    end
end
return 1
"""
"""KEYS: the epoch's and one an entry. ARGV: the epoch that must stand ('' for any), then version,
text and time to live (ms) of each entry."""


class Freshness(Protocol):
    """What tells whether the changes of the directory arrive."""

    @property
    def is_fresh(self) -> bool:
        """Whether all changes but those of the last moment have been written through."""
        ...


class CachedSights:
    """Entries by handle. Without a cache that can be believed there are none."""

    def __init__(self, cache: Cache, *, clock: Clock) -> None:
        self._cache = cache
        self._clock = clock
        self._epoch_key = f"{cache.prefix}handles:epoch"
        self._entry_prefix = f"{cache.prefix}handles:entry:"
        self._tail: Freshness | None = None
        self._misses = 1
        self._misses_made_good = 0

    def follow(self, tail: Freshness) -> None:
        """Believe entries only while this tail is fresh."""
        self._tail = tail

    def distrust(self) -> None:
        """Changes may have been missed: nothing written until now is believed any more."""
        self._misses += 1

    async def read(self, handles: Sequence[str]) -> tuple[dict[str, Sight], str]:
        """The entries that there are, and the epoch under which others may be written.

        Raises Unavailable when there is no cache, or none that can be believed just now.
        """
        self._demand_tail()
        misses = self._misses
        keys = [self._epoch_key, *(self._entry_prefix + handle for handle in handles)]

        async def read(redis: Redis) -> list[Any]:
            answer: list[Any] = await redis.mget(keys)
            return answer

        word, *values = await self._cache.ask(read)
        # Again, for a process that was stopped while the answer was on its way.
        self._demand_tail()
        epoch = "" if word is None else word.decode()
        run_id, _, _ = epoch.partition(_RUN_MARK)
        if run_id != self._cache.run_id or self._misses_made_good < misses:
            epoch = await self._begin_epoch(epoch)
            self._misses_made_good = max(self._misses_made_good, misses)
            return {}, epoch
        found = {
            handle: sight
            for handle, value in zip(handles, values, strict=True)
            if (sight := _sight(value, epoch)) is not None
        }
        return found, epoch

    async def write_read(self, sights: Mapping[str, Sight], *, epoch: str) -> None:
        """Keep what was read from the database after `read` had told the epoch."""
        await self._write(sights, epoch)

    async def write_changed(self, sights: Mapping[str, Sight]) -> None:
        """Write changes through; if that fails, nothing that stands is believed any more."""
        try:
            await self._write(sights, "")
        except Unavailable:
            self.distrust()

    async def _write(self, sights: Mapping[str, Sight], epoch: str) -> None:
        keys = [self._epoch_key, *(self._entry_prefix + handle for handle in sights)]
        arguments: list[str | int] = [epoch]
        for sight in sights.values():
            arguments += (sight.version, to_text(sight), self._ttl_ms(sight))

        async def write(redis: Redis) -> None:
            await AsyncScript(redis, _WRITE_IF_NEWER)(keys=keys, args=arguments)

        await self._cache.ask(write)

    def _ttl_ms(self, sight: Sight) -> int:
        # Anybody can ask for handles that nobody claimed: they must not fill the cache.
        ttl_s = limits.UNCLAIMED_SIGHT_S if sight.version == 0 else limits.SIGHT_S
        return int(self._clock.jitter(ttl_s) * 1000)

    async def _begin_epoch(self, void: str) -> str:
        fresh = f"{self._cache.run_id}{_RUN_MARK}{self._clock.random_id().hex}"

        async def begin(redis: Redis) -> bytes:
            epoch: bytes = await AsyncScript(redis, _BEGIN_EPOCH)([self._epoch_key], [void, fresh])
            return epoch

        return (await self._cache.ask(begin)).decode()

    def _demand_tail(self) -> None:
        if self._tail is None or not self._tail.is_fresh:
            raise Unavailable("changes of the directory do not arrive")


def _sight(value: bytes | None, epoch: str) -> Sight | None:
    """The sight in an entry; None if there is none, or none of this epoch, or it is damaged."""
    if value is None:
        return None
    text = value.decode(errors="replace")
    mark = epoch + _MARK
    if not text.startswith(mark):
        return None
    try:
        return from_text(text.removeprefix(mark))
    except ValueError:
        return None
