"""The edge: whose endpoints are whose, what is shown once, and what a change has to name."""

import asyncio
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from pydantic import SecretStr

from producers.webhooks import limits
from producers.webhooks.app import make_app
from runtime.settings import KeyProviderName, Profile, Settings
from runtime.standard_webhooks import Verifier
from tests.producers.webhooks.conftest import Webhooks, client_of
from tests.support.asgi import running
from tests.support.hostile_urls import REFUSED_URLS

pytestmark = pytest.mark.real

SECRET = "secret"


async def rows(settings: Settings, statement: str, *arguments: Any) -> list[Any]:
    assert settings.postgres_dsn is not None
    connection = await asyncpg.connect(settings.postgres_dsn.get_secret_value())
    try:
        return list(await connection.fetch(statement, *arguments))
    finally:
        await connection.close()


async def test_a_secret_is_shown_once_and_kept_sealed(
    webhooks: Webhooks, settings: Settings
) -> None:
    made = await webhooks.make(event_types=["payment.*"], description="orders")
    Verifier(made[SECRET])
    read = await webhooks.ask("GET", f"/webhooks/endpoints/{made['endpoint_id']}")
    listed = await webhooks.ask("GET", "/webhooks/endpoints")
    assert SECRET not in read.document
    assert SECRET not in listed.document["data"][0]
    [row] = await rows(
        settings, "SELECT * FROM webhook_secrets WHERE endpoint_id::text = $1", made["endpoint_id"]
    )
    assert made[SECRET].removeprefix("whsec_") not in row["sealed"]
    public = await webhooks.make(scheme="v1a")
    assert public[SECRET].startswith("whpk_")


async def test_what_is_anothers_is_not_found(webhooks: Webhooks) -> None:
    made, other = await webhooks.make(), webhooks.other()
    path = f"/webhooks/endpoints/{made['endpoint_id']}"
    asked = [
        await other.ask("GET", path),
        await other.ask("PATCH", path, {"description": "mine"}, if_match="*"),
        await other.ask("DELETE", path, if_match="*"),
        *[
            await other.ask("POST", f"{path}/{act}", {})
            for act in ("enable", "secret", "test", "replay", "recover")
        ],
    ]
    assert {answer.status for answer in asked} == {404}
    assert (await other.ask("GET", "/webhooks/endpoints")).document["data"] == []
    test = await webhooks.ask("POST", f"{path}/test")
    delivery = f"/webhooks/deliveries/{test.document['delivery_id']}"
    assert (await webhooks.ask("GET", delivery)).status == 200
    assert (await other.ask("GET", delivery)).status == 404
    assert (await other.ask("POST", f"{delivery}/retry")).status == 404
    replay = await webhooks.ask("POST", f"{path}/replay", {})
    progress = f"/webhooks/replays/{replay.document['replay_id']}"
    assert (await webhooks.ask("GET", progress)).status == 200
    assert (await other.ask("GET", progress)).status == 404


async def test_a_change_names_the_version_that_it_was_made_from(webhooks: Webhooks) -> None:
    made = await webhooks.make(rate_per_s=5)
    path = f"/webhooks/endpoints/{made['endpoint_id']}"
    read = await webhooks.ask("GET", path)
    etag = read.headers["etag"]
    assert (await webhooks.ask("PATCH", path, {"is_ordered": True})).status == 428
    changed = await webhooks.ask("PATCH", path, {"is_ordered": True}, if_match=etag)
    assert changed.status == 200
    assert (changed.document["is_ordered"], changed.document["rate_per_s"]) == (True, 5)
    late = await webhooks.ask("PATCH", path, {"rate_per_s": None}, if_match=etag)
    assert (late.status, late.code) == (412, "version_changed")
    for wrong in ("W/" + changed.headers["etag"], "2", '"x"', ""):
        assert (await webhooks.ask("DELETE", path, if_match=wrong)).status == 412
    again = await webhooks.ask(
        "PATCH", path, {"rate_per_s": None}, if_match=f'"9", {changed.headers["etag"]}'
    )
    assert again.document["rate_per_s"] is None
    assert (await webhooks.ask("DELETE", path, if_match=again.headers["etag"])).status == 204
    assert (await webhooks.ask("GET", path)).status == 404


