"""Turns tries away before they cost anything: who was told to wait is not looked at until then."""

from collections import OrderedDict
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from http.client import SERVICE_UNAVAILABLE, TOO_MANY_REQUESTS
from math import ceil

from producers.auth import limits
from producers.auth.metering import Charged, MeterKey, MeterKind
from producers.auth.meters import Meters
from runtime.clock import Clock
from runtime.http.problem import ProblemError

_LATE = (TOO_MANY_REQUESTS, SERVICE_UNAVAILABLE)
_REFUSED_MAX = 10_000
"""Meters whose no one process remembers: some 2 MB. PostgreSQL knows them all."""


class Doorkeeper:
    """Charges tries, and answers those that are too many late, so that a flood waits for itself."""

    def __init__(self, meters: Meters, *, clock: Clock) -> None:
        self._meters = meters
        self._clock = clock
        self._refused: OrderedDict[MeterKey, datetime] = OrderedDict()
        self._pausing = 0

    @asynccontextmanager
    async def before(self, keys: Collection[MeterKey], now: datetime) -> AsyncIterator[None]:
        """Around a try. ProblemError 429, late, if one of these meters said no a moment ago.

        Any other 429, or 503 `busy`, out of the block is answered late too.
        """
        began_s = self._clock.monotonic_s()
        try:
            self._look(keys, now)
            yield
        except ProblemError as problem:
            if problem.status in _LATE:
                await self._pause_until(began_s + self._clock.jitter(limits.REFUSAL_S))
            raise

    async def charge(self, keys: Collection[MeterKey], now: datetime) -> Charged:
        """Count a try that is about to be looked at; ProblemError 429 if it is one too many."""
        charged = await self._meters.charge(keys, now)
        if charged.retry_after_s is None:
            return charged
        # That of an account counts for strangers only, so it is asked for each time.
        if charged.refused_by is not None and charged.refused_by.kind is not MeterKind.ACCOUNT:
            self._refused[charged.refused_by] = now + timedelta(seconds=charged.retry_after_s)
            if len(self._refused) > _REFUSED_MAX:
                self._refused.popitem(last=False)
        raise _too_many(charged.retry_after_s)

    def _look(self, keys: Collection[MeterKey], now: datetime) -> None:
        for key in keys:
            until = self._refused.get(key)
            if until is None:
                continue
            if until > now:
                raise _too_many(ceil((until - now).total_seconds()))
            del self._refused[key]

    async def _pause_until(self, due_s: float) -> None:
        left_s = due_s - self._clock.monotonic_s()
        if left_s <= 0 or self._pausing >= limits.REFUSALS_PAUSED_MAX:
            return
        self._pausing += 1
        try:
            await self._clock.sleep(left_s)
        finally:
            self._pausing -= 1


def _too_many(retry_after_s: int) -> ProblemError:
    return ProblemError(
        429,
        "too_many_attempts",
        "too many attempts; try again later",
        headers={"Retry-After": str(retry_after_s)},
    )
