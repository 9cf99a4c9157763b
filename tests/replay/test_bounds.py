"""The past as a broker still has it: up to an instant, or up to an offset, and no further."""

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest

from replay.vector import places_of
from runtime.clock import SystemClock
from schemas.event import PaymentEvent
from schemas.payment import PaymentPosted
from tests.replay.people import life
from tests.replay.place import Place

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]

_APART_S = 0.05


async def rebuilt(place: Place, *lives: list[PaymentEvent]) -> dict[UUID, bool]:
    """Of these payments those in the last replay, and whether each was posted by then."""
    rows = await place.owner.fetch(
        "SELECT payment_id, posted_at FROM titan_replay.payments"
        " WHERE payment_id = ANY($1::uuid[])",
        [each[0].payment_id for each in lives],
    )
    return {row["payment_id"]: row["posted_at"] is not None for row in rows}


async def test_an_instant_that_is_past_is_built_from_what_was_there(place: Place) -> None:
    before, unfinished, after = life(1), life(2), life(3)
    await place.tell(*before, *unfinished[:3])
    await asyncio.sleep(_APART_S)
    instant = (SystemClock().now() - timedelta(seconds=_APART_S / 2)).isoformat()
    await place.tell(unfinished[3], *after)

    code, _ = await place.replay("payments", "--at", instant)

    assert code == 0
    assert await rebuilt(place, before, unfinished, after) == {
        before[0].payment_id: True,
        unfinished[0].payment_id: False,
    }
    _, then = await place.titan("at", instant, "payment", str(unfinished[0].payment_id))
    _, now = await place.titan(
        "at", SystemClock().now().isoformat(), "payment", str(unfinished[0].payment_id)
    )
    assert (then["state"], now["state"]) == ("screened", "posted")
    assert (await place.titan("at", instant, "payment", str(after[0].payment_id)))[0] == 1


async def test_a_partition_is_read_up_to_its_offset_and_others_to_their_ends(place: Place) -> None:
    lives = [life(number) for number in range(8)]
    await place.tell(*[event for each in lives for event in each])
    partitions = places_of([PaymentPosted.TOPIC])
    bounds = [f"{each.topic}:{each.partition}:0" for each in partitions]

    code, found = await place.replay(
        "payments", *[part for bound in bounds for part in ("--until-offset", bound)]
    )

    assert code == 0
    assert found["vector"][PaymentPosted.TOPIC] == [0] * len(partitions)
    assert await rebuilt(place, *lives) == {each[0].payment_id: False for each in lives}