async def test_of_two_changes_at_once_one_wins(webhooks: Webhooks) -> None:
    made = await webhooks.make()
    path = f"/webhooks/endpoints/{made['endpoint_id']}"
    answers = await asyncio.gather(
        *(
            webhooks.ask("PATCH", path, {"description": str(number)}, if_match='"1"')
            for number in range(8)
        )
    )
    assert sorted(answer.status for answer in answers) == [200, *[412] * 7]


@pytest.mark.parametrize(
    "url", [url for url in REFUSED_URLS if "localhost/" not in url and url != ""]
)
async def test_a_refused_url_makes_no_endpoint(webhooks: Webhooks, url: str) -> None:
    loopback = url in {"https://127.0.0.1/", "https://[::1]/"}
    answer = await webhooks.ask("POST", "/webhooks/endpoints", {"url": url})
    assert answer.status == (201 if loopback else 422), answer.body
    listed = await webhooks.ask("GET", "/webhooks/endpoints")
    assert len(listed.document["data"]) == int(loopback)


async def test_outside_the_demo_no_endpoint_is_this_machine(settings: Settings) -> None:
    strict = settings.model_copy(
        update={
            "profile": Profile.PRODUCTION,
            "key_provider": KeyProviderName.ENVIRONMENT,
            "keks": SecretStr("kek:" + "A" * 43 + "="),
        }
    )
    async with running(make_app(strict, authenticator=client_of)) as app:
        webhooks = Webhooks(app, f"client-{uuid4().hex}")
        made = await webhooks.make()
        path = f"/webhooks/endpoints/{made['endpoint_id']}"
        for url in ("https://127.0.0.1/", "https://[::1]/", "http://localhost:8080/"):
            created = await webhooks.ask("POST", "/webhooks/endpoints", {"url": url})
            assert (created.status, created.code) == (422, "url_refused"), url
            moved = await webhooks.ask("PATCH", path, {"url": url}, if_match='"1"')
            assert (moved.status, moved.code) == (422, "url_refused"), url
        listed = await webhooks.ask("GET", "/webhooks/endpoints")
    assert [each["url"] for each in listed.document["data"]] == [made["url"]]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"url": 1},
        {"url": "https://a.example/", "event_types": ["*.posted"]},
        {"url": "https://a.example/", "event_types": ["a"] * 51},
        {"url": "https://a.example/", "rate_per_s": 0},
        {"url": "https://a.example/", "rate_per_s": True},
        {"url": "https://a.example/", "description": "a\nb"},
        {"url": "https://a.example/", "scheme": "v2"},
        {"url": "https://a.example/", "secret": "mine"},
    ],
)
async def test_a_body_that_does_not_fit_is_refused(
    webhooks: Webhooks, body: dict[str, Any]
) -> None:
    assert (await webhooks.ask("POST", "/webhooks/endpoints", body)).status == 422


async def test_a_rotation_says_until_when_both_sign_and_there_is_one_at_a_time(
    webhooks: Webhooks,
) -> None:
    made = await webhooks.make()
    path = f"/webhooks/endpoints/{made['endpoint_id']}"
    rotated = await webhooks.ask("POST", f"{path}/secret", {"overlap_s": 3600})
    assert rotated.status == 200
    assert rotated.document[SECRET] != made[SECRET]
    expiries = (await webhooks.ask("GET", path)).document["secret_expiries"]
    assert expiries == [rotated.document["old_expires_at"], None]
    again = await webhooks.ask("POST", f"{path}/secret", {"overlap_s": 3600})
    assert (again.status, again.code) == (409, "rotation_in_progress")
    stolen = await webhooks.ask("POST", f"{path}/secret", {"overlap_s": 0})
    assert stolen.status == 200
    assert (await webhooks.ask("GET", path)).document["secret_expiries"] == [None]


