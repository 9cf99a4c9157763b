"""The pool on PostgreSQL and a receiver on this machine."""

import asyncio
import json
from collections import Counter
from datetime import timedelta

import pytest
import standardwebhooks

from domain.webhook import (
    ATTEMPTS_MAX,
    BREAKER_FAILURES,
    DISABLE_AFTER_S,
    REPLY_PURPOSE,
    delivery_id_of,
)
from producers.webhook_delivery import limits, upkeep
from projections.webhook_events import plan
from tests.producers.webhook_delivery.place import Place, settle
from tests.support.sink import Say
from tests.support.waiting import eventually

pytestmark = pytest.mark.real


async def test_an_event_arrives_signed_under_the_id_of_its_delivery(place: Place) -> None:
    async with place.sink(lambda _: Say(200, body=b"thanks")) as sink, place.pool() as pool:
        endpoint = await place.endpoint(sink.url("/a?b=c"))
        [event] = await place.tell(endpoint.client_id)
        await settle(pool)
        [received] = sink.received
        library = standardwebhooks.Webhook(endpoint.secret.shown)
        assert library.verify(received.body.decode(), received.headers) == json.loads(event.body)
        assert received.headers["webhook-id"] == str(
            delivery_id_of(event.event_id, endpoint.endpoint_id)
        )
        assert received.headers["host"] == f"127.0.0.1:{sink.port}"
        assert received.path == "/a?b=c"
        [delivery] = await place.deliveries(endpoint)
        assert (delivery["state"], delivery["attempts"], delivery["tries"]) == ("delivered", 1, 1)
        [attempt] = await place.attempts(delivery["delivery_id"])
        assert (attempt["status"], attempt["outcome"]) == (200, "delivered")
        purpose = f"{REPLY_PURPOSE}:{delivery['delivery_id']}"
        assert place.vault.open(attempt["reply_sealed"], purpose) == "thanks"


async def test_planning_twice_is_once_and_filters_and_owners_hold(place: Place) -> None:
    async with place.sink() as sink, place.pool() as pool:
        wants = await place.endpoint(sink.url("/wants"), event_types=["payment.*"])
        await place.endpoint(
            sink.url("/not"), client_id=wants.client_id, event_types=["handle.claimed"]
        )
        await place.endpoint(sink.url("/other"))
        events = await place.tell(wants.client_id, count=3)
        async with place.database.connection() as connection:
            await plan(connection, events, place.clock.now())
        await settle(pool)
        assert [each.path for each in sink.received] == ["/wants"] * 3
        assert len(set(sink.ids())) == 3


async def test_ids_stay_over_attempts_and_the_last_failure_is_death(place: Place) -> None:
    async with place.sink(lambda _: Say(500)) as sink, place.pool() as pool:
        endpoint = await place.endpoint(sink.url())
        await place.tell(endpoint.client_id)
        for attempt in range(1, ATTEMPTS_MAX + 1):
            await settle(pool)
            [delivery] = await place.deliveries(endpoint)
            assert (delivery["tries"], delivery["attempts"]) == (attempt, attempt)
            place.clock.ahead += timedelta(hours=29)
            await place.execute(
                "UPDATE webhook_endpoints SET failing_since = $1", place.clock.now()
            )
        assert delivery["state"] == "dead"
        assert len(sink.received) == ATTEMPTS_MAX
        assert len(set(sink.ids())) == 1
        assert len({each.body for each in sink.received}) == 1
        assert len(await place.attempts(delivery["delivery_id"])) == ATTEMPTS_MAX


async def test_a_pause_that_is_asked_for_is_kept(place: Place) -> None:
    say = Say(429, headers=(("Retry-After", "600"),))
    async with place.sink(lambda _: say) as sink, place.pool() as pool:
        endpoint = await place.endpoint(sink.url())
        await place.tell(endpoint.client_id, count=1)
        await settle(pool)
        await place.tell(endpoint.client_id, count=1)
        place.clock.ahead += timedelta(seconds=590)
        await settle(pool)
        assert len(sink.received) == 1
        place.clock.ahead += timedelta(seconds=600)
        await settle(pool)
        assert len(sink.received) == 3


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_redirect_is_a_failure_and_is_not_followed(place: Place, status: int) -> None:
    async with place.sink() as inner:
        say = Say(status, headers=(("Location", inner.url()),))
        async with place.sink(lambda _: say) as sink, place.pool() as pool:
            endpoint = await place.endpoint(sink.url())
            await place.tell(endpoint.client_id)
            await settle(pool)
            [delivery] = await place.deliveries(endpoint)
            assert (delivery["state"], delivery["last_outcome"]) == ("pending", "redirected")
            assert inner.connections == 0


async def test_gone_disables_tells_and_sets_aside(place: Place) -> None:
    async with place.sink(lambda _: Say(410)) as sink, place.pool() as pool:
        endpoint = await place.endpoint(sink.url())
        await place.tell(endpoint.client_id)
        await settle(pool)
        row = await place.row(endpoint)
        assert (row["disabled_reason"], row["version"]) == ("gone", 2)
        async with place.database.connection() as connection:
            told = await connection.fetch(
                "SELECT value FROM outbox WHERE key = $1", endpoint.client_id.encode()
            )
        [event] = [json.loads(each["value"]) for each in told]
        assert (event["endpoint_id"], event["reason"]) == (str(endpoint.endpoint_id), "gone")
        await pool.keep_up((upkeep.set_aside,))
        [delivery] = await place.deliveries(endpoint)
        assert delivery["state"] == "dead"
        await place.tell(endpoint.client_id)
        assert len(await place.deliveries(endpoint)) == 1


