"""What an owner reads of their deliveries, and how they hear it again: edge and pool together."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from domain.webhook import ATTEMPTS_MAX, delivery_id_of
from producers.webhook_delivery import limits as pool_limits
from producers.webhook_delivery import upkeep
from producers.webhook_delivery.pool import DeliveryPool
from producers.webhooks import limits
from projections.webhook_fold import ToldEvent
from runtime.database import Database
from runtime.settings import Settings
from tests.producers.webhook_delivery.place import Place, settle
from tests.producers.webhooks.conftest import Webhooks
from tests.support.sink import Received, Say, open_sink

pytestmark = pytest.mark.real


@pytest.fixture
async def place(settings: Settings) -> AsyncIterator[Place]:
    assert settings.postgres_dsn is not None
    database = await Database.connect(settings.postgres_dsn.get_secret_value(), name="tests")
    async with database.connection() as connection:
        await connection.execute("DELETE FROM webhook_endpoints")
    yield Place(settings, database)
    await database.close()


async def listed(webhooks: Webhooks, query: str = "") -> list[dict[str, Any]]:
    answer = await webhooks.ask("GET", f"/webhooks/deliveries?limit=100{query}")
    assert answer.status == 200, answer.body
    found: list[dict[str, Any]] = answer.document["data"]
    return found


async def progress(webhooks: Webhooks, replay: dict[str, Any]) -> dict[str, Any]:
    answer = await webhooks.ask("GET", f"/webhooks/replays/{replay['replay_id']}")
    found: dict[str, Any] = answer.document
    return found


async def again(pool: DeliveryPool) -> None:
    """One round of replays, and all that comes of it."""
    await pool.keep_up((upkeep.advance_replays,))
    await settle(pool)


def ids_of(events: list[ToldEvent], endpoint: dict[str, Any]) -> list[str]:
    endpoint_id = UUID(endpoint["endpoint_id"])
    return [str(delivery_id_of(event.event_id, endpoint_id)) for event in events]


async def test_an_owner_reads_each_attempt_with_its_time_status_latency_and_reply(
    webhooks: Webhooks, place: Place
) -> None:
    says = [Say(500, body=b"<" + b"x" * 5_000), Say(200, body="gut, äh".encode())]
    async with open_sink(lambda _: says.pop(0)) as sink, place.pool() as pool:
        made = await webhooks.make(url=sink.url())
        [event] = await place.tell(webhooks.client_id)
        await settle(pool)
        place.clock.ahead += timedelta(seconds=10)
        await settle(pool)
    [delivery] = await listed(webhooks)
    assert (delivery["state"], delivery["attempts"]) == ("delivered", 2)
    assert [delivery["id"]] == ids_of([event], made)
    answer = await webhooks.ask("GET", f"/webhooks/deliveries/{delivery['id']}")
    assert answer.document["event"] == event.body
    failed, had = answer.document["attempt_list"]
    assert (failed["attempt"], failed["status"], failed["outcome"]) == (1, 500, "bad_status")
    assert failed["reply"] == "<" + "x" * (pool_limits.REPLY_KEPT_BYTES - 1)
    assert (had["attempt"], had["status"], had["reply"]) == (2, 200, "gut, äh")
    assert failed["started_at"] < had["started_at"]
    assert all(0 <= attempt["latency_ms"] < 5_000 for attempt in (failed, had))


async def test_the_list_is_narrowed_by_endpoint_event_and_state(
    webhooks: Webhooks, place: Place
) -> None:
    def says(received: Received) -> Say:
        return Say(204 if received.path == "/good" else 500)

    async with open_sink(says) as sink, place.pool() as pool:
        good = await webhooks.make(url=sink.url("/good"))
        bad = await webhooks.make(url=sink.url("/bad"))
        events = await place.tell(webhooks.client_id, count=3)
        await settle(pool)
    both = ids_of(events, good) + ids_of(events, bad)
    assert {each["id"] for each in await listed(webhooks)} == set(both)
    of_bad = await listed(webhooks, f"&endpoint_id={bad['endpoint_id']}")
    assert {each["id"] for each in of_bad} == set(ids_of(events, bad))
    assert {each["state"] for each in of_bad} == {"pending"}
    delivered = await listed(webhooks, "&state=delivered")
    assert {each["id"] for each in delivered} == set(ids_of(events, good))
    of_event = await listed(webhooks, f"&event_id={events[0].event_id}&state=delivered")
    assert [each["id"] for each in of_event] == ids_of(events[:1], good)


async def test_one_is_retried_under_its_id_whatever_became_of_it_but_not_at_once(
    webhooks: Webhooks, place: Place
) -> None:
    async with open_sink() as sink, place.pool() as pool:
        await webhooks.make(url=sink.url())
        await place.tell(webhooks.client_id)
        await settle(pool)
        [delivery] = await listed(webhooks)
        path = f"/webhooks/deliveries/{delivery['id']}/retry"
        soon = await webhooks.ask("POST", path)
        assert (soon.status, soon.code) == (429, "retried_too_soon")
        assert soon.headers["retry-after"] == str(limits.RETRY_PAUSE_S)
        await place.execute(
            "UPDATE webhook_attempts SET started_at = started_at - interval '1 minute'"
        )
        retried = await webhooks.ask("POST", path)
        assert (retried.status, retried.document["state"]) == (202, "pending")
        await settle(pool)
        assert sink.ids() == [delivery["id"]] * 2
        [delivery] = await listed(webhooks)
        assert (delivery["state"], delivery["attempts"]) == ("delivered", 2)


async def test_all_that_is_dead_is_recovered_and_nothing_else_is_sent(
    webhooks: Webhooks, place: Place
) -> None:
    says = {"status": 204}
    async with open_sink(lambda _: Say(says["status"])) as sink, place.pool() as pool:
        made = await webhooks.make(url=sink.url())
        await place.tell(webhooks.client_id, count=2)
        await settle(pool)
        says["status"] = 500
        dead = await place.tell(webhooks.client_id, count=3)
        for _ in range(ATTEMPTS_MAX):
            await settle(pool)
            await place.execute(
                "UPDATE webhook_deliveries SET due_at = $1 WHERE state = 'pending'",
                place.clock.now(),
            )
            await place.execute(
                "UPDATE webhook_endpoints SET failures = 0, rest_until = '-infinity'"
            )
        died = await listed(webhooks, "&state=dead")
        assert {each["id"] for each in died} == set(ids_of(dead, made))
        assert {each["attempts"] for each in died} == {ATTEMPTS_MAX}
        says["status"] = 204
        sink.received.clear()
        replay = await webhooks.ask(
            "POST", f"/webhooks/endpoints/{made['endpoint_id']}/recover", {}
        )
        assert (replay.status, replay.document["events"]) == (202, 3)
        assert replay.headers["location"] == f"/webhooks/replays/{replay.document['replay_id']}"
        await again(pool)
        assert Counter(sink.ids()) == Counter(ids_of(dead, made))
        assert await listed(webhooks, "&state=dead") == []
        done = await progress(webhooks, replay.document)
        assert (done["events_done"], done["finished_at"] is None) == (3, False)


async def test_a_replay_is_narrowed_and_tells_also_what_was_never_told(
    webhooks: Webhooks, place: Place
) -> None:
    async with open_sink() as sink, place.pool() as pool:
        made = await webhooks.make(url=sink.url(), event_types=["payment.posted"])
        posted = await place.tell(webhooks.client_id, count=4)
        between = place.clock.now().isoformat()
        refused = await place.tell(webhooks.client_id, event_type="payment.refused.v1", count=2)
        await settle(pool)
        assert set(sink.ids()) == set(ids_of(posted, made))
        path = f"/webhooks/endpoints/{made['endpoint_id']}/replay"
        for body, wanted in (
            ({"subject": str(posted[1].subject)}, posted[1:2]),
            ({"event_types": ["payment.refused"]}, refused),
            (
                {"position": {"topic": "payment.posted.v1", "partition": 0, "offset": 2}},
                posted[2:],
            ),
            ({"since": place.clock.now().isoformat()}, []),
            ({"since": between, "event_types": ["payment.*"]}, refused),
            ({"until": between, "event_types": ["payment.*"]}, posted),
            ({}, posted),
        ):
            sink.received.clear()
            replay = await webhooks.ask("POST", path, body)
            assert replay.status == 202, replay.body
            await again(pool)
            assert Counter(sink.ids()) == Counter(ids_of(wanted, made)), body
            assert (await progress(webhooks, replay.document))["finished_at"] is not None


async def test_a_replay_goes_on_by_rounds_and_pauses_while_enough_is_due(
    webhooks: Webhooks, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool_limits, "REPLAY_WAITING_MAX", pool_limits.REPLAY_EVENTS)
    count = pool_limits.REPLAY_EVENTS * 2 + 5
    async with open_sink() as sink, place.pool() as pool:
        made = await webhooks.make(url=sink.url())
        await place.tell(webhooks.client_id, count=count)
        await settle(pool)
        path = f"/webhooks/endpoints/{made['endpoint_id']}/replay"
        replay = (await webhooks.ask("POST", path, {})).document
        seen = []
        for _ in range(3):
            await pool.keep_up((upkeep.advance_replays,))
            await pool.keep_up((upkeep.advance_replays,))
            seen.append((await progress(webhooks, replay))["events_done"])
            await settle(pool)
        assert seen == [pool_limits.REPLAY_EVENTS, pool_limits.REPLAY_EVENTS * 2, count]
        assert Counter(Counter(sink.ids()).values()) == {2: count}


async def test_both_secrets_sign_while_a_rotation_lasts_and_a_test_event_comes(
    webhooks: Webhooks, place: Place
) -> None:
    async with open_sink() as sink, place.pool() as pool:
        made = await webhooks.make(url=sink.url(), event_types=["handle.*"])
        path = f"/webhooks/endpoints/{made['endpoint_id']}"
        rotated = (await webhooks.ask("POST", f"{path}/secret", {"overlap_s": 60})).document
        test = (await webhooks.ask("POST", f"{path}/test")).document
        await settle(pool)
        place.clock.ahead += timedelta(seconds=120)
        await asyncio.gather(*(webhooks.ask("POST", f"{path}/test") for _ in range(2)))
        await settle(pool)
    first, *later = sink.received
    assert first.headers["webhook-id"] == test["delivery_id"]
    assert first.signed_by(made["secret"])
    assert first.signed_by(rotated["secret"])
    assert [each.signed_by(made["secret"]) for each in later] == [False, False]
    assert [each.signed_by(rotated["secret"]) for each in later] == [True, True]
