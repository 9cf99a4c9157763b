"""Holds and how they end, without any ledger."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from domain.account import BALANCE_MINOR_MAX, Account
from domain.errors import Defect
from domain.hold import (
    Capture,
    Ended,
    Held,
    Hold,
    HoldEnd,
    HoldRecord,
    HoldRefused,
    decide_captures,
    decide_holds,
    decide_releases,
)
from domain.posting import Entry, LedgerRefusal, Posted, Posting, Refused

NOW = datetime(2026, 11, 23, 10, 3, 7, tzinfo=UTC)
ALICE, BANK = UUID(int=1), UUID(int=2)
HOLD_ID, POSTING_ID = UUID(int=8), UUID(int=9)


def account(account_id: UUID, balance_minor: int = 0, **other: Any) -> Account:
    return Account(account_id, "USD", 0, balance_minor, 0, 0, is_frozen=False)._replace(**other)


def accounts(**alice: Any) -> dict[UUID, Account]:
    return {ALICE: account(ALICE, **alice), BANK: account(BANK)}


def hold(amount_minor: int = 60, **other: Any) -> Hold:
    given: dict[str, Any] = {"hold_id": HOLD_ID, "account_id": ALICE, "currency": "USD"}
    return Hold(**(given | {"amount_minor": amount_minor} | other))


def record(ended: Ended | None = None) -> dict[UUID, HoldRecord]:
    return {HOLD_ID: HoldRecord(Held(hold(), NOW), ended)}


def capture(amount_minor: int, *, hold_id: UUID = HOLD_ID, debited: UUID = ALICE) -> Capture:
    credited = BANK if debited == ALICE else ALICE
    entries = (Entry(debited, -amount_minor), Entry(credited, amount_minor))
    return Capture(hold_id, Posting(POSTING_ID, "USD", entries))


@pytest.mark.parametrize("amount_minor", [0, -1, BALANCE_MINOR_MAX + 1, True, 1.0])
def test_a_hold_of_no_positive_whole_amount_is_a_defect(amount_minor: Any) -> None:
    with pytest.raises(Defect):
        hold(amount_minor)


def test_a_time_of_expiry_without_a_zone_is_a_defect() -> None:
    with pytest.raises(Defect):
        hold(expires_at=NOW.replace(tzinfo=None))


@pytest.mark.parametrize(
    ("alice", "other", "code"),
    [
        ({"balance_minor": 60}, {}, None),
        ({"balance_minor": 59}, {}, LedgerRefusal.INSUFFICIENT_FUNDS),
        ({"balance_minor": 100, "held_minor": 41}, {}, LedgerRefusal.INSUFFICIENT_FUNDS),
        ({"balance_minor": 60, "is_frozen": True}, {}, LedgerRefusal.ACCOUNT_FROZEN),
        ({"balance_minor": 60}, {"currency": "EUR"}, LedgerRefusal.CURRENCY_MISMATCH),
        ({"balance_minor": 60}, {"account_id": UUID(int=7)}, LedgerRefusal.UNKNOWN_ACCOUNT),
        (
            {"minimum_minor": -BALANCE_MINOR_MAX, "held_minor": BALANCE_MINOR_MAX - 59}
            | {"balance_minor": BALANCE_MINOR_MAX},
            {},
            LedgerRefusal.BALANCE_OVERFLOW,
        ),
    ],
)
def test_a_hold_is_placed_or_refused_for_one_named_reason(
    alice: dict[str, Any], other: dict[str, Any], code: LedgerRefusal | None
) -> None:
    wanted = hold(**other)
    decisions = decide_holds([wanted], accounts=accounts(**alice), known={}, now=NOW)
    if code is None:
        assert decisions.results == decisions.fresh == [Held(wanted, NOW)]
        assert [one.held_minor for one in decisions.accounts] == [60]
    else:
        assert decisions.results == [HoldRefused(HOLD_ID, code)]
        assert (decisions.fresh, decisions.accounts) == ([], [])


def test_holds_of_one_batch_see_each_other_and_repeats_reserve_once() -> None:
    second = hold(hold_id=UUID(int=80))
    batch = [hold(), hold(), second]
    decisions = decide_holds(batch, accounts=accounts(balance_minor=100), known={}, now=NOW)
    refused = HoldRefused(second.hold_id, LedgerRefusal.INSUFFICIENT_FUNDS)
    assert decisions.results == [Held(hold(), NOW), Held(hold(), NOW), refused]


def test_a_hold_known_with_other_contents_is_a_defect() -> None:
    with pytest.raises(Defect):
        decide_holds([hold(61)], accounts=accounts(balance_minor=100), known=record(), now=NOW)


@pytest.mark.parametrize("taken_minor", [1, 60])
def test_a_capture_takes_its_part_and_releases_the_rest(taken_minor: int) -> None:
    decisions = decide_captures(
        [capture(taken_minor)],
        accounts=accounts(balance_minor=60, held_minor=60, is_frozen=True),
        known={},
        holds=record(),
        now=NOW,
    )
    [posted] = decisions.fresh
    assert decisions.results == [posted]
    assert posted.hold_id == HOLD_ID
    assert decisions.ended == [Ended(HOLD_ID, HoldEnd.CAPTURED, NOW, POSTING_ID)]
    assert {one.account_id: (one.balance_minor, one.held_minor) for one in decisions.accounts} == {
        ALICE: (60 - taken_minor, 0),
        BANK: (taken_minor, 0),
    }


@pytest.mark.parametrize(
    ("wanted", "ended", "code"),
    [
        (capture(61), None, LedgerRefusal.HOLD_EXCEEDED),
        (capture(60, hold_id=UUID(int=7)), None, LedgerRefusal.UNKNOWN_HOLD),
        (capture(60), Ended(HOLD_ID, HoldEnd.VOIDED, NOW), LedgerRefusal.HOLD_ENDED),
        (capture(60), Ended(HOLD_ID, HoldEnd.EXPIRED, NOW), LedgerRefusal.HOLD_ENDED),
        (
            capture(60),
            Ended(HOLD_ID, HoldEnd.CAPTURED, NOW, UUID(int=7)),
            LedgerRefusal.HOLD_ENDED,
        ),
    ],
)
def test_a_capture_is_refused_for_one_named_reason(
    wanted: Capture, ended: Ended | None, code: LedgerRefusal
) -> None:
    decisions = decide_captures(
        [wanted],
        accounts=accounts(balance_minor=100, held_minor=60),
        known={},
        holds=record(ended),
        now=NOW,
    )
    assert decisions.results == [Refused(POSTING_ID, code)]
    assert (decisions.fresh, decisions.ended, decisions.accounts) == ([], [], [])


def test_a_capture_whose_payee_cannot_take_it_leaves_the_hold_open() -> None:
    those = accounts(balance_minor=60, held_minor=60)
    those[BANK] = account(BANK, BALANCE_MINOR_MAX)
    decisions = decide_captures([capture(60)], accounts=those, known={}, holds=record(), now=NOW)
    assert decisions.results == [Refused(POSTING_ID, LedgerRefusal.BALANCE_OVERFLOW)]
    assert (decisions.ended, decisions.accounts) == ([], [])


def test_a_capture_that_does_not_debit_the_account_on_hold_is_a_defect() -> None:
    with pytest.raises(Defect):
        decide_captures(
            [capture(60, debited=BANK)],
            accounts=accounts(balance_minor=60, held_minor=60),
            known={},
            holds=record(),
            now=NOW,
        )


def test_a_posting_known_without_this_hold_is_no_repeat_of_the_capture() -> None:
    plain = Posted(POSTING_ID, "USD", NOW, ())
    with pytest.raises(Defect):
        decide_captures(
            [capture(60)],
            accounts=accounts(balance_minor=60, held_minor=60),
            known={POSTING_ID: plain},
            holds=record(),
            now=NOW,
        )


@pytest.mark.parametrize("how", [HoldEnd.VOIDED, HoldEnd.EXPIRED])
def test_a_release_gives_back_all_of_the_hold_once(how: HoldEnd) -> None:
    decisions = decide_releases(
        [HOLD_ID, HOLD_ID],
        how,
        accounts=accounts(balance_minor=60, held_minor=60),
        holds=record(),
        now=NOW,
    )
    assert decisions.results == [Ended(HOLD_ID, how, NOW)] * 2
    assert decisions.ended == [Ended(HOLD_ID, how, NOW)]
    assert [(one.balance_minor, one.held_minor) for one in decisions.accounts] == [(60, 0)]


def test_a_hold_that_ended_otherwise_is_not_released() -> None:
    earlier = Ended(HOLD_ID, HoldEnd.CAPTURED, NOW - timedelta(hours=1), POSTING_ID)
    decisions = decide_releases(
        [HOLD_ID, UUID(int=7)], HoldEnd.VOIDED, accounts={}, holds=record(earlier), now=NOW
    )
    assert decisions.results == [
        HoldRefused(HOLD_ID, LedgerRefusal.HOLD_ENDED),
        HoldRefused(UUID(int=7), LedgerRefusal.UNKNOWN_HOLD),
    ]
    assert decisions.ended == []
