"""Hashing takes its turns: never more at once than it has threads, whoever floods."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import bcrypt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.auth import limits
from producers.auth.allowance import HashAllowance
from producers.auth.passwords import THREAD_NAME, PasswordHasher
from runtime.clock import SystemClock
from runtime.http.problem import ProblemError
from tests.support.waiting import eventually

HASH = bcrypt.hashpw(b"correct horse battery", bcrypt.gensalt(4)).decode()


class Counted:
    """How many hashes run at once, seen from inside the threads that run them."""

    def __init__(self) -> None:
        self.running = 0
        self.most = 0
        self.threads: set[str] = set()
        self._lock = threading.Lock()
        self.gate = threading.Event()
        self.gate.set()

    @contextmanager
    def one(self) -> Iterator[None]:
        with self._lock:
            self.running += 1
            self.most = max(self.most, self.running)
            self.threads.add(threading.current_thread().name)
        try:
            assert self.gate.wait(10)
            yield
        finally:
            with self._lock:
                self.running -= 1


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counted:
    counted, check = Counted(), bcrypt.checkpw

    def seen(password: bytes, hashed: bytes) -> bool:
        with counted.one():
            return check(password, hashed)

    monkeypatch.setattr(bcrypt, "checkpw", seen)
    return counted


def hasher_of(threads: int, *, share: float = 1.0) -> PasswordHasher:
    return PasswordHasher(cost=4, threads=threads, share=share, clock=SystemClock())


async def tried(
    hasher: PasswordHasher, address: str, text: str = "wrong", *, is_known: bool = False
) -> str:
    try:
        async with hasher.turn(address, is_known=is_known) as turn:
            return str(await turn.check(text, HASH))
    except ProblemError as problem:
        return str(problem.status)


@pytest.mark.parametrize("threads", [1, 2, 3])
async def test_a_flood_of_two_hundred_runs_on_so_many_threads_and_no_more(
    counted: Counted, threads: int
) -> None:
    hasher = hasher_of(threads)
    counted.gate.clear()
    flood = [asyncio.create_task(tried(hasher, f"address {n % 50}")) for n in range(200)]
    await eventually(lambda: counted.running == threads)
    counted.gate.set()
    answers = await asyncio.gather(*flood)
    hasher.close()

    assert counted.most == threads
    assert all(name.startswith(THREAD_NAME) for name in counted.threads)
    looked_at = answers.count("False")
    assert threads * (limits.HASHES_WAITING_MAX + 1) == looked_at
    assert looked_at + answers.count("503") + answers.count("429") == 200


async def test_one_address_cannot_take_the_turns_of_others(counted: Counted) -> None:
    hasher = hasher_of(1)
    flood = [asyncio.create_task(tried(hasher, "flood")) for _ in range(50)]
    await asyncio.sleep(0)
    someone = await tried(hasher, "someone", "correct horse battery")
    answers = await asyncio.gather(*flood)
    hasher.close()

    assert someone == "True"
    assert answers.count("False") == limits.HASHES_PER_ADDRESS_MAX + 1
    assert answers.count("429") == 50 - limits.HASHES_PER_ADDRESS_MAX - 1


async def test_who_is_known_does_not_wait_for_strangers(counted: Counted) -> None:
    hasher = hasher_of(1)
    counted.gate.clear()
    flood = [asyncio.create_task(tried(hasher, f"stranger {n}")) for n in range(9)]
    await eventually(lambda: counted.running)
    known = asyncio.create_task(tried(hasher, "here", "correct horse battery", is_known=True))
    await eventually(lambda: counted.running == 2)
    assert counted.most == 2
    counted.gate.set()
    assert await known == "True"
    assert await asyncio.gather(*flood) == ["False"] * 9
    assert counted.most == 2
    hasher.close()


class HandClock(SystemClock):
    def __init__(self) -> None:
        self.time_s = 0.0

    def monotonic_s(self) -> float:
        return self.time_s


@given(
    share=st.floats(0.05, 1.0),
    spans=st.lists(st.tuples(st.floats(0.001, 5), st.floats(0, 20)), min_size=1, max_size=50),
)
def test_strangers_take_no_more_than_their_share_in_the_long_run(
    share: float, spans: list[tuple[float, float]]
) -> None:
    """However often they come: each rests as it is told, and may be idle for longer."""
    clock = HandClock()
    allowance = HashAllowance(share, clock=clock)
    hashed_s = 0.0
    for took_s, idle_s in spans:
        clock.time_s += took_s
        hashed_s += took_s
        rest_s = allowance.spend(took_s)
        # The last hash may overdraw: then the rest makes up for it.
        assert hashed_s <= limits.HASH_BURST_S + share * (clock.time_s + rest_s) + 1e-6
        clock.time_s += rest_s + idle_s


async def test_past_their_share_strangers_wait_and_the_known_do_not(
    counted: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "HASH_BURST_S", 0.0)
    monkeypatch.setattr(limits, "HASH_WAIT_S_MAX", 0.05)
    hasher = hasher_of(1, share=0.0001)
    assert await tried(hasher, "stranger") == "False"
    assert await tried(hasher, "another stranger") == "503"
    assert await tried(hasher, "here", "correct horse battery", is_known=True) == "True"
    hasher.close()


async def test_who_waits_too_long_is_told_so_and_keeps_no_turn(
    counted: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "HASH_WAIT_S_MAX", 0.05)
    hasher = hasher_of(1)
    counted.gate.clear()
    first = asyncio.create_task(tried(hasher, "first"))
    await asyncio.sleep(0)
    assert await asyncio.gather(*(tried(hasher, f"next {n}") for n in range(5))) == ["503"] * 5

    counted.gate.set()
    assert await first == "False"
    assert await tried(hasher, "after", "correct horse battery") == "True"
    hasher.close()


async def test_who_gives_up_does_not_free_a_thread_that_is_at_work(counted: Counted) -> None:
    hasher = hasher_of(1)
    counted.gate.clear()
    first = asyncio.create_task(tried(hasher, "first"))
    await eventually(lambda: counted.running)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    second = asyncio.create_task(tried(hasher, "second", "correct horse battery"))
    for _ in range(20):
        await asyncio.sleep(0)
    assert counted.most == 1
    assert not second.done()

    counted.gate.set()
    assert await second == "True"
    assert counted.most == 1
    hasher.close()


@pytest.mark.parametrize("text", ["x" * 73, "", "\0", "\N{GRINNING FACE}" * 300])
async def test_what_nobody_can_have_is_wrong_and_costs_a_hash(counted: Counted, text: str) -> None:
    hasher = hasher_of(1)
    assert await tried(hasher, "here", text) == "False"
    async with hasher.turn("here") as turn:
        assert not await turn.check("correct horse battery", None)
    assert counted.threads
    hasher.close()


async def test_no_tail_of_a_long_password_counts(counted: Counted) -> None:
    """bcrypt reads 72 bytes: a longer text that begins with somebody's password is not theirs."""
    hasher = hasher_of(1)
    async with hasher.turn("here") as turn:
        hashed = await turn.hash(b"x" * 72)
        assert await turn.check("x" * 72, hashed)
        assert not await turn.check("x" * 73, hashed)
    hasher.close()