async def test_failing_for_days_disables(place: Place) -> None:
    async with place.sink(lambda _: Say(500)) as sink, place.pool() as pool:
        endpoint = await place.endpoint(sink.url())
        await place.tell(endpoint.client_id)
        await settle(pool)
        place.clock.ahead += timedelta(seconds=DISABLE_AFTER_S - 60)
        await settle(pool)
        assert (await place.row(endpoint))["disabled_at"] is None
        place.clock.ahead += timedelta(days=1)
        await settle(pool)
        assert (await place.row(endpoint))["disabled_reason"] == "failing"
        async with place.database.connection() as connection:
            told = await connection.fetchval(
                "SELECT value FROM outbox WHERE key = $1", endpoint.client_id.encode()
            )
        assert json.loads(told)["reason"] == "failing"


async def test_an_open_breaker_lets_one_probe_through_and_a_success_closes_it(place: Place) -> None:
    says = {"status": 500}
    async with place.sink(lambda _: Say(says["status"])) as sink, place.pool() as pool:
        endpoint = await place.endpoint(sink.url())
        await place.tell(endpoint.client_id, count=BREAKER_FAILURES)
        await settle(pool)
        assert (await place.row(endpoint))["failures"] == BREAKER_FAILURES
        await place.tell(endpoint.client_id, count=20)
        await settle(pool)
        assert len(sink.received) == BREAKER_FAILURES
        place.clock.ahead += timedelta(seconds=8)
        await settle(pool)
        assert len(sink.received) == BREAKER_FAILURES + 1
        says["status"] = 200
        place.clock.ahead += timedelta(seconds=20)
        await settle(pool)
        assert (await place.row(endpoint))["failures"] == 0
        assert {each["state"] for each in (await place.deliveries(endpoint))[-19:]} <= {
            "delivered",
            "pending",
        }
        place.clock.ahead += timedelta(hours=1)
        await settle(pool)
        assert {each["state"] for each in await place.deliveries(endpoint)} == {"delivered"}


async def test_a_dead_endpoint_holds_up_no_other(place: Place) -> None:
    async with (
        place.sink() as sink,
        place.sink(lambda _: Say(hangs=True)) as slow,
        place.pool() as pool,
    ):
        stuck = await place.endpoint(slow.url())
        well = await place.endpoint(sink.url())
        await place.tell(stuck.client_id, count=limits.ENDPOINT_IN_FLIGHT_MAX * 3)
        await place.tell(well.client_id, count=100)

        async def all_there() -> bool:
            await pool.round()
            return len(sink.received) == 100

        await eventually(all_there, timeout_s=4)
        assert len(slow.received) == limits.ENDPOINT_IN_FLIGHT_MAX
        for attempt in pool._attempts:
            attempt.cancel()


async def test_a_rate_is_kept(place: Place) -> None:
    async with place.sink() as sink, place.pool() as pool:
        endpoint = await place.endpoint(sink.url(), rate_per_s=10)
        await place.tell(endpoint.client_id, count=40)
        began_at = place.clock.now()
        for _ in range(3):
            await settle(pool)
            # A second's worth may come at once, and what has become due since.
            passed_s = (place.clock.now() - began_at).total_seconds()
            assert 10 <= len(sink.received) <= 10 * (1 + passed_s) + 1
            place.clock.ahead += timedelta(seconds=1)
        assert len(sink.received) >= 30


async def test_several_pools_share_and_send_nothing_twice(place: Place) -> None:
    async with place.sink() as sink:
        endpoint = await place.endpoint(sink.url())
        other = await place.endpoint(sink.url())
        await place.tell(endpoint.client_id, count=300)
        await place.tell(other.client_id, count=300)
        async with place.pool() as one, place.pool() as two, place.pool() as three:
            await asyncio.gather(settle(one), settle(two), settle(three))
            await settle(one)
        rows = [*await place.deliveries(endpoint), *await place.deliveries(other)]
        assert Counter((each["state"], each["attempts"]) for each in rows) == {
            ("delivered", 1): 600
        }
        assert Counter(Counter(sink.ids()).values()) == {1: 600}


async def test_what_a_killed_process_had_claimed_comes_again_after_its_lease(place: Place) -> None:
    async with place.sink(lambda _: Say(hangs=True)) as sink:
        endpoint = await place.endpoint(sink.url())
        await place.tell(endpoint.client_id, count=5)
        async with place.pool() as killed:
            await killed.round()
            await eventually(lambda: len(sink.received) == 5)
            for attempt in killed._attempts:
                attempt.cancel()
            await asyncio.gather(*killed._attempts, return_exceptions=True)
        sink.answer = lambda _: Say()
        async with place.pool() as pool:
            await settle(pool)
            assert len(sink.received) == 5
            place.clock.ahead += timedelta(seconds=limits.LEASE_S + 1)
            await settle(pool)
        assert Counter(sink.ids()).most_common(1)[0][1] == 2
        assert len(sink.received) == 10
        deliveries = await place.deliveries(endpoint)
        assert {(each["state"], each["attempts"], each["tries"]) for each in deliveries} == {
            ("delivered", 2, 1)
        }
