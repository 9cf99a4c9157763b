"""Nobody looks up more than their bucket holds, however they ask and whatever is erased."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.handles import allowance as allowance_module
from producers.handles.allowance import LEASE, Allowance
from producers.handles.buckets import (
    CREDIT_LAG,
    HIT,
    MISS,
    PAID,
    PLANS,
    Bucket,
    Want,
    draw,
    draw_all,
    full,
)
from runtime.clock import SystemClock
from runtime.database import Database
from runtime.http.caller import Caller, Kind
from runtime.http.problem import ProblemError

NOW = datetime(2026, 11, 23, tzinfo=UTC)
PERSON = PLANS[Kind.PERSON]


@given(
    steps=st.lists(
        st.tuples(
            st.integers(-200_000, 200_000),
            st.integers(-30, 4_000),
            st.integers(0, 50),
        ),
        max_size=30,
    )
)
def test_a_bucket_gives_no_more_than_time_and_payments_have_put_in(
    steps: list[tuple[int, int, int]],
) -> None:
    bucket, now, filled = full(PERSON, NOW), NOW, PERSON.size
    outstanding = 0
    for wanted, later_s, paid in steps:
        # Nobody gives back what they were not given.
        tokens = max(wanted, -outstanding)
        before = bucket.filled_at
        now += timedelta(seconds=later_s)
        bucket, drawn = draw(bucket, Want(PERSON, tokens), now=now, paid=paid)
        filled += paid * PAID + int((bucket.filled_at - before).total_seconds() * PERSON.per_second)
        outstanding += drawn if tokens > 0 else tokens
        assert 0 <= bucket.tokens <= PERSON.size
        assert 0 <= drawn <= max(0, tokens)
        assert outstanding + bucket.tokens <= filled


def test_a_full_bucket_is_five_misses_or_a_hundred_hits_and_fills_by_two_a_minute() -> None:
    spent = Bucket(0, NOW, NOW)

    after, drawn = draw(spent, Want(PERSON, MISS), now=NOW + timedelta(minutes=10), paid=0)

    assert (PERSON.size // MISS, PERSON.size // HIT) == (5, 100)
    assert (drawn, after.tokens) == (MISS, 0)


@asynccontextmanager
async def allowance_at(dsn: str) -> AsyncIterator[tuple[Allowance, Database]]:
    database = await Database.connect(dsn, name="tests")
    allowance = Allowance(database, SystemClock())
    allowance.start()
    yield allowance, database
    await allowance.close()
    await database.close()


def somebody(kind: Kind = Kind.PERSON) -> Caller:
    return Caller(f"user:{uuid4()}", kind)


def is_exhausted(problem: ProblemError) -> bool:
    wait_s = int(problem.headers["Retry-After"])
    return (problem.status, problem.code) == (
        429,
        "lookups_exhausted",
    ) and 1 <= wait_s <= MISS / PERSON.per_second


async def miss(allowance: Allowance, caller: Caller) -> bool:
    """Look up what nobody holds; whether it was let through."""
    try:
        settle = await allowance.take(caller)
    except ProblemError as problem:
        return not is_exhausted(problem)
    await asyncio.sleep(0)
    settle(MISS)
    return True


@pytest.mark.real
async def test_of_a_hundred_misses_at_once_five_are_answered(database_dsn: str) -> None:
    async with allowance_at(database_dsn) as (allowance, _):
        caller = somebody()
        found = await asyncio.gather(*(miss(allowance, caller) for _ in range(100)))
        others = await asyncio.gather(*(miss(allowance, somebody()) for _ in range(20)))

    assert sum(found) == 5
    assert all(others)


@pytest.mark.real
async def test_a_hundred_hits_one_after_the_other_are_fewer_than_ten_draws(
    database_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    draws = 0

    async def counted(*arguments: object, **options: object) -> object:
        nonlocal draws
        draws += 1
        return await draw_all(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(allowance_module, "draw_all", counted)
    async with allowance_at(database_dsn) as (allowance, _):
        caller = somebody()
        for _ in range((PERSON.size - MISS) // HIT):
            settle = await allowance.take(caller)
            settle(HIT)

    assert draws < 10


def slow_draws(monkeypatch: pytest.MonkeyPatch, each_s: float) -> list[float]:
    """Let each draw take so long more, as on a busy database; the list grows with each."""
    begun: list[float] = []

    async def slowly(*arguments: object, **options: object) -> object:
        begun.append(each_s)
        await asyncio.sleep(each_s)
        return await draw_all(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(allowance_module, "draw_all", slowly)
    return begun


@pytest.mark.real
@pytest.mark.parametrize("kind", PLANS)
async def test_an_empty_bucket_is_said_after_one_draw_though_it_fills_meanwhile(
    database_dsn: str, monkeypatch: pytest.MonkeyPatch, kind: Kind
) -> None:
    # Longer than a thousandth of a token takes to come in: each draw gives something.
    draws = slow_draws(monkeypatch, 0.05)
    async with allowance_at(database_dsn) as (allowance, database):
        caller = somebody(kind)
        want = {caller.client_id: Want(PLANS[kind], PLANS[kind].size)}
        async with database.connection() as connection:
            await draw_all(connection, want, now=SystemClock().now())
        async with asyncio.timeout(5):
            found = [await miss(allowance, caller) for _ in range(3)]

    # One more gives back what had come in.
    assert (found, len(draws)) == ([False] * 3, 3 + 1)


@pytest.mark.real
async def test_a_lease_that_somebody_waits_for_is_not_given_back(
    database_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(allowance_module, "LEASE_S", 0.1)
    slow_draws(monkeypatch, 0.5)
    caller = somebody()
    async with allowance_at(database_dsn) as (allowance, database):
        first = asyncio.create_task(allowance.take(caller))
        await asyncio.sleep(0.3)
        second = asyncio.create_task(allowance.take(caller))
        async with asyncio.timeout(5):
            for settle in await asyncio.gather(first, second):
                settle(0)
        await allowance.close()
        left = await tokens_of(database, caller)

    assert left == PERSON.size


@pytest.mark.real
async def test_nobody_is_left_waiting_whatever_becomes_of_the_draw(
    database_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def loses(*_arguments: object, **_options: object) -> dict[str, int]:
        return {}

    async with asyncio.timeout(5), allowance_at(database_dsn) as (allowance, _):
        monkeypatch.setattr(allowance_module, "draw_all", loses)
        asked = await asyncio.gather(
            *(allowance.take(somebody()) for _ in range(3)), return_exceptions=True
        )
        assert all(isinstance(each, KeyError) for each in asked)

        slow_draws(monkeypatch, 0.5)
        waiting = asyncio.create_task(allowance.take(somebody()))
        await asyncio.sleep(0.1)
        await allowance.close()
        await asyncio.wait([waiting])
        assert waiting.cancelled()


@pytest.mark.real
async def test_two_processes_share_one_bucket_and_a_restart_does_not_fill_it(
    database_dsn: str,
) -> None:
    caller = somebody()
    async with allowance_at(database_dsn) as (one, _), allowance_at(database_dsn) as (other, _):
        found = [await miss(each, caller) for _ in range(3) for each in (one, other)]
    async with allowance_at(database_dsn) as (again, _):
        found.append(await miss(again, caller))

    assert sum(found) == 5


@pytest.mark.real
async def test_what_was_drawn_and_not_used_goes_back(database_dsn: str) -> None:
    caller = somebody()
    async with allowance_at(database_dsn) as (allowance, database):
        settle = await allowance.take(caller)
        settle(HIT)
        held = await tokens_of(database, caller)
        await allowance.close()
        left = await tokens_of(database, caller)

    assert PERSON.size - MISS - LEASE <= held < PERSON.size - LEASE
    # Less the hit, and what may have come in with time meanwhile.
    assert PERSON.size - HIT <= left < PERSON.size


@pytest.mark.real
async def test_a_completed_payment_gives_a_token_back_once(database_dsn: str) -> None:
    caller, now = somebody(), SystemClock().now()
    accepted_at = now - CREDIT_LAG - timedelta(seconds=5)
    async with allowance_at(database_dsn) as (_, database), database.connection() as connection:
        want = Want(PERSON, PERSON.size)
        await draw_all(connection, {caller.client_id: want}, now=accepted_at)
        for posted_at, accepted in [
            (accepted_at, accepted_at),
            (accepted_at, accepted_at),
            (None, accepted_at),
            (now, now),
        ]:
            await connection.execute(
                "INSERT INTO payments (payment_id, client_id, accepted_at, posted_at)"
                " VALUES ($1, $2, $3, $4)",
                *(uuid4(), caller.client_id, accepted, posted_at),
            )
        drawn = [
            (await draw_all(connection, {caller.client_id: want}, now=now))[caller.client_id]
            for _ in range(2)
        ]

    filled = int((now - accepted_at).total_seconds() * PERSON.per_second)
    assert drawn == [2 * PAID + filled, 0]


async def tokens_of(database: Database, caller: Caller) -> int:
    async with database.connection() as connection:
        left: int = await connection.fetchval(
            "SELECT tokens_milli FROM lookup_buckets WHERE client_id = $1", caller.client_id
        )
    return left
