"""Held against the table of payments while its stage writes to it: no false alarm, none missed.

Goal: `titan replay` says "equal" while events flow, names each planted fault, and a swap loses
nothing of what the stage applied meanwhile. A real stage, real servers, the command itself.
"""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest

from runtime import limits
from tests.replay.people import conflict, life
from tests.replay.place import Place

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]

PROJECTION = "payment_projection"


@asynccontextmanager
async def flowing(place: Place) -> AsyncIterator[None]:
    """Payments come without a pause, in every state of their lives, some under a used key."""
    stop = asyncio.Event()

    async def flow() -> None:
        number = 0
        while not stop.is_set():
            lives = [life(number + n, is_refused=n % 7 == 0) for n in range(20)]
            lives.append(conflict(number))
            for step in range(4):
                await place.tell(*[each[step] for each in lives if step < len(each)])
            number += 20

    task = asyncio.create_task(flow())
    try:
        yield
    finally:
        stop.set()
        await task


async def test_payments_are_equal_while_they_flow_and_when_they_rest(place: Place) -> None:
    async with place.living(PROJECTION):
        async with flowing(place):
            for _ in range(4):
                code, found = await place.replay("payments")
                [table] = found["tables"]
                assert (code, found["equal"], table["differences"]) == (0, True, [])
                assert table["live_sha256"] == table["rebuilt_sha256"]
        await place.until_done(PROJECTION)
        code, found = await place.replay("payments")

    [table] = found["tables"]
    assert (code, found["equal"], table["in_flight"]) == (0, True, 0)
    assert table["rows"] == await place.owner.fetchval("SELECT count(*) FROM payments") > 20
    assert sum(map(sum, found["vector"].values())) == sum((await place.ends(PROJECTION)).values())


async def test_every_planted_fault_is_named_while_payments_flow_and_a_swap_mends_it(
    place: Place,
) -> None:
    victims = [life(number) for number in range(4)]
    await place.tell(*[event for each in victims for event in each])
    ids = [each[0].payment_id for each in victims]
    stray = uuid4()
    async with place.living(PROJECTION):
        await place.until_done(PROJECTION)
        for fault, key in (
            ("DELETE FROM payments WHERE payment_id = $1", ids[0]),
            ("UPDATE payments SET amount_minor = amount_minor + 1 WHERE payment_id = $1", ids[1]),
            ("UPDATE payments SET posted_at = NULL WHERE payment_id = $1", ids[2]),
            ("INSERT INTO payments (payment_id) VALUES ($1)", stray),
        ):
            await place.owner.execute(fault, key)
        async with flowing(place):
            code, found = await place.replay("payments")
            [table] = found["tables"]
            assert (code, found["equal"], table["different"]) == (1, False, 4)
            assert table["live_sha256"] != table["rebuilt_sha256"]
            assert {(each["key"], each["column"]) for each in table["differences"]} == {
                (str(ids[0]), None),
                (str(ids[1]), "amount_minor"),
                (str(ids[2]), "posted_at"),
                (str(stray), None),
            }
            code, found = await place.replay("payments", "--swap")
            assert (code, found["swapped"], found["equal"]) == (0, True, False)
            code, found = await place.replay("payments")
            assert (code, found["equal"]) == (0, True)
        await place.until_done(PROJECTION)
        code, found = await place.replay("payments")

    assert (code, found["equal"], found["tables"][0]["in_flight"]) == (0, True, 0)


async def test_a_swap_waits_for_its_moment_and_stops_nobody_for_long(place: Place) -> None:
    await place.tell(*life(1))
    async with place.living(PROJECTION):
        await place.until_done(PROJECTION)
        held = place.owner.transaction()
        await held.start()
        await place.owner.execute("SELECT FROM payments")
        swapping = asyncio.create_task(place.replay("payments", "--swap"))
        await asyncio.wait([swapping], timeout=4 * limits.REPLAY_HOLD_LOCK_MS_MAX / 1000)
        assert not swapping.done()
        await held.commit()
        code, found = await swapping

    assert code == 0
    assert found["hold_s"] < limits.REPLAY_HOLD_S_MAX


async def test_a_stage_that_is_far_behind_cannot_be_held_against_the_log(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    await place.tell(*life(1))
    monkeypatch.setattr(limits, "REPLAY_TAIL_RECORDS_MAX", 3)

    code, said = await place.replay("payments")

    assert code == 1
    assert re.search("payment-projection is [1-9][0-9,]* records behind", said)


async def test_many_readers_come_to_the_same_table_as_one(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    lives = [life(number) for number in range(50)] + [conflict(number) for number in range(5)]
    await place.tell(*[event for each in lives for event in each])
    one = await place.replay("payments", "--at", "2100-01-01T00:00:00Z")
    monkeypatch.setattr(limits, "REPLAY_PARALLEL_RECORDS_MIN", 1)

    many = await place.replay("payments", "--at", "2100-01-01T00:00:00Z")

    assert many[1]["events"] == one[1]["events"] > 200
    assert many[1]["tables"] == one[1]["tables"]
    assert many[0] == 0
