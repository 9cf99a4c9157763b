"""What is not kept any more is not sent again, and nothing that is to be sent is forgotten."""

from datetime import timedelta
from typing import Any

import pytest

from producers.webhook_delivery import upkeep
from producers.webhook_delivery.limits import KEPT_DAYS, LEASE_S
from tests.producers.webhook_delivery.place import Place, settle
from tests.producers.webhooks.conftest import Webhooks
from tests.producers.webhooks.test_again import again, listed, place
from tests.support.sink import open_sink

pytestmark = pytest.mark.real
__all__ = ["place"]


async def told_again_late(webhooks: Webhooks, place: Place, url: str) -> dict[str, Any]:
    """A delivery that a replay made ten days before its event is forgotten."""
    await webhooks.make(url=url, event_types=["handle.*"])
    [event] = await place.tell(webhooks.client_id)
    [endpoint] = (await webhooks.ask("GET", "/webhooks/endpoints")).document["data"]
    wish = {"event_types": ["payment.*"]}
    path = f"/webhooks/endpoints/{endpoint['endpoint_id']}/replay"
    assert (await webhooks.ask("POST", path, wish)).status == 202
    async with place.pool() as pool:
        await again(pool)
    await place.execute(
        "UPDATE webhook_events SET occurred_at = occurred_at - make_interval(days => $2)"
        " WHERE event_id = $1",
        *(event.event_id, KEPT_DAYS + 1),
    )
    await place.execute("UPDATE webhook_attempts SET started_at = started_at - interval '1 hour'")
    [delivery] = await listed(webhooks)
    return delivery


async def test_what_is_forgotten_is_gone_and_is_not_begun_again(
    webhooks: Webhooks, place: Place
) -> None:
    async with open_sink() as sink, place.pool() as pool:
        delivery = await told_again_late(webhooks, place, sink.url())
        assert delivery["state"] == "delivered"
        await pool.keep_up((upkeep.forget,))
        answer = await webhooks.ask("POST", f"/webhooks/deliveries/{delivery['id']}/retry")
        assert (answer.status, answer.code) == (410, "event_forgotten")
        assert (await listed(webhooks))[0]["state"] == "delivered"
        await settle(pool)
    assert len(sink.received) == 1


async def test_what_is_to_be_sent_is_kept_until_it_has_been(
    webhooks: Webhooks, place: Place
) -> None:
    async with open_sink() as sink, place.pool() as pool:
        delivery = await told_again_late(webhooks, place, sink.url())
        answer = await webhooks.ask("POST", f"/webhooks/deliveries/{delivery['id']}/retry")
        assert answer.status == 202
        await pool.keep_up((upkeep.forget,))
        await settle(pool)
    assert sink.ids() == [delivery["id"]] * 2


async def test_one_that_is_asked_for_while_its_event_is_forgotten_is_kept(
    webhooks: Webhooks, place: Place
) -> None:
    """The deletion has begun, and has seen of the delivery that it is over."""
    async with open_sink() as sink, place.pool() as pool:
        delivery = await told_again_late(webhooks, place, sink.url())
        async with place.database.connection() as connection, connection.transaction():
            found = await upkeep.lock_forgotten(connection, place.clock.now() - timedelta(days=90))
            assert delivery["event_id"] in map(str, found)
        answer = await webhooks.ask("POST", f"/webhooks/deliveries/{delivery['id']}/retry")
        assert answer.status == 202
        async with place.database.connection() as connection, connection.transaction():
            await upkeep.forget_events(connection, found)
        await settle(pool)
    assert sink.ids() == [delivery["id"]] * 2


async def test_a_delivery_whose_event_is_lost_ends(webhooks: Webhooks, place: Place) -> None:
    async with open_sink() as sink, place.pool() as pool:
        await webhooks.make(url=sink.url())
        [event] = await place.tell(webhooks.client_id)
        await place.execute("DELETE FROM webhook_events WHERE event_id = $1", event.event_id)
        await settle(pool)
        place.clock.ahead += timedelta(seconds=LEASE_S + 1)
        await settle(pool)
        [delivery] = await listed(webhooks)
    assert (delivery["state"], delivery["last_outcome"]) == ("dead", "event_forgotten")
    assert (delivery["attempts"], len(sink.received)) == (1, 0)
