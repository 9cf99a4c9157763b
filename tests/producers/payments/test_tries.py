"""What a repeat is told while the log is away and the projection lags: never that nothing was done.

The cache is a real one; log, projection and directory answer as each test says.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from domain.errors import Unavailable, Unknown
from domain.payment import PaymentType
from producers.payments.accept import Acceptor
from producers.payments.decide import Candidate, Known, Verdict
from producers.payments.payers import Payers
from producers.payments.quick import QuickAnswers
from producers.payments.tries import KnownPayments
from runtime import limits
from runtime.cache import Cache
from runtime.clock import SystemClock
from runtime.vault import Vault
from tests.producers.payments.router import BODY, Door, router_in_memory, understood
from titan.servers import Valkey

CLIENT = "client:shop"


class Projection(KnownPayments):
    """Lags: it knows of no payment yet, or does not answer."""

    def __init__(self) -> None:
        self.is_down = False

    async def find(self, candidates: Sequence[Candidate]) -> dict[UUID, Known] | None:
        return None if self.is_down else {}


class Directory(Payers):
    """Whose the payer's handle is; nobody's, once it has moved."""

    def __init__(self) -> None:
        self.has_moved = False

    async def owners(self, candidates: Sequence[Candidate]) -> dict[UUID, str | None]:
        return {} if self.has_moved else {each.payment_id: CLIENT for each in candidates}


@dataclass
class Process:
    """An edge process over a cache."""

    cache: Cache
    log: Door = field(default_factory=Door)
    projection: Projection = field(default_factory=Projection)
    directory: Directory = field(default_factory=Directory)

    def __post_init__(self) -> None:
        self.log.is_open.set()
        self.quick = QuickAnswers(self.cache)
        self.accept = Acceptor(
            publisher=self.log,
            quick=self.quick,
            known=self.projection,
            payers=self.directory,
            vault=Vault(bytes(32)),
            clock=SystemClock(),
        ).accept


@pytest.fixture
async def edge(tmp_path: Path) -> AsyncIterator[Callable[[], Process]]:
    """Makes processes that share one cache."""
    valkey = Valkey(tmp_path)
    await valkey.start()
    caches: list[Cache] = []

    def process() -> Process:
        caches.append(Cache.at(valkey.url, prefix="test:", clock=SystemClock()))
        return Process(caches[-1])

    yield process
    for cache in caches:
        await cache.close()
    valkey.kill()


def candidate(**changes: Any) -> Candidate:
    return replace(
        Candidate(
            payment_id=uuid4(),
            client_id=CLIENT,
            fingerprint="0" * 64,
            is_fresh=False,
            from_handle="alice",
            to_handle="bob",
            amount_minor=1,
            currency="USD",
            payment_type=PaymentType.WALLET,
            description=None,
            traceparent=None,
            is_payer_checked=True,
        ),
        **changes,
    )


@pytest.mark.real
@pytest.mark.parametrize("is_fresh", [False, True])
async def test_a_repeat_of_an_unknown_is_never_told_that_nothing_was_done(
    edge: Callable[[], Process], *, is_fresh: bool
) -> None:
    one, other = edge(), edge()
    first = candidate(is_fresh=is_fresh)
    again = replace(first, is_fresh=False)
    one.log.failure = Unknown("no acknowledgement")
    assert await one.accept(first) is Verdict.UNKNOWN

    other.log.failure = Unavailable("no connection")
    assert [await other.accept(again) for _ in range(2)] == [Verdict.UNKNOWN] * 2
    other.directory.has_moved = True
    assert [await other.accept(again) for _ in range(2)] == [Verdict.UNKNOWN] * 2
    assert await other.accept(replace(again, fingerprint="1" * 64)) is Verdict.REUSED

    other.directory.has_moved = False
    other.log.failure = None
    assert await other.accept(again) is Verdict.ACCEPTED
    assert await one.accept(again) is Verdict.REPLAYED


@pytest.mark.real
async def test_a_first_try_that_was_not_sent_is_told_so_and_leaves_no_claim(
    edge: Callable[[], Process],
) -> None:
    process = edge()
    asked = candidate()
    process.log.failure = Unavailable("no connection")
    assert [await process.accept(asked) for _ in range(2)] == [Verdict.UNAVAILABLE] * 2
    process.directory.has_moved = True
    assert [await process.accept(asked) for _ in range(2)] == [Verdict.STRANGER] * 2

    process.directory.has_moved = False
    process.log.failure = None
    assert await process.accept(replace(asked, fingerprint="1" * 64)) is Verdict.ACCEPTED


@pytest.mark.real
async def test_while_nobody_can_say_whether_a_key_was_used_its_payment_is_unknown(
    edge: Callable[[], Process],
) -> None:
    process = edge()
    process.log.failure = Unavailable("no connection")
    process.projection.is_down = True
    asked = candidate()
    assert await process.accept(asked) is Verdict.UNKNOWN
    process.directory.has_moved = True
    assert await process.accept(candidate()) is Verdict.UNKNOWN


@pytest.mark.real
@pytest.mark.parametrize("becomes", [Verdict.ACCEPTED, Verdict.UNKNOWN])
async def test_a_claim_that_a_twin_has_seen_is_not_taken_back(
    edge: Callable[[], Process], becomes: Verdict
) -> None:
    one, twin = edge(), edge()
    asked = candidate()
    one.log.failure = Unavailable("no connection")
    one.log.is_open.clear()
    asking = asyncio.create_task(one.accept(asked))
    await one.log.was_called.wait()
    if becomes is Verdict.UNKNOWN:
        twin.log.failure = Unknown("no acknowledgement")
    assert await twin.accept(asked) is becomes
    one.log.is_open.set()
    assert await asking is Verdict.UNKNOWN

    remembered = await twin.quick.find(asked.payment_id, client_id=CLIENT)
    assert (remembered is not None) is (becomes is Verdict.ACCEPTED)
    assert await one.accept(asked) is (
        Verdict.REPLAYED if becomes is Verdict.ACCEPTED else Verdict.UNKNOWN
    )


async def test_without_a_cache_a_stranger_is_told_so_and_a_key_may_have_been_used() -> None:
    process = Process(Cache.at(None, prefix="", clock=SystemClock()))
    process.log.failure = Unavailable("no connection")
    assert await process.accept(candidate()) is Verdict.UNKNOWN
    assert await process.accept(candidate(is_fresh=True)) is Verdict.UNAVAILABLE
    process.directory.has_moved = True
    assert await process.accept(candidate()) is Verdict.STRANGER


async def test_a_repeat_that_finds_no_room_is_not_told_that_nothing_was_done(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "ACCEPT_QUEUE_MAX", 0)
    process = Process(Cache.at(None, prefix="", clock=SystemClock()))
    assert await process.accept(candidate()) is Verdict.UNKNOWN
    assert await process.accept(candidate(is_fresh=True)) is Verdict.UNAVAILABLE


async def test_a_repeat_while_everything_is_down_is_told_unknown_and_names_the_payment() -> None:
    door = Door()
    door.is_open.set()
    door.failure = Unknown("no acknowledgement")
    async with router_in_memory(door) as router:
        first = await router.post(key="k")
        door.failure = Unavailable("no connection")
        again = await router.post(key="k")
        other = await router.post(BODY | {"amount": 1}, key="k")
        door.failure = None
        last = await router.post(key="k")

    for answer in (first, again, other):
        assert (answer.status, answer.code) == (503, "outcome_unknown")
    assert last.document["id"] == str(understood(door.published[0]).event.payment_id)
