"""The edge: the real Acceptor and its quick answers, over a cache that may forget or be away."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, cast
from uuid import UUID

from redis.asyncio import Redis

from producers.payments.accept import Acceptor
from producers.payments.decide import Candidate, Known, Verdict
from producers.payments.payers import Payers
from producers.payments.quick import QuickAnswers
from producers.payments.tries import KnownPayments
from runtime.cache import Cache
from runtime.vault import Vault
from tests.simulation.broker import Broker, SimulatedPublisher
from tests.simulation.database import Server
from tests.simulation.nature import Nature, SimulatedClock
from tests.simulation.stores import SharedPayments

_VAULT = Vault(bytes(32))


class CacheServer:
    """The commands of Redis that the quick answers use; it may be erased or away at any time."""

    def __init__(self, nature: Nature) -> None:
        self.is_down = False
        self._values: dict[str, tuple[str, float]] = {}
        self._nature = nature

    def erase(self) -> None:
        """Forget everything."""
        self._values.clear()

    def register_script(self, script: str) -> Callable[..., Awaitable[list[Any]]]:
        """The scripts there are: they claim what is free, keep it, take it back, and put."""
        [act] = [
            act
            for mark, act in (
                ("KEEPTTL", self._claim),
                ("'shared|' then", self._hold),
                ("'DEL'", self._release),
                ("ARGV[place + 1], 'EX', ARGV[1])\nend", self._put),
            )
            if mark in script
        ]

        async def call(*, keys: Sequence[str], args: Sequence[object]) -> list[Any]:
            await self._reached()
            found = act(keys, list(map(str, args)))
            await self._nature.travel()
            return found

        return call

    def _claim(self, keys: Sequence[str], args: Sequence[str]) -> list[str | None]:
        found = list(map(self._read, keys))
        for key, known, value in zip(keys, found, args[1:], strict=True):
            if known is None:
                self._set(key, value, args[0])
            elif known.startswith("claimed|"):
                self._values[key] = (_shared(known), self._values[key][1])
        return found

    def _hold(self, keys: Sequence[str], args: Sequence[str]) -> list[None]:
        for key, value in zip(keys, args[1:], strict=True):
            known = self._read(key) or value
            if not known.startswith("accepted|"):
                self._set(key, _shared(known), args[0])
        return []

    def _release(self, keys: Sequence[str], args: Sequence[str]) -> list[int]:
        ours = [self._read(key) == value for key, value in zip(keys, args, strict=True)]
        for key, is_ours in zip(keys, ours, strict=True):
            if is_ours:
                del self._values[key]
        return list(map(int, ours))

    def _put(self, keys: Sequence[str], args: Sequence[str]) -> list[None]:
        for key, value in zip(keys, args[1:], strict=True):
            self._set(key, value, args[0])
        return []

    def _set(self, key: str, value: str, for_s: str) -> None:
        self._values[key] = (value, self._nature.loop.time() + float(for_s))

    def _read(self, key: str) -> str | None:
        value, until_s = self._values.get(key, (None, 0.0))
        return value if self._nature.loop.time() < until_s else None

    async def _reached(self) -> None:
        await self._nature.travel()
        if self.is_down:
            raise ConnectionError


def _shared(value: str) -> str:
    return f"shared|{value.partition('|')[2]}"


class ProjectedPayments(KnownPayments):
    """Which keys were used, as the projection in memory knows."""

    def __init__(self, server: Server, payments: SharedPayments, nature: Nature) -> None:
        self._server = server
        self._payments = payments
        self._nature = nature

    async def find(self, candidates: Sequence[Candidate]) -> dict[UUID, Known] | None:
        """Those that are projected; None while the database does not answer."""
        await self._nature.travel()
        if self._server.is_down or self._nature.happens(self._nature.weather.statement_fails):
            self._nature.trace.sometimes("the edge could not ask whether a key was used")
            return None
        owner = self._server.owner_of(self._payments)
        before = None if owner is None else owner.before(self._payments)
        rows = self._payments.rows if before is None else before
        assert isinstance(rows, dict)
        found = [rows.get(candidate.payment_id) for candidate in candidates]
        await self._nature.travel()
        return {
            row.payment_id: Known(row.fingerprint, row.accepted_at, is_accepted=True)
            for row in found
            if row is not None and row.fingerprint is not None and row.client_id is not None
        }


class NobodysPayers(Payers):
    """Of the demo's clients nobody is asked whose a handle is."""

    def __init__(self) -> None:
        pass

    async def owners(self, candidates: Sequence[Candidate]) -> dict[UUID, str | None]:
        """Never asked."""
        raise AssertionError(candidates)


class Edge:
    """One edge process."""

    def __init__(
        self,
        name: str,
        *,
        nature: Nature,
        broker: Broker,
        cache: CacheServer,
        known: KnownPayments,
    ) -> None:
        self.name = name
        self._nature = nature
        self._broker = broker
        self._cache = cache
        self._known = known
        self.start()

    def start(self) -> None:
        """Begin, with nothing in memory."""
        clock = SimulatedClock(self._nature)
        cache = Cache(cast("Redis", self._cache), prefix="", clock=clock)
        self.process = self._nature.loop.process(self.name, is_mortal=True)
        self._acceptor = Acceptor(
            publisher=SimulatedPublisher(self._broker, self._nature),
            quick=QuickAnswers(cache),
            known=self._known,
            payers=NobodysPayers(),
            vault=_VAULT,
            clock=clock,
        )

    def request(self, candidate: Candidate, answer: asyncio.Future[Verdict]) -> None:
        """A client's request is on its way; if this process dies, there is no answer."""
        self.process.spawn(self._serve(candidate, answer))

    async def _serve(self, candidate: Candidate, answer: asyncio.Future[Verdict]) -> None:
        await self._nature.travel()
        self.process.doing = "a request"
        verdict = await self._acceptor.accept(candidate)
        await self._nature.travel()
        self.process.doing = "nothing"
        if not answer.done():
            answer.set_result(verdict)
