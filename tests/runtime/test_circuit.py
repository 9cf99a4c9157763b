"""A dependency that does not answer is not asked again for a while."""

import asyncio

import pytest

from domain.errors import Unavailable
from runtime.circuit import Circuit
from runtime.clock import SystemClock


class HandClock(SystemClock):
    """Time goes on when the test says so."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def monotonic_s(self) -> float:
        return self.now_s


class Dependency:
    """Counts questions; answers while it is up."""

    def __init__(self) -> None:
        self.is_up = True
        self.asked = 0

    async def answer(self) -> int:
        self.asked += 1
        if not self.is_up:
            raise Unavailable("down")
        return self.asked


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def circuit(clock: HandClock) -> Circuit:
    return Circuit(wait_s_max=5.0, rest_s=1.0, clock=clock)


async def test_it_hands_answers_through(circuit: Circuit) -> None:
    dependency = Dependency()

    assert [await circuit.ask(dependency.answer) for _ in range(3)] == [1, 2, 3]


async def test_after_a_failure_nobody_asks_until_it_has_rested(
    circuit: Circuit, clock: HandClock
) -> None:
    dependency = Dependency()
    dependency.is_up = False
    for _ in range(10):
        with pytest.raises(Unavailable):
            await circuit.ask(dependency.answer)
    assert dependency.asked == 1

    clock.now_s += 1.01
    dependency.is_up = True

    assert await circuit.ask(dependency.answer) == 2
    assert await circuit.ask(dependency.answer) == 3


async def test_one_asks_on_trial_while_the_others_go_without(
    circuit: Circuit, clock: HandClock
) -> None:
    dependency = Dependency()
    dependency.is_up = False
    with pytest.raises(Unavailable):
        await circuit.ask(dependency.answer)
    clock.now_s += 1.01
    answered = asyncio.Event()

    async def slow() -> str:
        await answered.wait()
        return "here again"

    trial = asyncio.create_task(circuit.ask(slow))
    await asyncio.sleep(0)
    with pytest.raises(Unavailable):
        await circuit.ask(dependency.answer)
    answered.set()

    assert await trial == "here again"
    assert dependency.asked == 1


async def test_what_takes_too_long_counts_as_no_answer(clock: HandClock) -> None:
    circuit = Circuit(wait_s_max=0.01, rest_s=1.0, clock=clock)

    async def never() -> None:
        await asyncio.Event().wait()

    with pytest.raises(Unavailable):
        await circuit.ask(never)
    assert circuit.is_open


async def test_what_is_not_about_being_down_leaves_the_circuit_closed(circuit: Circuit) -> None:
    async def wrong() -> None:
        raise ValueError("a bug")

    with pytest.raises(ValueError, match="a bug"):
        await circuit.ask(wrong)
    assert not circuit.is_open
