"""Quick answers: what was accepted a moment ago, kept in the cache until the projection has it.

Redis can be erased at any time: then the projection is asked, and the answers are the same.
"""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final, NamedTuple
from uuid import UUID

from redis.asyncio import Redis

from domain.errors import Unavailable
from producers.payments.decide import Candidate, Known
from runtime import limits, metrics
from runtime.cache import Cache

# One script for a whole batch: a third of what a pipeline of commands costs this process.
_CLAIM: Final = """
local found = {}
for place, key in ipairs(KEYS) do
    local value = redis.call('GET', key)
    found[place] = value
    if not value then
        redis.call('SET', key, ARGV[place + 1], 'EX', ARGV[1])
    elseif string.sub(value, 1, 8) == 'claimed|' then
        redis.call('SET', key, 'shared' .. string.sub(value, 8), 'KEEPTTL')
    end
end
return found
"""
_HOLD: Final = """
for place, key in ipairs(KEYS) do
    local value = redis.call('GET', key) or ARGV[place + 1]
    if string.sub(value, 1, 8) == 'claimed|' then value = 'shared' .. string.sub(value, 8) end
    if string.sub(value, 1, 7) == 'shared|' then redis.call('SET', key, value, 'EX', ARGV[1]) end
end
"""
_PUT: Final = """
for place, key in ipairs(KEYS) do
    redis.call('SET', key, ARGV[place + 1], 'EX', ARGV[1])
end
"""
_RELEASE: Final = """
local released = {}
for place, key in ipairs(KEYS) do
    released[place] = 0
    if redis.call('GET', key) == ARGV[place] then released[place] = redis.call('DEL', key) end
end
return released
"""
_CLAIMED: Final = "claimed"
"""By one call, which may take it back; once another has seen it, it is `shared` and stays."""
_ACCEPTED: Final = "accepted"
_METRIC: Final = "payments"

Question = Callable[[Redis], Awaitable[None]]


class Promise(NamedTuple):
    """A wallet that was asked for and may not stand yet."""

    client_id: str
    currency: str


class QuickAccounts:
    """Remembers for a while which wallets were asked for. Without the cache it knows none."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache
        self._prefix = f"{cache.prefix}account:"

    async def remember(self, account_id: UUID, promise: Promise) -> None:
        """Remember one; a cache that is absent loses it."""

        async def put(redis: Redis) -> None:
            value = f"{promise.currency}|{promise.client_id}"
            await redis.set(f"{self._prefix}{account_id}", value, ex=limits.QUICK_ANSWER_S)

        with suppress(Unavailable):
            await self._cache.ask(put)

    async def find(self, account_id: UUID, *, client_id: str) -> Promise | None:
        """This client's promise of that id."""

        async def get(redis: Redis) -> bytes | str | None:
            return await redis.get(f"{self._prefix}{account_id}")

        try:
            value = await self._cache.ask(get)
        except Unavailable:
            return None
        if value is None:
            return None
        currency, _, owner = _text(value).partition("|")
        return Promise(owner, currency) if owner == client_id else None


class QuickAnswer(NamedTuple):
    """A payment, as the cache remembers it."""

    client_id: str
    known: Known


class Claims(NamedTuple):
    """What is remembered of payments, and which of the others are claimed now."""

    known: dict[UUID, Known]
    made: frozenset[UUID]
    """Claimed by this very call; without the cache, none."""


