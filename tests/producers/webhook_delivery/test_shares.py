"""How the pool's places are shared out: by endpoint, and by client however many it has of them."""

from collections import Counter

import pytest

from producers.webhook_delivery import limits
from producers.webhook_delivery.claims import Busy, Claim, claim
from tests.producers.webhook_delivery.place import Endpoint, Place

pytestmark = pytest.mark.real


async def claimed(place: Place, busy: Busy) -> list[Claim]:
    """All that is claimed while nothing that was claimed ends."""
    found: list[Claim] = []
    async with place.database.connection() as connection:
        while room := limits.IN_FLIGHT_MAX - busy.endpoints.total():
            claims = await claim(connection, place.clock.now(), busy=busy, room=room)
            if not claims:
                break
            for each in claims:
                busy.begin(each)
            found += claims
    return found


async def endpoints(place: Place, count: int, client_id: str) -> list[Endpoint]:
    url = "https://hook.example.com/"
    return [await place.endpoint(url, client_id=client_id) for _ in range(count)]


async def test_a_client_of_many_slow_endpoints_leaves_places_to_others(place: Place) -> None:
    busy = Busy()
    await endpoints(place, 20, "many")
    await place.tell("many", count=limits.ENDPOINT_IN_FLIGHT_MAX)
    taken = await claimed(place, busy)
    by_endpoint = Counter(each.endpoint_id for each in taken)
    assert {each.client_id for each in taken} == {"many"}
    assert len(taken) == limits.CLIENT_IN_FLIGHT_MAX
    assert len(by_endpoint) == 20
    assert min(by_endpoint.values()) >= limits.CLIENT_IN_FLIGHT_MAX // 20

    await endpoints(place, 1, "one")
    await place.tell("one", count=limits.ENDPOINT_IN_FLIGHT_MAX * 2)
    others = await claimed(place, busy)
    assert Counter(each.client_id for each in others) == {"one": limits.ENDPOINT_IN_FLIGHT_MAX}

    for each in taken[:5]:
        busy.end(each)
    assert len(await claimed(place, busy)) == 5


async def test_what_is_due_at_many_endpoints_is_claimed_at_once(place: Place) -> None:
    """A share is no more than what a client may have, and one that has few due has them all."""
    busy = Busy()
    await endpoints(place, 50, "many")
    await place.tell("many", count=1)
    async with place.database.connection() as connection:
        claims = await claim(connection, place.clock.now(), busy=busy, room=limits.IN_FLIGHT_MAX)
    assert len({each.endpoint_id for each in claims}) == len(claims) == 50


async def test_a_client_with_less_room_than_endpoints_is_served_by_turns(place: Place) -> None:
    busy = Busy()
    await endpoints(place, 4, "many")
    await place.tell("many", count=2)
    busy.clients["many"] = limits.CLIENT_IN_FLIGHT_MAX - 1
    async with place.database.connection() as connection:
        seen = [
            await claim(connection, place.clock.now(), busy=busy, room=limits.IN_FLIGHT_MAX)
            for _ in range(4)
        ]
    assert [len(claims) for claims in seen] == [1] * 4
    assert len({each.endpoint_id for claims in seen for each in claims}) == 4
