"""The courier: once and in order, not in quiet hours, not when pointless, and through bad luck."""

import asyncio
from uuid import uuid4

import pytest

from domain.notification import Channel, Way, notification_id_of
from domain.notification_plan import Delivery
from producers.notifications import limits
from producers.notifications.channels.port import Gone, Later, Refused
from schemas.user import PasswordChanged
from tests.producers.notifications.parts import at
from tests.producers.notifications.place import Person, Place, posted
from tests.support.memory_stage import NOW, message_of

pytestmark = pytest.mark.real


async def paid(place: Place, ada: Person, amount_minor: int = 1_000) -> None:
    """Somebody pays Ada."""
    await place.plan(posted(await place.person(), ada, amount_minor))


async def test_a_push_is_carried_once_under_the_id_of_its_cause(place: Place, ada: Person) -> None:
    payment = posted(await place.person(), ada)
    await place.plan(payment)
    [letter] = await place.carry()
    event_id = dict(message_of(payment).headers)["ce_id"].decode()
    [device] = (await ada.get("/devices"))["data"]

    expected = await place.fetch(
        "SELECT delivery_id, device_id FROM notification_deliveries WHERE person_id = $1",
        ada.person_id,
    )
    assert [(letter.delivery_id, device["id"])] == [(r[0], str(r[1])) for r in expected]
    assert letter.delivery_id == notification_id_of(
        type(letter.delivery_id)(event_id), ada.client_id, Way.PUSH, expected[0]["device_id"]
    )
    await place.plan(payment)
    assert await place.carry() == []
    assert await place.ends_of(ada) == [("sent", None)]


async def test_who_dies_after_a_claim_leaves_it_to_the_next_under_the_same_id(
    place: Place, ada: Person
) -> None:
    await paid(place, ada)

    async def die(_: object) -> None:
        raise asyncio.CancelledError

    place.baskets[Channel.APNS].send = die  # type: ignore[assignment,method-assign]
    with pytest.raises(asyncio.CancelledError):
        await place.courier.carry_once(Channel.APNS)
    del place.baskets[Channel.APNS].send

    place.courier = place.new_courier()
    assert await place.carry() == []
    place.pass_time(seconds=limits.CLAIM_S + 1)
    [letter] = await place.carry()
    [row] = await place.fetch(
        "SELECT delivery_id, attempts FROM notification_deliveries WHERE person_id = $1",
        ada.person_id,
    )
    assert (row["delivery_id"], row["attempts"]) == (letter.delivery_id, 2)


async def test_many_couriers_carry_each_letter_once(place: Place, ada: Person) -> None:
    for _ in range(5):
        await paid(place, ada)
    couriers = [place.new_courier() for _ in range(4)]
    await asyncio.gather(*(each.carry_once(Channel.APNS) for each in couriers))
    letters = place.baskets[Channel.APNS].letters
    assert len(letters) == len({letter.delivery_id for letter in letters}) == 5


async def test_a_try_that_failed_comes_again_by_schedule_and_its_carriers_word(
    place: Place, ada: Person
) -> None:
    await paid(place, ada)
    place.baskets[Channel.APNS].fates = [Later("TooManyRequests"), Later("again", 90.0)]
    assert len(await place.carry()) == 1
    assert await place.carry() == []
    place.pass_time(seconds=limits.SCHEDULE_S[0])
    assert len(await place.carry()) == 1
    place.pass_time(seconds=89)
    assert await place.carry() == []
    place.pass_time(seconds=2)
    assert len(await place.carry()) == 1
    assert await place.ends_of(ada) == [("sent", None)]


async def test_a_token_that_is_no_more_takes_its_device_along(place: Place, ada: Person) -> None:
    await paid(place, ada)
    place.baskets[Channel.APNS].fates = [Gone("Unregistered")]
    await place.carry()
    assert await place.ends_of(ada) == [("undeliverable", "Unregistered")]
    assert (await ada.get("/devices"))["data"] == []
    await paid(place, ada)
    assert await place.carry() == []


async def test_a_device_that_came_again_meanwhile_stays(place: Place, ada: Person) -> None:
    token = "ab" * 32
    await ada.device(token)
    await paid(place, ada)
    claimed = await place.fetch("SELECT registered_at FROM notification_devices")
    assert claimed
    place.baskets[Channel.APNS].fates = [Gone("BadDeviceToken")] * 2

    real_send = place.baskets[Channel.APNS].send

    async def send(letter: object) -> object:
        place.pass_time(seconds=1)
        await ada.device(token)
        return await real_send(letter)  # type: ignore[arg-type]

    place.baskets[Channel.APNS].send = send  # type: ignore[assignment,method-assign]
    await place.carry()
    assert len((await ada.get("/devices"))["data"]) == 1


async def test_what_will_never_be_taken_is_not_tried_again(place: Place, ada: Person) -> None:
    await paid(place, ada)
    place.baskets[Channel.APNS].fates = [Refused("BadTopic")]
    await place.carry()
    place.pass_time(hours=1)
    assert await place.carry() == []
    assert await place.ends_of(ada) == [("refused", "BadTopic")]


