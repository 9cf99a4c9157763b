"""The fold is a join: whatever the order and the repetitions, the same is known in the end."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import reduce
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from projections.payment_fold import PaymentFact, PaymentRow, fold, join, row_of
from schemas.payment import PaymentConflicted
from tests.support.events import payment_id, requested, resolved
from tests.support.memory_stage import NOW
from tests.support.payment_events import facts

Fact = tuple[PaymentFact, datetime]

LATER = NOW + timedelta(seconds=1)
FIRST, SECOND = "a" * 64, "b" * 64


def folded(history: Sequence[Fact]) -> dict[UUID, PaymentRow]:
    rows: dict[UUID, PaymentRow] = {}
    for event, occurred_at in history:
        rows[event.payment_id] = fold(rows.get(event.payment_id), event, occurred_at)
    return rows


def conflicted(fingerprint: str) -> PaymentConflicted:
    return PaymentConflicted(
        payment_id=payment_id(), accepted_at=NOW, from_handle="alice", fingerprint=fingerprint
    )


@given(history=st.lists(facts, max_size=12), data=st.data())
def test_order_and_repetition_change_nothing(history: list[Fact], data: st.DataObject) -> None:
    repeats = data.draw(st.lists(st.sampled_from(history))) if history else []
    repeated = data.draw(st.permutations(history + repeats))

    assert folded(repeated) == folded(history)


@given(parts=st.lists(st.lists(facts, min_size=1, max_size=5), min_size=3, max_size=3))
def test_joining_is_associative_commutative_and_idempotent(parts: list[list[Fact]]) -> None:
    one, two, three = (
        reduce(join, (row_of(event, at)._replace(payment_id=payment_id()) for event, at in part))
        for part in parts
    )

    assert join(join(one, two), three) == join(one, join(two, three))
    assert join(one, two) == join(two, one)
    assert join(one, one) == one


def test_of_two_times_for_a_state_the_earlier_stands() -> None:
    row = folded([(resolved(), LATER), (resolved(), NOW)])[payment_id()]

    assert row.resolved_at == NOW


def test_later_events_alone_leave_the_body_open() -> None:
    row = folded([(resolved(), NOW)])[payment_id()]

    assert row.client_id is None
    assert row.payer_account_id == resolved().payer_account_id


def test_an_ignored_body_gives_way_even_if_it_was_accepted_first() -> None:
    ignored = requested(fingerprint=FIRST, amount_minor=1)
    stands = requested(fingerprint=SECOND, amount_minor=2, accepted_at=LATER)

    before = folded([(ignored, NOW), (stands, LATER)])[payment_id()]
    after = folded([(ignored, NOW), (conflicted(FIRST), LATER), (stands, LATER)])[payment_id()]

    assert (before.amount_minor, before.requested_at) == (1, NOW)
    assert (after.amount_minor, after.requested_at) == (2, LATER)
    assert after.conflicted_at == LATER


def test_of_competing_bodies_none_is_forgotten() -> None:
    bodies = [requested(fingerprint=str(n) * 64, amount_minor=n + 1) for n in range(3)]
    history = [(body, NOW) for body in bodies]

    for standing in range(3):
        others = [conflicted(str(n) * 64) for n in range(3) if n != standing]
        row = folded([*history, *((other, LATER) for other in others)])[payment_id()]
        assert row.amount_minor == standing + 1
