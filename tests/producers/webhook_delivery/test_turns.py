"""Order, rotation, replays and strays: what the pool does beyond sending what is due."""

import json
from datetime import timedelta
from uuid import uuid4

import pytest

from producers.webhook_delivery import limits, upkeep
from projections.webhook_events import adopt_strays
from runtime.standard_webhooks import Scheme, Verifier, new_secret
from tests.producers.webhook_delivery.place import Place, settle
from tests.support.sink import Received, Say

pytestmark = pytest.mark.real


async def test_an_ordered_endpoint_waits_for_the_event_before_and_others_pass(
    place: Place,
) -> None:
    slow, quick = uuid4(), uuid4()

    async with place.sink() as sink, place.pool() as pool:
        endpoint = await place.endpoint(sink.url(), is_ordered=True)
        failing = {"first": True}

        def says(received: Received) -> Say:
            kind = json.loads(received.body)["type"]
            if kind == "payment.requested.v1" and failing["first"]:
                failing["first"] = False
                return Say(500)
            return Say()

        sink.answer = says
        tell = place.tell
        # The outcome is planned before the request, as topics are read side by side.
        await tell(endpoint.client_id, subject=slow, rank=3)
        await settle(pool)
        assert sink.received == []
        await tell(endpoint.client_id, event_type="payment.requested.v1", subject=slow, rank=0)
        await settle(pool)
        assert len(sink.received) == 1
        await tell(endpoint.client_id, event_type="payment.requested.v1", subject=quick, rank=0)
        await tell(endpoint.client_id, subject=quick, rank=3)
        await settle(pool)
        assert len(sink.received) == 3
        place.clock.ahead += timedelta(seconds=10)
        await settle(pool)
        kinds = [json.loads(each.body)["type"] for each in sink.received]
        assert kinds == [
            "payment.requested.v1",
            "payment.requested.v1",
            "payment.posted.v1",
            "payment.requested.v1",
            "payment.posted.v1",
        ]


async def test_a_payment_older_than_its_endpoint_waits_for_nothing(place: Place) -> None:
    async with place.sink() as sink, place.pool() as pool:
        endpoint = await place.endpoint(sink.url(), is_ordered=True)
        await place.tell(
            endpoint.client_id, subject=uuid4(), rank=3, started_ago=timedelta(hours=2)
        )
        await settle(pool)
        assert len(sink.received) == 1


async def test_while_a_rotation_lasts_both_secrets_sign(place: Place) -> None:
    async with place.sink() as sink, place.pool() as pool:
        endpoint = await place.endpoint(sink.url(), scheme=Scheme.V1A)
        new = new_secret(Scheme.V1A)
        await place.execute(
            "UPDATE webhook_secrets SET expires_at = $1 WHERE endpoint_id = $2",
            place.clock.now() + timedelta(hours=1),
            endpoint.endpoint_id,
        )
        await place.add_secret(endpoint, new)
        await place.tell(endpoint.client_id)
        await settle(pool)
        place.clock.ahead += timedelta(hours=2)
        await place.tell(endpoint.client_id)
        await settle(pool)
        both, one = (each.headers for each in sink.received)
        now_s = int(place.clock.now().timestamp())
        for verifier in (Verifier(endpoint.secret.shown), Verifier(new.shown)):
            verifier.verify(both, sink.received[0].body, now_s=now_s - 7200)
        Verifier(new.shown).verify(one, sink.received[1].body, now_s=now_s)
        assert len(one["webhook-signature"].split(" ")) == 1


async def test_a_replay_sends_the_same_ids_again_and_tells_how_far_it_is(place: Place) -> None:
    async with place.sink() as sink, place.pool() as pool:
        endpoint = await place.endpoint(sink.url())
        await place.tell(endpoint.client_id, count=limits.REPLAY_EVENTS + 20)
        await settle(pool)
        first = set(sink.ids())
        replay_id = uuid4()
        await place.execute(
            "INSERT INTO webhook_replays (replay_id, endpoint_id, client_id, is_recovery,"
            " event_types, since, until, events, created_at)"
            " VALUES ($1, $2, $3, false, '{}', $4, $5, 70, $5)",
            *(replay_id, endpoint.endpoint_id, endpoint.client_id),
            *(place.clock.now() - timedelta(hours=1), place.clock.now()),
        )
        await pool.keep_up((upkeep.advance_replays,))
        await settle(pool)
        assert len(sink.received) == len(first) + limits.REPLAY_EVENTS
        await pool.keep_up((upkeep.advance_replays,))
        await settle(pool)
        assert len(sink.received) == 2 * len(first)
        assert set(sink.ids()) == first


async def test_an_event_whose_owner_becomes_known_is_told_then(place: Place) -> None:
    async with place.sink() as sink, place.pool() as pool:
        endpoint = await place.endpoint(sink.url())
        payment_id = uuid4()
        await place.tell(None, subject=payment_id, rank=3)
        await pool.keep_up((adopt_strays,))
        await settle(pool)
        assert sink.received == []
        await place.execute(
            "INSERT INTO payments (payment_id, client_id) VALUES ($1, $2)",
            payment_id,
            endpoint.client_id,
        )
        await pool.keep_up((adopt_strays,))
        await settle(pool)
        assert len(sink.received) == 1


async def test_an_endpoint_that_goes_away_meanwhile_harms_nobody(place: Place) -> None:
    async with place.sink(lambda _: Say(wait_s=0.2)) as sink, place.pool() as pool:
        endpoint = await place.endpoint(sink.url())
        stays = await place.endpoint(sink.url())
        await place.tell(endpoint.client_id)
        await place.tell(stays.client_id)
        await pool.round()
        await place.execute(
            "DELETE FROM webhook_endpoints WHERE endpoint_id = $1", endpoint.endpoint_id
        )
        await settle(pool)
        [delivery] = await place.deliveries(stays)
        assert delivery["state"] == "delivered"


async def test_what_is_old_is_forgotten_but_not_before_it_was_sent(place: Place) -> None:
    says = {"status": 500}
    async with place.sink(lambda _: Say(says["status"])) as sink, place.pool() as pool:
        endpoint = await place.endpoint(sink.url())
        await place.tell(endpoint.client_id, count=2)
        await settle(pool)
        place.clock.ahead += timedelta(days=limits.KEPT_DAYS + 1)
        await pool.keep_up((upkeep.forget,))
        assert {each["state"] for each in await place.deliveries(endpoint)} == {"pending"}
        says["status"] = 204
        sink.received.clear()
        await settle(pool)
        assert len(sink.received) == 2
        # The deliveries of an event go first, then the event.
        await pool.keep_up((upkeep.forget, upkeep.forget))
        assert await place.deliveries(endpoint) == []
        async with place.database.connection() as connection:
            kept = await connection.fetchval(
                "SELECT count(*) FROM webhook_events WHERE client_id = $1", endpoint.client_id
            )
        assert kept == 0