async def test_a_carrier_that_takes_nothing_rests_ever_longer_and_no_try_counts(
    place: Place, ada: Person
) -> None:
    """RFC 6585 429 and RFC 9110 503 without a Retry-After: one letter asks after each rest."""
    away = Later("503", None, is_everybodys=True)
    basket = place.baskets[Channel.APNS]
    for _ in range(3):
        await paid(place, ada)
    basket.fates = [away] * 3
    assert len(await place.carry()) == 3
    for rest_s in (1, 2, 4, 8, 16, 32, 60, 60):
        place.pass_time(seconds=rest_s - 0.01)
        assert await place.carry() == []
        basket.fates = [away]
        place.pass_time(seconds=0.02)
        assert len(await place.carry()) == 1
    rows = await place.fetch(
        "SELECT DISTINCT attempts, state FROM notification_deliveries WHERE person_id = $1",
        ada.person_id,
    )
    assert [tuple(row) for row in rows] == [(0, "waiting")]
    place.pass_time(seconds=61)
    assert len(await place.carry()) == 1
    assert len(await place.carry()) == 2


async def test_a_carrier_rests_for_as_long_as_it_asks(place: Place, ada: Person) -> None:
    for _ in range(2):
        await paid(place, ada)
    place.baskets[Channel.APNS].fates = [Later("429", 90.0, is_everybodys=True)] * 2
    assert len(await place.carry()) == 2
    place.pass_time(seconds=89)
    assert await place.carry() == []
    place.pass_time(seconds=2)
    assert len(await place.carry()) == 1
    assert len(await place.carry()) == 1


async def test_one_letter_that_breaks_does_not_stop_those_beside_it(
    place: Place, ada: Person
) -> None:
    await paid(place, ada, 1_313)
    await paid(place, ada)
    basket = place.baskets[Channel.APNS]
    real_send = basket.send

    async def send(letter: object) -> object:
        if "13.13" in str(letter):
            raise RuntimeError("nobody foresaw this")
        return await real_send(letter)  # type: ignore[arg-type]

    basket.send = send  # type: ignore[assignment,method-assign]
    await place.courier.carry_once(Channel.APNS)
    assert sorted(await place.ends_of(ada), key=str) == [("sent", None), ("waiting", "defect")]


async def test_quiet_hours_hold_a_push_back_and_not_the_inbox(place: Place, ada: Person) -> None:
    await ada.prefer(time_zone="Europe/Berlin", quiet_hours={"begin": "22:00", "end": "07:00"})
    place.clock.time = at("2026-11-23T21:30:00")
    await paid(place, ada)
    await place.plan(
        PasswordChanged(
            request_id=uuid4(), requested_at=NOW, user_id=ada.person_id, session_id=uuid4()
        )
    )
    assert [letter.title for letter in await place.carry()] == ["Password changed"]
    assert len(await ada.told()) == 2
    place.clock.time = at("2026-11-24T05:59:00")
    assert await place.carry() == []
    place.clock.time = at("2026-11-24T06:00:00")
    assert [letter.title for letter in await place.carry()] == ["Payment received"]


async def test_what_was_chosen_since_it_was_planned_counts(place: Place, ada: Person) -> None:
    await paid(place, ada)
    await ada.prefer(subjects={"payment-received": {"push": False}})
    assert await place.carry() == []
    assert await place.ends_of(ada) == [("unwanted", "chosen_since")]


async def test_a_push_older_than_a_day_is_not_carried(place: Place, ada: Person) -> None:
    await paid(place, ada)
    place.pass_time(hours=24)
    assert await place.carry() == []
    await place.sweep()
    assert await place.ends_of(ada) == [("expired", None)]


async def test_an_old_event_is_in_the_inbox_and_is_not_pushed(place: Place, ada: Person) -> None:
    payment = posted(await place.person(), ada)
    await place.plan_late(payment, hours=25)
    assert await place.carry() == []
    assert len(await ada.told()) == 1


async def test_a_token_that_moved_takes_no_push_of_its_former_owner(place: Place) -> None:
    token = uuid4().hex * 2
    ada, bob = await place.person(), await place.person()
    await ada.device(token)
    await place.plan(posted(await place.person(), ada))
    await bob.device(token)
    assert await place.carry() == []
    assert await place.ends_of(ada) == [("undeliverable", "nowhere_to_send")]


async def test_the_rest_of_a_burst_is_one_summary_after_its_minute(
    place: Place, ada: Person
) -> None:
    for _ in range(4):
        payer = await place.person()
        await place.plan(*(posted(payer, ada) for _ in range(3)))
        place.pass_time(seconds=10)
    assert len(await place.carry()) == 5
    place.pass_time(seconds=23)
    letters = await place.carry()
    assert [letter.body for letter in letters] == ["You received 7 more payments, $70.00 in all."]
    told = await ada.told()
    assert [each["count"] for each in told] == [7, 1, 1, 1, 1, 1]
    assert told[0]["amount"] == 7_000
    place.pass_time(minutes=1)
    await paid(place, ada)
    assert len(await place.carry()) == 1


async def test_a_later_state_waits_for_the_earlier_one_at_each_device(
    place: Place, ada: Person
) -> None:
    await paid(place, ada)
    [row] = await place.fetch(
        "SELECT * FROM notification_deliveries WHERE person_id = $1", ada.person_id
    )
    # A rail tells more than one state: the later one of this payment is planned already.
    later = Delivery(*(row[name] for name in Delivery._fields))._replace(
        delivery_id=uuid4(), rank=row["rank"] + 1
    )
    await place.add_delivery(later)
    place.baskets[Channel.APNS].fates = [Later("TooManyRequests")]
    assert [letter.delivery_id for letter in await place.carry()] == [row["delivery_id"]]
    assert await place.carry() == []
    place.pass_time(seconds=10)
    assert [letter.delivery_id for letter in await place.carry()] == [row["delivery_id"]]
    assert [letter.delivery_id for letter in await place.carry()] == [later.delivery_id]
