"""The rule by which a living row is right: it is what a set of events can come to, nothing else.

Goal: no false alarm for any set of events that the living table may have applied, and an alarm for
everything else. Method: draw a payment's events, cut them, apply any of the later ones, spoil.
"""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from projections.payment_fold import PaymentRow, row_of
from replay.tables import ACCOUNTS, HANDLES, PAYMENTS, Row
from replay.tail import joined, reached
from tests.support.memory_stage import NOW
from tests.support.payment_events import IDS, facts

histories = st.lists(
    facts.map(lambda fact: row_of(*fact)).filter(lambda row: row.payment_id == IDS[0]), max_size=8
)
spoilt = st.sampled_from(
    [
        {"amount_minor": 7},
        {"client_id": "eve"},
        {"posted_at": NOW - timedelta(days=1)},
        {"refusal_code": "a_code"},
        {"payer_account_id": UUID(int=1)},
    ]
)


def row(*events: Row) -> Row | None:
    return joined(PAYMENTS, None, events)


@given(histories, histories, st.data())
def test_whatever_was_applied_of_the_later_events_is_right(
    before: Sequence[Row], later: Sequence[Row], data: st.DataObject
) -> None:
    applied = data.draw(st.lists(st.sampled_from(later), max_size=8)) if later else []
    live = row(*before, *applied)

    assert reached(PAYMENTS, row(*before), later, live) == live


@given(histories, histories, spoilt)
def test_a_value_that_no_event_gives_is_wrong(
    before: Sequence[Row], later: Sequence[Row], change: dict[str, object]
) -> None:
    right = row(*before, *later) or PaymentRow(IDS[0])
    live = tuple(PaymentRow._make(right)._replace(**change))  # type: ignore[arg-type]

    assert reached(PAYMENTS, row(*before), later, live) != live


@given(histories.filter(bool), histories)
def test_what_has_to_be_there_is_missed(before: Sequence[Row], later: Sequence[Row]) -> None:
    base = row(*before)

    assert reached(PAYMENTS, base, later, None) == base
    for gone in ([], later):
        live = row(*gone)
        if live != row(*before, *gone):
            assert reached(PAYMENTS, base, later, live) != live


def test_a_row_that_is_only_to_come_need_not_be_there_yet() -> None:
    assert reached(PAYMENTS, None, [PaymentRow(IDS[0], client_id="demo")], None) is None


def test_of_an_account_the_first_event_stands_whatever_comes_later() -> None:
    first, second = (1, "first"), (1, "second")

    assert reached(ACCOUNTS, first, [second], first) == first
    assert reached(ACCOUNTS, first, [second], second) == first
    assert reached(ACCOUNTS, None, [first, second], first) == first
    assert reached(ACCOUNTS, None, [first, second], second) == first
    assert reached(ACCOUNTS, None, [first], None) is None


def test_a_handle_may_be_at_any_version_that_is_to_come_and_at_no_other() -> None:
    one, two, three = (("alice", version, f"client {version}") for version in (1, 2, 3))

    for live in (one, two, three):
        assert reached(HANDLES, one, [three, two], live) == live
    assert reached(HANDLES, two, [three], one) == two
    assert reached(HANDLES, one, [two], ("alice", 2, "eve")) == two
