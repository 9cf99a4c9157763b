"""What a process keeps itself is never older than what its tail has brought."""

import asyncio
import random
from collections.abc import AsyncIterator

import pytest

from producers.handles.near import NearSights
from producers.handles.sight import NOBODY
from runtime import limits
from runtime.clock import SystemClock
from tests.producers.handles.look_up import Directory, Place, Switch, look_up_at
from tests.support.waiting import eventually
from titan.servers import Valkey

pytestmark = pytest.mark.real


@pytest.fixture
async def place(valkey: Valkey) -> AsyncIterator[Place]:
    async with look_up_at(valkey, Directory(), Switch(), near_max=2) as place:
        yield place


async def test_what_a_process_keeps_itself_needs_no_cache(place: Place) -> None:
    place.directory.put("alice", 1)
    await place.lookup.sight("alice")
    place.valkey.kill()

    assert await place.is_cached("alice")
    assert await place.lookup.sight("alice") == place.directory.sight("alice")


async def test_a_change_drops_what_a_process_keeps_itself(place: Place) -> None:
    place.directory.put("alice", 1)
    await place.lookup.sight("alice")
    for version in range(2, 5):
        await place.lookup.on_events([place.directory.put("alice", version)])

        assert (await place.lookup.sight("alice")).version == version


async def test_a_query_that_a_change_has_overtaken_is_not_kept(place: Place) -> None:
    place.directory.put("alice", 1)
    place.directory.answers.clear()
    slow = asyncio.create_task(place.lookup.sight("alice"))
    await eventually(lambda: place.directory.queries)
    await place.lookup.on_events([place.directory.put("alice", 2)])
    place.directory.answers.set()
    assert (await slow).version == 1

    assert (await place.lookup.sight("alice")).version == 2


async def test_who_reads_the_cache_while_a_change_is_being_written_keeps_nothing(
    place: Place,
) -> None:
    place.directory.put("alice", 1)
    await place.lookup.sight("alice")
    await place.lookup.close()
    # Reads go through, writes wait: shorter than the cache is given up for.
    await place.redis.client_pause(int(limits.CACHE_COMMAND_S_MAX * 1000 / 2), all=False)
    writing = asyncio.create_task(place.lookup.on_events([place.directory.put("alice", 2)]))
    while not writing.done():
        await place.lookup.sight("alice")
        await asyncio.sleep(0)

    assert (await place.lookup.sight("alice")).version == 2


async def test_without_a_fresh_tail_a_process_does_not_believe_itself(place: Place) -> None:
    place.directory.put("alice", 1)
    await place.lookup.sight("alice")
    place.tail.is_fresh = False
    place.directory.put("alice", 2)

    assert (await place.lookup.sight("alice")).version == 2


async def test_after_missed_changes_a_process_begins_anew(place: Place) -> None:
    place.directory.put("alice", 1)
    await place.lookup.sight("alice")
    place.directory.answers.clear()
    slow = asyncio.create_task(place.lookup.sight("bob"))
    await eventually(lambda: len(place.directory.queries) == 2)
    place.directory.put("alice", 2)
    place.directory.put("bob", 1)
    place.lookup.distrust()
    place.directory.answers.set()
    await slow

    assert (await place.lookup.sight("alice")).version == 2
    assert (await place.lookup.sight("bob")).version == 1


async def test_a_process_keeps_only_so_many_and_drops_the_one_longest_unused(place: Place) -> None:
    for handle in ("alice", "bob", "alice", "carol"):
        await place.lookup.sight(handle)
    await place.redis.flushall()

    assert await place.is_cached("alice")
    assert await place.is_cached("carol")
    assert not await place.is_cached("bob")


async def test_what_a_process_keeps_ends_by_itself(valkey: Valkey) -> None:
    class Later(SystemClock):
        ahead_s = 0.0

        def monotonic_s(self) -> float:
            return super().monotonic_s() + self.ahead_s

    clock = Later()
    near = NearSights(10, clock=clock)
    near.follow(Switch())
    near.put("alice", NOBODY)
    assert near.get("alice") == NOBODY

    clock.ahead_s = limits.NEAR_SIGHT_S

    assert near.get("alice") is None


@pytest.mark.parametrize("near_max", [0, 2, 100])
async def test_nobody_sees_an_older_version_than_was_written_through(
    valkey: Valkey, near_max: int
) -> None:
    async with look_up_at(valkey, Directory(), Switch(), near_max=near_max) as place:
        await hammer(place)


async def hammer(place: Place) -> None:
    chance = random.Random(7)
    floor: dict[str, int] = {}
    handles = ["alice", "bob", "carol"]
    is_over = False

    async def read() -> None:
        while not is_over:
            handle = chance.choice(handles)
            at_least = floor.get(handle, 0)
            assert (await place.lookup.sight(handle)).version >= at_least
            await asyncio.sleep(0)

    readers = [asyncio.create_task(read()) for _ in range(8)]
    for turn in range(400):
        handle = chance.choice(handles)
        change = place.directory.put(handle, floor.get(handle, 0) + 1)
        await place.lookup.on_events([change])
        floor[handle] = change.version
        if turn % 40 == 0:
            await place.redis.flushall()
        if turn % 70 == 0:
            place.lookup.distrust()
    is_over = True
    await asyncio.gather(*readers)
