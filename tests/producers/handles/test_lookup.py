"""The look-up before a real Valkey: never stale, whatever is erased, late, stopped or restored."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import redis.asyncio

from domain.errors import Unavailable
from producers.handles.sight import NOBODY, Sight
from runtime import limits
from tests.producers.handles.look_up import Directory, Place, Switch, look_up_at
from tests.support.waiting import eventually
from titan.servers import Valkey

pytestmark = pytest.mark.real


@pytest.fixture
async def place(valkey: Valkey) -> AsyncIterator[Place]:
    async with look_up_at(valkey, Directory(), Switch()) as place:
        yield place


async def test_a_second_look_up_needs_no_query(place: Place) -> None:
    place.directory.put("alice", 3)

    assert await place.lookup.sight("alice") == place.directory.sight("alice")
    await eventually(lambda: place.is_cached("alice"))
    assert await place.lookup.sight("alice") == place.directory.sight("alice")


async def test_what_nobody_claimed_is_remembered_too(place: Place) -> None:
    assert await place.lookup.sight("nobody") == NOBODY
    await eventually(lambda: place.is_cached("nobody"))

    await place.lookup.on_events([place.directory.put("nobody", 1)])

    assert await place.lookup.sight("nobody") == place.directory.sight("nobody")


async def test_all_who_ask_in_one_moment_share_one_query(place: Place) -> None:
    place.directory.put("alice", 1)
    place.directory.put("bob", 2)

    sights = await asyncio.gather(
        *(place.lookup.sight(handle) for handle in ["alice", "bob", "alice", "nobody"] * 50)
    )

    assert [sorted(query) for query in place.directory.queries] == [["alice", "bob", "nobody"]]
    assert sights[:4] == [place.directory.sight(h) for h in ["alice", "bob", "alice", "nobody"]]


async def test_who_asks_while_a_query_is_under_way_joins_it(place: Place) -> None:
    place.directory.answers.clear()
    first = asyncio.create_task(place.lookup.sight("alice"))
    await eventually(lambda: place.directory.queries)
    second = asyncio.create_task(place.lookup.sight("alice"))
    await asyncio.sleep(0)
    place.directory.answers.set()

    assert await first == await second == NOBODY
    assert len(place.directory.queries) == 1


async def test_one_who_gives_up_does_not_take_the_answer_from_the_others(place: Place) -> None:
    place.directory.put("alice", 1)
    place.directory.answers.clear()
    first = asyncio.create_task(place.lookup.sight("alice"))
    second = asyncio.create_task(place.lookup.sight("alice"))
    await eventually(lambda: place.directory.queries)
    first.cancel()
    place.directory.answers.set()

    assert await second == place.directory.sight("alice")


async def test_nobody_joins_a_query_that_a_change_has_overtaken(place: Place) -> None:
    place.directory.put("alice", 1)
    place.directory.answers.clear()
    old = asyncio.create_task(place.lookup.sight("alice"))
    await eventually(lambda: place.directory.queries)
    change = place.directory.put("alice", 2)
    await place.lookup.on_events([change])
    new = asyncio.create_task(place.lookup.sight("alice"))

    assert (await new).version == 2
    place.directory.answers.set()
    assert (await old).version == 1


async def test_who_asked_in_the_moment_before_a_change_is_answered_too(place: Place) -> None:
    place.directory.put("alice", 1)
    # All three in one turn of the loop.
    before = asyncio.create_task(place.lookup.sight("alice"))
    change = asyncio.create_task(place.lookup.on_events([place.directory.put("alice", 2)]))
    after = asyncio.create_task(place.lookup.sight("alice"))

    assert (await after).version == 2
    assert (await before).version == 2
    await change


async def test_a_slow_reader_cannot_put_back_what_a_change_has_overtaken(place: Place) -> None:
    place.directory.put("alice", 1)
    place.directory.answers.clear()
    slow = asyncio.create_task(place.lookup.sight("alice"))
    await eventually(lambda: place.directory.queries)
    await place.lookup.on_events([place.directory.put("alice", 2)])
    place.directory.answers.set()
    await slow
    await place.lookup.close()

    assert await place.is_cached("alice")
    assert (await place.lookup.sight("alice")).version == 2


async def test_a_slow_reader_cannot_fill_an_erased_cache_with_what_it_read_before(
    place: Place,
) -> None:
    place.directory.put("alice", 1)
    place.directory.answers.clear()
    slow = asyncio.create_task(place.lookup.sight("alice"))
    await eventually(lambda: place.directory.queries)
    await place.lookup.on_events([place.directory.put("alice", 2)])
    await place.redis.flushall()
    # Another look-up begins the next epoch before the slow one comes to write.
    other = asyncio.create_task(place.lookup.sight("bob"))
    await eventually(lambda: len(place.directory.queries) == 2)
    place.directory.answers.set()
    await asyncio.gather(slow, other)
    await place.lookup.close()

    assert (await place.lookup.sight("alice")).version == 2


async def test_an_erased_cache_changes_no_answer(place: Place) -> None:
    place.directory.put("alice", 1)
    await place.lookup.sight("alice")
    await eventually(lambda: place.is_cached("alice"))
    await place.redis.flushall()

    assert not await place.is_cached("alice")
    assert await place.lookup.sight("alice") == place.directory.sight("alice")
    await eventually(lambda: place.is_cached("alice"))


async def test_an_older_event_does_not_replace_a_newer_entry(place: Place) -> None:
    await place.lookup.sight("alice")
    old, new = place.directory.put("alice", 1), place.directory.put("alice", 2, released=True)
    for events in ([new], [old], [new, old], [old, new]):
        await place.lookup.on_events(events)

        assert await place.is_cached("alice")
        assert await place.lookup.sight("alice") == Sight(2, None)


async def test_without_a_fresh_tail_the_cache_is_not_believed(place: Place) -> None:
    place.directory.put("alice", 1)
    await place.lookup.sight("alice")
    await eventually(lambda: place.is_cached("alice"))
    place.tail.is_fresh = False
    place.directory.put("alice", 2)

    assert (await place.lookup.sight("alice")).version == 2


async def test_changes_that_may_have_been_missed_make_every_entry_void_for_every_process(
    place: Place,
) -> None:
    place.directory.put("alice", 1)
    await place.lookup.sight("alice")
    await eventually(lambda: place.is_cached("alice"))
    async with look_up_at(place.valkey, place.directory, Switch()) as other:
        # The other process has just begun: it does not know what was missed before.
        place.directory.put("alice", 2)
        assert (await other.lookup.sight("alice")).version == 2
        assert (await place.lookup.sight("alice")).version == 2


async def test_a_dead_cache_changes_no_answer_and_a_living_one_is_used_again(
    place: Place,
) -> None:
    place.directory.put("alice", 1)
    await place.lookup.sight("alice")
    place.valkey.kill()
    for version in (2, 3):
        place.directory.put("alice", version)
        assert (await place.lookup.sight("alice")).version == version

    await place.valkey.start()

    await eventually(lambda: place.is_cached("alice"))
    assert (await place.lookup.sight("alice")).version == 3


async def test_a_server_that_comes_up_with_older_contents_is_not_believed(place: Place) -> None:
    place.directory.put("alice", 1)
    await place.lookup.sight("alice")
    await eventually(lambda: place.is_cached("alice"))
    await place.redis.save()
    await place.lookup.on_events([place.directory.put("alice", 2)])
    assert (await place.lookup.sight("alice")).version == 2
    place.valkey.kill()
    await place.valkey.start()
    async with redis.asyncio.Redis.from_url(place.valkey.url) as client:
        assert await client.exists("tests:handles:entry:alice")

    assert (await place.lookup.sight("alice")).version == 2


async def test_a_change_that_could_not_be_written_makes_the_entries_void(place: Place) -> None:
    place.directory.put("alice", 1)
    await place.lookup.sight("alice")
    await eventually(lambda: place.is_cached("alice"))
    await place.redis.client_pause(int((limits.CACHE_COMMAND_S_MAX + 0.1) * 1000))
    await place.lookup.on_events([place.directory.put("alice", 2)])

    # However late the paused server does what it was asked, and whoever reads when.
    async with asyncio.timeout(5):
        while not await place.is_cached("alice"):
            assert (await place.lookup.sight("alice")).version == 2
    assert (await place.lookup.sight("alice")).version == 2


async def test_a_damaged_entry_is_read_anew(place: Place) -> None:
    place.directory.put("alice", 1)
    await place.lookup.sight("alice")
    await eventually(lambda: place.is_cached("alice"))
    key = "tests:handles:entry:alice"
    value: Any = await place.redis.get(key)
    [epoch, *_] = value.split(b"|")
    for damage in (b"", b"|||", b"9|x|y", b"9|not-a-uuid|USD|name", b"\xff\xfe|"):
        await place.redis.set(key, epoch + b"|" + damage)

        assert await place.lookup.sight("alice") == place.directory.sight("alice")


async def test_the_error_of_a_query_reaches_all_who_wait_and_nobody_later(place: Place) -> None:
    place.directory.is_down = True
    outcomes = await asyncio.gather(
        *(place.lookup.sight("alice") for _ in range(3)), return_exceptions=True
    )
    assert [type(outcome) for outcome in outcomes] == [Unavailable] * 3

    place.directory.is_down = False
    assert await place.lookup.sight("alice") == NOBODY
