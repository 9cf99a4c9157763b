"""Names whose servers are silent take nothing from those whose servers speak."""

import asyncio
from collections.abc import Iterator

import pytest

from runtime.clock import SystemClock
from runtime.outgoing import NoTurn, Outgoing, OutgoingFailure, SystemResolver, limits
from runtime.outgoing.failure import Cause
from tests.support.name_service import SILENT, NameService, name_service
from tests.support.sink import open_sink
from tests.support.waiting import eventually

PUBLIC = "8.8.8.8"


class HurriedClock(SystemClock):
    """The machine's clock, put forward as a test wants it."""

    def __init__(self) -> None:
        self.ahead_s = 0.0

    def monotonic_s(self) -> float:
        return super().monotonic_s() + self.ahead_s


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Iterator[NameService]:
    with name_service(monkeypatch) as service:
        yield service


@pytest.fixture
def clock() -> HurriedClock:
    return HurriedClock()


@pytest.fixture
def resolver(clock: HurriedClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[SystemResolver]:
    """One that gives up soon, and has two threads."""
    monkeypatch.setattr(limits, "LOOKUPS_MAX", 2)
    monkeypatch.setattr(limits, "TURN_S_MAX", 0.05)
    monkeypatch.setattr(limits, "RESOLVE_S_MAX", 0.1)
    resolver = SystemResolver(clock=clock)
    yield resolver
    resolver.close()


async def cause_of(outgoing: Outgoing, url: str) -> Cause:
    with pytest.raises(OutgoingFailure) as failure:
        await outgoing.post(url, [], b"{}")
    return failure.value.cause


async def test_a_client_of_fifty_silent_names_holds_up_nobody_else(names: NameService) -> None:
    async with open_sink() as sink:
        outgoing = Outgoing(clock=SystemClock(), loopback=True)
        silent = [
            asyncio.create_task(cause_of(outgoing, f"https://a{number}{SILENT}/"))
            for number in range(50)
        ]
        await eventually(lambda: len(names.questions) >= 4)
        reply = await outgoing.post(f"http://localhost:{sink.port}/", [], b"{}")
        assert reply.status == 204
        assert set(await asyncio.gather(*silent)) == {Cause.UNREACHABLE}
        # And once more, while all of them still hold a thread.
        assert (await outgoing.post(f"http://localhost:{sink.port}/", [], b"{}")).status == 204
        outgoing.close()
        await asyncio.sleep(0)


async def test_a_name_that_holds_a_thread_is_not_asked_for_again(
    names: NameService, resolver: SystemResolver
) -> None:
    host = f"a{SILENT}"
    for _ in range(10):
        with pytest.raises(TimeoutError):
            await resolver.resolve(host)
    assert names.questions[host] == 1


async def test_whoever_gets_no_turn_is_told_so_and_has_not_failed(
    names: NameService, resolver: SystemResolver, clock: HurriedClock
) -> None:
    names.addresses["hook.example.com"] = PUBLIC
    for number in range(2):
        with pytest.raises(TimeoutError):
            await resolver.resolve(f"a{number}{SILENT}")
    outgoing = Outgoing(clock=clock, resolver=resolver)
    with pytest.raises(NoTurn):
        await outgoing.post("https://hook.example.com/", [], b"{}")
    assert names.questions["hook.example.com"] == 0
    names.speaks.set()

    async def answered() -> bool:
        try:
            return await resolver.resolve("hook.example.com") == [PUBLIC]
        except NoTurn:
            return False

    await eventually(answered)


async def test_a_name_that_was_silent_rests_and_is_asked_for_again(
    names: NameService, resolver: SystemResolver, clock: HurriedClock
) -> None:
    host = f"a{SILENT}"
    with pytest.raises(TimeoutError):
        await resolver.resolve(host)
    names.speaks.set()
    for _ in range(10):
        await asyncio.sleep(0.01)
        with pytest.raises(TimeoutError):
            await resolver.resolve(host)
    assert names.questions[host] == 1
    names.addresses[host] = PUBLIC

    async def answered() -> bool:
        clock.ahead_s += limits.SILENT_REST_S
        try:
            return await resolver.resolve(host) == [PUBLIC]
        except TimeoutError:
            return False

    await eventually(answered)


async def test_a_name_that_is_only_slow_does_not_rest(
    names: NameService, resolver: SystemResolver
) -> None:
    host = f"a{SILENT}"
    names.addresses[host] = PUBLIC
    with pytest.raises(TimeoutError):
        await resolver.resolve(host)
    names.speaks.set()

    async def answered() -> bool:
        try:
            return await resolver.resolve(host) == [PUBLIC]
        except TimeoutError:
            return False

    await eventually(answered)


async def test_a_name_that_answers_is_asked_for_anew_each_time_and_shared_at_one_time(
    names: NameService, resolver: SystemResolver
) -> None:
    names.addresses["hook.example.com"] = PUBLIC
    assert await resolver.resolve("hook.example.com") == [PUBLIC]
    names.addresses["hook.example.com"] = "10.0.0.1"
    found = await asyncio.gather(*(resolver.resolve("hook.example.com") for _ in range(20)))
    assert found == [["10.0.0.1"]] * 20
    assert names.questions["hook.example.com"] == 2
