"""The wall clock steps while deliveries flow: nothing is lost, and nothing comes under two ids."""

import asyncio
from collections import Counter
from datetime import timedelta

import pytest

from producers.webhook_delivery import limits
from tests.producers.webhook_delivery.place import Place, settle
from tests.support.sink import Say
from tests.support.waiting import eventually

pytestmark = pytest.mark.real

STEP = timedelta(hours=1)


async def test_after_a_step_back_new_events_go_at_once_and_earlier_ones_when_they_are_due(
    place: Place,
) -> None:
    async with place.sink() as sink, place.pool() as pool:
        endpoint = await place.endpoint(sink.url())
        place.clock.ahead = STEP
        await place.tell(endpoint.client_id, count=3)
        place.clock.ahead = timedelta()
        await place.tell(endpoint.client_id, count=2)
        await settle(pool)
        at_once = len(sink.received)
        place.clock.ahead = STEP + timedelta(seconds=1)
        await settle(pool)

    assert at_once == 2
    assert Counter(Counter(sink.ids()).values()) == {1: 5}
    assert {each["state"] for each in await place.deliveries(endpoint)} == {"delivered"}


@pytest.mark.parametrize("forget", ["rate_used_until", "rest_until"])
async def test_after_a_step_back_what_was_used_up_or_rested_before_holds_nothing_up(
    place: Place, forget: str
) -> None:
    async with place.sink() as sink, place.pool() as pool:
        endpoint = await place.endpoint(sink.url(), rate_per_s=50)
        place.clock.ahead = 100 * STEP
        await place.tell(endpoint.client_id, count=3)
        await settle(pool)
        async with place.database.connection() as connection:
            await connection.execute(
                f"UPDATE webhook_endpoints SET {forget} = $2 WHERE endpoint_id = $1",
                *(endpoint.endpoint_id, place.clock.now()),
            )
        place.clock.ahead = timedelta()
        await place.tell(endpoint.client_id, count=2)
        await settle(pool)

    assert Counter(Counter(sink.ids()).values()) == {1: 5}


async def test_a_step_back_while_an_attempt_is_under_way_sends_nothing_twice(
    place: Place,
) -> None:
    async with place.sink(lambda _: Say(wait_s=0.3)) as sink, place.pool() as pool:
        endpoint = await place.endpoint(sink.url())
        await place.tell(endpoint.client_id, count=4)
        await pool.round()
        place.clock.ahead = -STEP
        await settle(pool)
        place.clock.ahead = STEP
        await settle(pool)

    assert Counter(Counter(sink.ids()).values()) == {1: 4}
    rows = await place.deliveries(endpoint)
    assert {(each["state"], each["attempts"]) for each in rows} == {("delivered", 1)}


async def test_a_step_forward_ends_leases_and_what_comes_again_has_the_same_id(
    place: Place,
) -> None:
    answered = asyncio.Event()
    async with place.sink(lambda _: Say(wait_s=0.0 if answered.is_set() else 1.0)) as sink:
        endpoint = await place.endpoint(sink.url())
        await place.tell(endpoint.client_id, count=4)
        async with place.pool() as slow, place.pool() as other:
            await slow.round()
            await eventually(lambda: len(sink.received) == 4)
            answered.set()
            place.clock.ahead = timedelta(seconds=limits.LEASE_S + 1)
            await settle(other)
            await settle(slow)
            await settle(other)

    # At least once: the process that thinks itself alone sends again, under the id that it knows.
    assert Counter(Counter(sink.ids()).values()) == {2: 4}
    rows = await place.deliveries(endpoint)
    assert {(each["state"], each["attempts"]) for each in rows} == {("delivered", 2)}


async def test_steps_to_and_fro_lose_no_delivery_that_has_failed(place: Place) -> None:
    failing = True
    async with place.sink(lambda _: Say(500 if failing else 204)) as sink, place.pool() as pool:
        endpoint = await place.endpoint(sink.url())
        await place.tell(endpoint.client_id, count=3)
        await settle(pool)
        failing = False
        for ahead in (-STEP, timedelta(), STEP, timedelta(), 2 * STEP):
            place.clock.ahead = ahead
            await settle(pool)

    assert Counter(Counter(sink.ids()).values()) == {2: 3}
    assert {each["state"] for each in await place.deliveries(endpoint)} == {"delivered"}
