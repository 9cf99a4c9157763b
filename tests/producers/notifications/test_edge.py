"""Devices, preferences, the inbox and the stream, asked as their owners and as others."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from domain.notification import Channel, Subject, Way
from producers.notifications.unsubscribing import Links
from schemas.user import PasswordChanged
from tests.producers.notifications.place import DEMO, Person, Place, posted
from tests.support.memory_stage import NOW

pytestmark = pytest.mark.real


async def told(place: Place, person: Person, times: int = 1) -> None:
    """So many payments, minutes apart, come in."""
    for _ in range(times):
        await place.plan(posted(await place.person(), person))
        place.pass_time(minutes=2)


async def test_a_device_is_one_persons_and_its_token_is_told_to_nobody(place: Place) -> None:
    ada, bob = await place.person(), await place.person()
    token = uuid4().hex * 2
    body = {"platform": "apns", "token": token.upper()}
    first = await ada.ask("POST", "/devices", body)
    again = await ada.ask("POST", "/devices", body)
    assert (first.status, again.status) == (201, 200)
    assert first.document["id"] == again.document["id"]
    assert token.encode() not in first.body.lower()
    [row] = await place.fetch(
        "SELECT notification_devices::text FROM notification_devices WHERE person_id = $1",
        ada.person_id,
    )
    assert token not in row[0].lower()

    moved = await bob.ask("POST", "/devices", body)
    assert moved.status == 201
    assert (await ada.get("/devices"))["data"] == []
    assert [each["id"] for each in (await bob.get("/devices"))["data"]] == [moved.document["id"]]
    path = f"/devices/{moved.document['id']}"
    assert (await ada.ask("DELETE", path)).status == 404
    assert (await bob.ask("DELETE", path)).status == 204
    assert (await bob.ask("DELETE", path)).code == "device_not_found"


async def test_of_too_many_devices_the_oldest_goes(place: Place) -> None:
    ada = await place.person()
    devices = []
    for _ in range(21):
        devices.append(str(await ada.device()))
        place.pass_time(seconds=1)
    assert [each["id"] for each in (await ada.get("/devices"))["data"]] == devices[1:]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"platform": "apns", "token": "nothexadecimal!!"}, "invalid_token"),
        ({"platform": "apns", "token": "ab/../cd" * 8}, "invalid_token"),
        ({"platform": "fcm", "token": "a b" * 20}, "invalid_token"),
        ({"platform": "wns", "token": "ab" * 32}, "invalid_body"),
        ({"platform": "apns"}, "invalid_body"),
        ({"platform": "apns", "token": "ab" * 3_000}, "invalid_body"),
        ({"platform": "apns", "token": "ab" * 32, "person_id": "x"}, "invalid_body"),
    ],
)
async def test_what_is_no_device_is_refused(place: Place, body: dict[str, Any], code: str) -> None:
    ada = await place.person()
    answer = await ada.ask("POST", "/devices", body)
    assert (answer.status, answer.code) == (422, code)
    assert (await ada.get("/devices"))["data"] == []


async def test_preferences_are_whole_and_what_is_told_can_be_sent_back(place: Place) -> None:
    ada, bob = await place.person(), await place.person()
    defaults = await ada.get("/notifications/preferences")
    assert defaults["subjects"].keys() == set(Subject)
    assert defaults["subjects"]["payment-received"] == {
        "in_app": True,
        "push": True,
        "email": False,
    }
    wanted = await ada.prefer(
        locale="de-CH",
        time_zone="Europe/Zurich",
        quiet_hours={"begin": "22:30", "end": "06:00"},
        push_detail="payee",
        subjects={"payment-sent": {"push": False}},
    )
    assert await ada.get("/notifications/preferences") == wanted
    assert wanted["quiet_hours"] == {"begin": "22:30", "end": "06:00"}
    assert not wanted["subjects"]["payment-sent"][Way.PUSH]
    assert await ada.prefer(**wanted) == wanted
    assert await ada.prefer() == defaults == await bob.get("/notifications/preferences")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"time_zone": "../../etc/passwd"}, "unknown_time_zone"),
        ({"time_zone": "Mars/Olympus"}, "unknown_time_zone"),
        ({"locale": "fr"}, "invalid_body"),
        ({"quiet_hours": {"begin": "24:00", "end": "06:00"}}, "invalid_body"),
        ({"quiet_hours": {"begin": "06:00", "end": "06:00"}}, "endless_quiet_hours"),
        ({"subjects": {"lottery-won": {"push": True}}}, "invalid_body"),
        ({"subjects": {"payment-sent": {"push": "yes"}}}, "invalid_body"),
        ({"push_detail": "everything"}, "invalid_body"),
    ],
)
async def test_preferences_that_mean_nothing_are_refused(
    place: Place, body: dict[str, Any], code: str
) -> None:
    ada = await place.person()
    answer = await ada.ask("PUT", "/notifications/preferences", body)
    assert (answer.status, answer.code) == (422, code)


async def test_an_inbox_is_paged_and_nobody_elses(place: Place) -> None:
    ada, bob = await place.person(), await place.person()
    await told(place, ada, 5)
    seen: list[int] = []
    path = "/notifications?limit=2"
    while path:
        page = await ada.get(path)
        seen += [each["number"] for each in page["data"]]
        cursor = page["next_cursor"]
        path = cursor and f"/notifications?limit=2&cursor={cursor}"
    assert seen == [5, 4, 3, 2, 1]
    first = await ada.get("/notifications?limit=2")
    theirs = f"/notifications?limit=2&cursor={first['next_cursor']}"
    assert (await bob.ask("GET", theirs)).code == "invalid_cursor"
    assert await bob.told() == []


async def test_what_is_read_stays_read_and_what_came_since_does_not(place: Place) -> None:
    ada, bob = await place.person(), await place.person()
    await told(place, ada, 3)
    newest, _, oldest = await ada.told()

    path = f"/notifications/{oldest['id']}/read"
    assert (await bob.ask("POST", path)).status == 404
    assert [(await ada.ask("POST", path)).status for _ in range(2)] == [204, 204]
    assert await ada.get("/notifications/unread") == {"unread": 2, "is_more": False}
    await told(place, ada)
    await ada.ask("POST", "/notifications/read", {"up_to": newest["number"]})
    assert [each["number"] for each in (await ada.get("/notifications?unread=true"))["data"]] == [4]
    assert (await ada.told())[3]["read_at"] < (await ada.told())[2]["read_at"]


async def test_in_the_demo_one_account_is_read_and_the_others_are_not(place: Place) -> None:
    ada, bob = await place.person(DEMO), await place.person(DEMO)
    await place.plan(posted(ada, bob))
    account = str(ada.account_id)
    await ada.ask("POST", "/notifications/read", {"up_to": 2**40, "account_id": account})
    for person, unread in [(ada, 0), (bob, 1)]:
        found = await person.get(f"/notifications/unread?account_id={person.account_id}")
        assert found["unread"] == unread


async def test_a_stream_tells_what_comes_and_goes_on_after_the_last_seen(place: Place) -> None:
    ada = await place.person()
    await told(place, ada, 2)

    async def stream(*headers: tuple[str, str]) -> list[str]:
        answer = await place.ask(
            ada.client_id, "GET", "/notifications/events", headers=[("prefer", "wait=2"), *headers]
        )
        assert answer.headers["content-type"].startswith("text/event-stream")
        return [line for line in answer.body.decode().split("\n") if line.startswith("id: ")]

    following = asyncio.create_task(stream())
    await asyncio.sleep(0)
    missed = asyncio.create_task(stream(("last-event-id", "1")))
    await place.until_waited_for(ada.client_id)
    await told(place, ada)
    assert await following == ["id: 3"]
    assert await missed == ["id: 2", "id: 3"]


async def test_a_stream_ends_with_its_callers_standing_and_tells_nothing_more(place: Place) -> None:
    ada = await place.person()
    following = asyncio.create_task(
        place.ask(ada.client_id, "GET", "/notifications/events", headers=[("prefer", "wait=10")])
    )
    await place.until_waited_for(ada.client_id)
    place.door.suspended.add(ada.client_id)
    await told(place, ada)
    async with asyncio.timeout(5):
        answer = await following
    assert (answer.status, answer.body) == (200, b"")
    assert (await ada.ask("GET", "/notifications/events")).code == "suspended"


async def test_a_link_stops_e_mails_on_its_subject_and_only_when_it_is_used(place: Place) -> None:
    ada = await place.person()
    await ada.verify_email("ada@example.com")
    await ada.prefer(locale="de", subjects={"payment-received": {"email": True}})
    await told(place, ada)
    [letter] = await place.carry(Channel.EMAIL)
    assert letter.unsubscribe_url is not None
    path = letter.unsubscribe_url.removeprefix("https://titan.example")

    page = await place.ask("", "GET", path)
    assert (page.status, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "form-action 'self'" in page.headers["content-security-policy"]
    assert "Keine E-Mails mehr" in page.body.decode()
    assert (await ada.get("/notifications/preferences"))["subjects"]["payment-received"]["email"]
    for _ in range(2):
        assert (await place.ask("", "POST", path)).status == 200
    wanted = await ada.get("/notifications/preferences")
    assert wanted["subjects"]["payment-received"] == {"in_app": True, "push": True, "email": False}
    assert wanted["subjects"]["password-changed"]["email"]
    assert wanted["locale"] == "de"
    assert (await place.ask("", "POST", f"{path[:-2]}AA")).status == 404


async def test_an_old_link_makes_no_row_of_somebody_who_was_forgotten(place: Place) -> None:
    ada = await place.person()
    await ada.prefer(locale="de")
    path = Links(place.vault, "").url(ada.client_id, Subject.PAYMENT_RECEIVED)
    await place.vault.forget(None, ada.person_id)
    await place.execute("SELECT titan_keys.forget($1, $2)", ada.person_id, NOW)

    assert (await place.ask("", "POST", path)).status == 200

    kept = "SELECT FROM notification_recipients WHERE client_id = $1"
    assert await place.fetch(kept, ada.client_id) == []


async def test_who_has_shown_no_address_gets_no_mail(place: Place) -> None:
    ada = await place.person()
    changed = PasswordChanged(
        request_id=uuid4(), requested_at=NOW, user_id=ada.person_id, session_id=uuid4()
    )
    await place.plan(changed)
    assert await place.carry(Channel.EMAIL) == []
    assert await place.ends_of(ada) == [("undeliverable", "nowhere_to_send")]