class QuickAnswers:
    """Remembers payments by id for a while. While the cache is absent it remembers nothing."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache
        self._prefix = f"{cache.prefix}payment:"

    async def claim(self, candidates: Sequence[Candidate], *, now: datetime) -> Claims:
        """What is remembered of these; those of which nothing is are claimed.

        A claim is no promise: it tells a twin in another process which body came first, and when.
        """
        if not candidates:
            return Claims({}, frozenset())
        keys = [self._key(each.payment_id) for each in candidates]
        values = [_value(_CLAIMED, each, now) for each in candidates]

        async def claimed(redis: Redis) -> list[bytes | None]:
            found: list[bytes | None] = await redis.register_script(_CLAIM)(
                keys=keys, args=[limits.QUICK_CLAIM_S, *values]
            )
            return found

        try:
            found = await self._cache.ask(claimed)
        except Unavailable:
            metrics.CACHE_LOOKUPS.labels(_METRIC, "down").inc(len(keys))
            return Claims({}, frozenset())
        hits = sum(value is not None for value in found)
        metrics.CACHE_LOOKUPS.labels(_METRIC, "hit").inc(hits)
        metrics.CACHE_LOOKUPS.labels(_METRIC, "miss").inc(len(keys) - hits)
        answers = {
            each.payment_id: _parsed(value) for each, value in zip(candidates, found, strict=True)
        }
        return Claims(
            {key: answer.known for key, answer in answers.items() if answer is not None},
            frozenset(key for key, answer in answers.items() if answer is None),
        )

    async def hold(self, candidates: Sequence[Candidate], *, now: datetime) -> None:
        """Keep claims on these, or make them: nobody takes them back, for these may be in the log.

        For as long as an accepted one is remembered: a repeat is not to find that nobody was here.
        """
        keys = [self._key(each.payment_id) for each in candidates]
        values = [_value(_CLAIMED, each, now) for each in candidates]

        async def put(redis: Redis) -> None:
            await redis.register_script(_HOLD)(keys=keys, args=[limits.QUICK_ANSWER_S, *values])

        await self._ask_or_forget(put)

    async def remember(self, accepted: Sequence[tuple[Candidate, datetime]]) -> None:
        """Remember payments that are in the log, with the time at which each was accepted."""
        keys = [self._key(candidate.payment_id) for candidate, _ in accepted]
        values = [_value(_ACCEPTED, candidate, at) for candidate, at in accepted]

        async def put(redis: Redis) -> None:
            await redis.register_script(_PUT)(keys=keys, args=[limits.QUICK_ANSWER_S, *values])

        await self._ask_or_forget(put)

    async def release(self, candidates: Sequence[Candidate], *, now: datetime) -> set[UUID]:
        """Take back the claims that were made on these at that time; those that could be.

        One that somebody else has seen, or that was accepted meanwhile, is no longer ours.
        """
        if not candidates:
            return set()
        keys = [self._key(each.payment_id) for each in candidates]
        values = [_value(_CLAIMED, each, now) for each in candidates]

        async def delete(redis: Redis) -> list[int]:
            released: list[int] = await redis.register_script(_RELEASE)(keys=keys, args=values)
            return released

        try:
            released = await self._cache.ask(delete)
        except Unavailable:
            metrics.CACHE_LOOKUPS.labels(_METRIC, "down").inc()
            return set()
        return {
            each.payment_id for each, done in zip(candidates, released, strict=True) if int(done)
        }

    async def find(self, payment_id: UUID, *, client_id: str) -> Known | None:
        """What is remembered of this client's payment, once it is in the log."""

        async def get(redis: Redis) -> bytes | str | None:
            return await redis.get(self._key(payment_id))

        try:
            answer = _parsed(await self._cache.ask(get))
        except Unavailable:
            return None
        if answer is None or answer.client_id != client_id or not answer.known.is_accepted:
            return None
        return answer.known

    def _key(self, payment_id: UUID) -> str:
        return f"{self._prefix}{payment_id}"

    async def _ask_or_forget(self, question: Question) -> None:
        try:
            await self._cache.ask(question)
        except Unavailable:
            # Slower, never wrong: whoever asks next goes to the projection.
            metrics.CACHE_LOOKUPS.labels(_METRIC, "down").inc()


def _value(state: str, candidate: Candidate, at: datetime) -> str:
    # The client comes last: its name may hold the separator.
    return f"{state}|{candidate.fingerprint}|{at.timestamp():.6f}|{candidate.client_id}"


def _parsed(value: bytes | str | None) -> QuickAnswer | None:
    if value is None:
        return None
    state, fingerprint, at_s, client_id = _text(value).split("|", 3)
    known = Known(
        fingerprint=fingerprint,
        accepted_at=datetime.fromtimestamp(float(at_s), UTC),
        is_accepted=state == _ACCEPTED,
    )
    return QuickAnswer(client_id, known)


def _text(value: bytes | str) -> str:
    return value if isinstance(value, str) else value.decode()