async def test_test_events_are_listed_and_capped(webhooks: Webhooks) -> None:
    made = await webhooks.make(event_types=["handle.*"])
    path = f"/webhooks/endpoints/{made['endpoint_id']}"
    sent = [
        await webhooks.ask("POST", f"{path}/test") for _ in range(limits.TESTS_PER_MINUTE_MAX + 1)
    ]
    assert [answer.status for answer in sent] == [202] * limits.TESTS_PER_MINUTE_MAX + [429]
    first = await webhooks.ask("GET", "/webhooks/deliveries?limit=4")
    rest = await webhooks.ask(
        "GET", f"/webhooks/deliveries?limit=100&cursor={first.document['next_cursor']}"
    )
    listed = [*first.document["data"], *rest.document["data"]]
    assert {each["id"] for each in listed} == {
        answer.document["delivery_id"] for answer in sent[:-1]
    }
    assert (await webhooks.ask("GET", "/webhooks/deliveries?state=dead")).document["data"] == []
    one = await webhooks.ask(
        "GET", f"/webhooks/deliveries?event_id={sent[0].document['event_id']}&state=pending"
    )
    assert len(one.document["data"]) == 1
    assert (await webhooks.ask("GET", "/webhooks/deliveries?state=lost")).status == 422


async def test_what_is_dead_is_sent_again_by_hand_and_what_is_on_its_way_is_not(
    webhooks: Webhooks, settings: Settings
) -> None:
    made = await webhooks.make()
    path = f"/webhooks/endpoints/{made['endpoint_id']}"
    delivery_id = (await webhooks.ask("POST", f"{path}/test")).document["delivery_id"]
    retry = f"/webhooks/deliveries/{delivery_id}/retry"
    early = await webhooks.ask("POST", retry)
    assert (early.status, early.code) == (429, "retried_too_soon")
    dead = (
        "UPDATE webhook_deliveries SET state = 'dead', tries = 9, finished_at = now()"
        " WHERE delivery_id::text = $1"
    )
    await rows(settings, dead, delivery_id)

    again = await webhooks.ask("POST", retry)

    assert (again.status, again.document["id"]) == (202, delivery_id)
    assert (again.document["state"], again.document["finished_at"]) == ("pending", None)
    assert (await webhooks.ask("POST", retry)).status == 429


async def test_a_disabled_endpoint_is_sent_nothing_until_it_is_enabled(
    webhooks: Webhooks, settings: Settings
) -> None:
    made = await webhooks.make()
    path = f"/webhooks/endpoints/{made['endpoint_id']}"
    await rows(
        settings,
        "UPDATE webhook_endpoints SET disabled_at = now(), disabled_reason = 'gone', failures = 9"
        " WHERE endpoint_id::text = $1",
        made["endpoint_id"],
    )
    for act in ("test", "replay", "recover"):
        answer = await webhooks.ask("POST", f"{path}/{act}", {})
        assert (answer.status, answer.code) == (409, "endpoint_disabled")
    enabled = await webhooks.ask("POST", f"{path}/enable")
    assert (enabled.status, enabled.document["disabled_at"]) == (200, None)
    assert (await webhooks.ask("POST", f"{path}/test")).status == 202


async def test_endpoints_and_running_replays_are_capped(
    webhooks: Webhooks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "ENDPOINTS_MAX", 2)
    made = [await webhooks.make(), await webhooks.make()][0]
    body = {"url": "https://hooks.example.com/a"}
    refused = await webhooks.ask("POST", "/webhooks/endpoints", body)
    assert (refused.status, refused.code) == (409, "too_many_endpoints")
    path = f"/webhooks/endpoints/{made['endpoint_id']}/replay"
    position = {"topic": "payment.posted.v1", "partition": 0, "offset": 7}
    statuses = [
        (await webhooks.ask("POST", path, {"position": position})).status
        for _ in range(limits.REPLAYS_RUNNING_MAX + 1)
    ]
    assert statuses == [202] * limits.REPLAYS_RUNNING_MAX + [409]
