from datetime import timedelta
from typing import Any
from uuid import UUID, uuid5

from hypothesis import given
from hypothesis import strategies as st

from domain.payment import RefusalCode
from runtime.follow import Followed
from schemas.event import Delivered, Envelope, Event, PaymentEvent, Position
from schemas.payment import PaymentPosted, PaymentRefused
from schemas.wire import caused_envelope, first_envelope
from tests.support.events import ALICE, BOB, payment_id, requested, resolved, screened
from tests.support.memory_stage import NOW, ROOT
from titan.journey import Hop, Journey


def posted() -> PaymentPosted:
    return PaymentPosted(
        payment_id=payment_id(),
        accepted_at=NOW,
        posting_id=ROOT,
        payer_account_id=ALICE,
        payee_account_id=BOB,
        amount_minor=1000,
        currency="USD",
    )


def refused() -> PaymentRefused:
    return PaymentRefused(
        payment_id=payment_id(),
        accepted_at=NOW,
        code=RefusalCode.INSUFFICIENT_FUNDS,
        payer_account_id=ALICE,
    )


def chain(*events: PaymentEvent, appended_ms: list[int] | None = None) -> list[Followed]:
    """The events as the log has them, each caused by the one before."""
    followed: list[Followed] = []
    envelope: Envelope | None = None
    for number, event in enumerate(events):
        envelope = (
            first_envelope(
                event_id=uuid5(ROOT, "first"),
                idempotency_id=event.payment_id,
                source="titan/producers/payments",
                now=NOW,
                traceparent=None,
            )
            if envelope is None
            else caused_envelope(envelope, step=event.TOPIC, source=f"step-{number}", now=NOW)
        )
        position = Position(topic=event.TOPIC, partition=number, offset=10 * number)
        delivered: Delivered[Event] = Delivered(event=event, envelope=envelope, position=position)
        after_ms = appended_ms[number] if appended_ms else 3 * (number + 1)
        followed.append(Followed(delivered, appended_at=NOW + timedelta(milliseconds=after_ms)))
    return followed


def whole() -> list[Followed]:
    return chain(requested(), resolved(), screened(), posted())


def names(hops: list[Hop]) -> list[str]:
    return [hop.event for hop in hops]


WHOLE = ["requested", "resolved", "screened", "posted"]


@given(order=st.permutations([*range(4), *range(4)]))
def test_whatever_order_partitions_yield_cause_comes_before_effect_and_once(
    order: list[int],
) -> None:
    journey = Journey(payment_id())

    shown: list[Any] = []
    for index in order:
        shown += journey.add(whole()[index])

    assert names(shown) == WHOLE
    assert journey.hops == shown
    assert journey.ended


def test_each_hop_has_its_place_and_its_milliseconds() -> None:
    journey = Journey(payment_id())
    events = chain(requested(), resolved(), screened(), posted(), appended_ms=[2, 9, 9, 14])

    for followed in events:
        journey.add(followed)

    assert [hop.hop_ms for hop in journey.hops] == [2, 7, 0, 5]
    assert [hop.total_ms for hop in journey.hops] == [2, 9, 9, 14]
    assert journey.hops[2].as_json() == {
        "event": "screened",
        "topic": "payment.screened.v1",
        "partition": 2,
        "offset": 20,
        "appended_at": (NOW + timedelta(milliseconds=9)).isoformat(),
        "hop_ms": 0,
        "total_ms": 9,
        "source": "step-2",
        "code": None,
    }


def test_a_broker_whose_clock_is_behind_gives_no_negative_hop() -> None:
    journey = Journey(payment_id())

    [hop] = journey.add(chain(requested(), appended_ms=[-4])[0])

    assert (hop.hop_ms, hop.total_ms) == (0, 0)


def test_a_refusal_ends_the_journey_and_says_why() -> None:
    journey = Journey(payment_id())

    for followed in chain(requested(), resolved(), screened(), refused()):
        journey.add(followed)

    assert journey.ended
    assert journey.hops[-1].code == "insufficient_funds"


def test_other_payments_are_passed_over() -> None:
    journey = Journey(UUID(int=1))

    assert journey.add(whole()[0]) == []
    assert not journey.end_is_known


def test_what_lost_its_cause_is_held_back_until_we_give_up_waiting() -> None:
    journey = Journey(payment_id())
    events = whole()

    held = [journey.add(events[3]), journey.add(events[2])]

    assert held == [[], []]
    assert journey.end_is_known
    assert not journey.ended
    assert names(journey.give_up_waiting()) == ["screened", "posted"]
    assert journey.ended


def test_events_of_one_millisecond_stand_in_the_order_of_the_states() -> None:
    journey = Journey(payment_id())
    events = chain(requested(), resolved(), screened(), posted(), appended_ms=[5, 5, 5, 5])

    for followed in reversed(events[1:]):
        journey.add(followed)

    assert names(journey.give_up_waiting()) == WHOLE[1:]
