"""From an event to what people are told, on a real PostgreSQL."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from domain.kyc import ReviewReason
from domain.notification import Channel
from domain.payment import RefusalCode
from producers.handles import decide as handles
from producers.notifications import names
from schemas.account import Tier
from schemas.event import Event
from schemas.kyc import KycInformationRequested, KycRejected
from schemas.payment import PaymentRefused
from schemas.person import PersonTierChanged
from schemas.user import PasswordChanged
from tests.producers.notifications.place import DEMO, Place, posted
from tests.support.memory_stage import NOW
from tests.support.public_events import disabled, frozen

pytestmark = pytest.mark.real

CASE: dict[str, Any] = {
    "request_id": uuid4(),
    "requested_at": NOW,
    "person_id": uuid4(),
    "case_id": uuid4(),
    "version": 3,
}
OF_PERSONS: list[Event] = [
    PersonTierChanged(**CASE, tier=Tier.VERIFIED),
    KycRejected(**CASE, reviewer="user:staff", reason=ReviewReason.DOCUMENT_EXPIRED),
    KycInformationRequested(**CASE, reviewer="user:staff", reason=ReviewReason.DOCUMENT_MISSING),
    *frozen("user:somebody"),
    *disabled("user:somebody"),
]


async def test_both_sides_of_a_payment_are_told_once_however_often_it_is_read(
    place: Place,
) -> None:
    ada, bob = await place.person(name="Ada Lovelace"), await place.person(name="Bob Smith")
    payment = posted(ada, bob, 123_456)
    await place.known(payment, ada, bob)
    for _ in range(3):
        await place.plan(payment, payment)

    [sent], [received] = await ada.told(), await bob.told()
    assert (sent["subject"], received["subject"]) == ("payment-sent", "payment-received")
    assert sent["body"] == "You sent $1,234.56 to B*** S***."
    assert received["body"] == "You received $1,234.56 from A*** L***."
    assert sent["payment_id"] == received["payment_id"] == str(payment.payment_id)
    assert (sent["account_id"], sent["number"]) == (str(ada.account_id), 1)


async def test_in_the_demo_each_account_has_its_own_though_one_client_holds_all(
    place: Place,
) -> None:
    ada, bob = await place.person(DEMO), await place.person(DEMO)
    await place.plan(posted(ada, bob))

    for person, subject in [(ada, "payment-sent"), (bob, "payment-received")]:
        page = await person.get(f"/notifications?account_id={person.account_id}")
        assert [each["subject"] for each in page["data"]] == [subject]
        unread = await person.get(f"/notifications/unread?account_id={person.account_id}")
        assert unread == {"unread": 1, "is_more": False}


async def test_a_payment_between_ones_own_accounts_is_told_once(place: Place) -> None:
    ada = await place.person()
    second = await place.person(ada.client_id)
    await ada.device()
    await place.plan(posted(ada, second))

    assert [each["subject"] for each in await ada.told()] == ["payment-sent"]
    assert len(await place.carry()) == 1


async def test_programs_and_system_accounts_are_told_nothing(place: Place) -> None:
    ada, shop, system = await place.person(), await place.person("client:shop"), uuid4()
    await place.account(system, "titan", kind="system")
    await place.plan(
        posted(shop, ada),
        posted(ada, ada, payer_account_id=system, payee_account_id=shop.account_id),
    )

    rows = await place.fetch(
        "SELECT client_id FROM notifications WHERE account_id = ANY($1)",
        [shop.account_id, system, ada.account_id],
    )
    assert [row["client_id"] for row in rows] == [ada.client_id]


async def test_who_was_refused_is_told_why_also_before_the_payer_was_resolved(
    place: Place,
) -> None:
    ada = await place.person()
    codes = [
        (RefusalCode.INSUFFICIENT_FUNDS, {"payer_account_id": ada.account_id}),
        (RefusalCode.UNKNOWN_PAYEE, {"from_handle": ada.handle}),
        # Perhaps somebody else's attempt: the handle's holder hears nothing of it.
        (RefusalCode.UNKNOWN_PAYER, {"from_handle": ada.handle}),
    ]
    for code, payer in codes:
        refused = PaymentRefused(
            payment_id=uuid4(),
            accepted_at=NOW,
            code=code,
            **payer,  # type: ignore[arg-type]
        )
        await place.plan(refused)

    assert [each["code"] for each in await ada.told()] == ["unknown_payee", "insufficient_funds"]
    assert "not enough money" in (await ada.told())[1]["body"]


async def test_a_push_says_what_its_preference_lets_out_and_no_more(place: Place) -> None:
    ada, bob = await place.person(name="Ada Lovelace"), await place.person(name="Bob Smith")
    for person in (ada, bob):
        await person.device()
    expected = {
        "nothing": ("There is news in the app.", "There is news in the app."),
        "subject": ("You sent a payment.", "You received a payment."),
        "amount": ("You sent $10.00.", "You received $10.00."),
        "payee": ("You sent $10.00 to B*** S***.", "You received $10.00."),
    }
    for detail, bodies in expected.items():
        for person in (ada, bob):
            await person.prefer(push_detail=detail)
        payment = posted(ada, bob)
        await place.known(payment, ada, bob)
        await place.plan(payment)
        letters = await place.carry()
        assert sorted(letter.body for letter in letters) == sorted(bodies)
        for letter in letters:
            assert set(letter.data) == {"notification_id"}
        place.pass_time(minutes=2)


async def test_the_language_is_the_readers_whenever_it_is_read(place: Place) -> None:
    ada, bob = await place.person(name="Ada Lovelace"), await place.person(name="Bob Smith")
    payment = posted(ada, bob, 123_456)
    await place.known(payment, ada, bob)
    await place.plan(payment)
    await ada.prefer(locale="de-DE")
    assert (await ada.told())[0]["body"] == "Du hast 1.234,56\xa0$ an B*** S*** gesendet."


async def test_who_was_forgotten_has_no_name_and_no_notifications_any_more(place: Place) -> None:
    ada, bob = await place.person(name="Ada Lovelace"), await place.person(name="Bob Smith")
    await bob.device()
    payment = posted(ada, bob)
    await place.known(payment, ada, bob)
    await place.plan(payment)
    await place.vault.forget(None, bob.person_id)
    await place.execute("SELECT titan_keys.forget($1, $2)", bob.person_id, NOW)

    assert (await ada.told())[0]["body"] == "You sent $10.00."
    assert await bob.told() == []
    assert (await bob.get("/devices"))["data"] == []
    assert await place.carry() == []


async def test_what_is_about_security_is_mailed_with_a_way_out(place: Place) -> None:
    ada = await place.person()
    await ada.verify_email("ada@example.com")
    await place.plan(
        PasswordChanged(
            request_id=uuid4(), requested_at=NOW, user_id=ada.person_id, session_id=uuid4()
        )
    )

    [letter] = await place.carry(Channel.EMAIL)
    assert letter.to == "ada@example.com"
    assert letter.title == "Password changed"
    assert letter.html is not None
    assert letter.text is not None
    assert letter.unsubscribe_url is not None
    assert letter.unsubscribe_url in letter.text


@pytest.mark.parametrize("event", OF_PERSONS, ids=lambda event: event.TOPIC)
async def test_what_was_decided_about_somebody_is_in_their_inbox_and_their_mail(
    place: Place, event: Event
) -> None:
    ada = await place.person()
    await ada.verify_email(f"{uuid4()}@example.com")
    is_persons = "person_id" in type(event).model_fields
    owner = {"person_id": ada.person_id, "client_id": ada.client_id}
    del owner["client_id" if is_persons else "person_id"]
    await place.plan(event.model_copy(update={**owner, "request_id": uuid4()}))

    [told] = await ada.told()
    [letter] = await place.carry(Channel.EMAIL)
    assert letter.title == told["title"]
    assert "suspected_fraud" not in str(told) + str(letter)


async def test_of_an_account_of_nobody_known_and_of_a_programs_endpoint_no_person_is_told(
    place: Place,
) -> None:
    for event in (*frozen(None), *frozen("client:shop"), *disabled("client:shop")):
        await place.plan(event)

    rows = await place.fetch("SELECT 1 FROM notifications WHERE client_id = 'client:shop'")
    assert rows == []


async def test_two_processes_that_plan_at_once_give_every_number_once(place: Place) -> None:
    ada, bob = await place.person(), await place.person()
    await asyncio.gather(*(place.plan(posted(ada, bob)) for _ in range(4)))

    assert [each["number"] for each in await ada.told()] == [4, 3, 2, 1]
    assert [each["number"] for each in await bob.told()] == [4, 3, 2, 1]


def test_names_open_as_handle_resolution_sealed_them() -> None:
    assert names.DISPLAY_NAME_PURPOSE == handles.DISPLAY_NAME_PURPOSE
