"""Load: random payments of many kinds, for as long as it is wanted."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from titan.chaos.client import Client
from titan.chaos.history import Intent
from titan.chaos.people import claim, open_account

WORKERS: Final = 24
"""Requests under way at once; while Titan is away each waits for its own."""

_TWINS: Final = 5
_BULK: Final = 20


@dataclass(frozen=True, kw_only=True)
class Mixture:
    """What a load is made of: each is the share of payments that it concerns."""

    amount_minor_max: int = 500
    unknown_payee: float = 0.03
    over_limit: float = 0.03
    described: float = 0.1
    repeated: float = 0.05
    """Asked again by a client that has its answer."""
    left_open: float = 0.0
    """Of those without an answer: not asked again before the end."""
    at_once: float = 0.0
    """Asked several times at the same moment under one key."""
    rivalled: float = 0.0
    """Followed by another body under the same key."""
    bulk: float = 0.0
    """The first of some in one request."""
    newcomer: float = 0.0
    """Beside it, somebody opens an account, claims a handle, and has no money to pay with."""


class Load:
    """Payments between some handles, about so many a second, for as long as it is open."""

    def __init__(
        self,
        client: Client,
        handles: Sequence[str],
        *,
        rate_per_s: float,
        mixture: Mixture = Mixture(),
    ) -> None:
        self._client = client
        self._handles = list(handles)
        self._interval_s = WORKERS / rate_per_s
        self._random = client.history.random
        self._mixture = mixture
        self._is_closing = False

    @asynccontextmanager
    async def flowing(self) -> AsyncIterator[None]:
        """On leaving, everything that was asked for has its answer, or was left open on purpose."""
        workers = [asyncio.create_task(self._work()) for _ in range(WORKERS)]
        try:
            yield
            self._is_closing = True
            await asyncio.gather(*workers)
        except BaseException:
            # What was cut short would be counted against Titan by every later check.
            self._client.history.abandon_unanswered()
            raise
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)

    def intents(self, count: int) -> list[Intent]:
        """Payments of the same mixture, to be asked for together."""
        return [self._intend() for _ in range(count)]

    async def newcomer(self) -> None:
        """Somebody opens an account, claims a handle and has no money."""
        client = self._client
        handle = f"newcomer{len(client.history.intents)}"
        await claim(client, handle, await open_account(client, handle))
        await client.pay(client.history.intend(handle, self._handles[0], 1))

    async def _work(self) -> None:
        await asyncio.sleep(self._random.random() * self._interval_s)
        loop = asyncio.get_running_loop()
        due_s = loop.time()
        while not self._is_closing:
            await self._one()
            due_s = max(due_s + self._interval_s, loop.time())
            await asyncio.sleep(due_s - loop.time())

    async def _one(self) -> None:
        """One payment, and what else a client may do with its key."""
        mixture = self._mixture
        if self._is(mixture.newcomer):
            await self.newcomer()
        if self._is(mixture.bulk):
            await self._client.pay_many(self.intents(_BULK))
            return
        intent = self._intend()
        if self._is(mixture.at_once):
            await asyncio.gather(*(self._client.ask(intent) for _ in range(_TWINS)))
        if not intent.is_answered and not await self._client.ask(intent):
            if self._is(mixture.left_open):
                return
            await self._client.pay(intent)
        if self._is(mixture.repeated):
            # A client that lost the answer asks again.
            await self._client.ask(intent)
        if intent.payment_id is not None and self._is(mixture.rivalled):
            await self._client.pay(
                self._client.history.intend(
                    intent.payer, intent.payee, intent.amount_minor + 1, key=intent.key
                )
            )

    def _intend(self) -> Intent:
        mixture = self._mixture
        payer, payee = self._random.sample(self._handles, 2)
        amount_minor = self._random.randint(1, mixture.amount_minor_max)
        if self._is(mixture.unknown_payee):
            payee = "nobody.there"
        elif self._is(mixture.over_limit):
            # Above what risk screening lets anybody pay at once, so it counts for no day's limit.
            amount_minor = 100_001
        words = "for lunch" if self._is(mixture.described) else None
        return self._client.history.intend(payer, payee, amount_minor, description=words)

    def _is(self, share: float) -> bool:
        return self._random.random() < share
