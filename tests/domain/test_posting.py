"""Postings and what a batch of them comes to, without any ledger."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.account import (
    BALANCE_MINOR_MAX,
    NO_MINIMUM_MINOR,
    Account,
    AccountOpening,
    Opened,
    opened_or_defect,
)
from domain.errors import Defect
from domain.posting import (
    Entry,
    LedgerRefusal,
    Posted,
    Posting,
    Refused,
    apply_posting,
    decide_postings,
)

NOW = datetime(2026, 11, 23, 10, 3, 7, tzinfo=UTC)
ALICE, BOB, CAROL = UUID(int=1), UUID(int=2), UUID(int=3)


def posting(*entries: tuple[UUID, int], number: int = 9, currency: str = "USD") -> Posting:
    return Posting(UUID(int=number), currency, tuple(Entry(*entry) for entry in entries))


def account(account_id: UUID, balance_minor: int = 0, **other: Any) -> Account:
    return Account(account_id, "USD", 0, balance_minor, 0, 0, is_frozen=False)._replace(**other)


def accounts(*those: Account) -> dict[UUID, Account]:
    return {one.account_id: one for one in those}


@pytest.mark.parametrize(
    "entries",
    [
        (),
        ((ALICE, 5),),
        ((ALICE, -5), (BOB, 4)),
        ((ALICE, 0), (BOB, 0)),
        ((ALICE, -5), (BOB, 5), (CAROL, 0)),
        ((ALICE, -5), (ALICE, 5)),
        ((ALICE, -5), (BOB, 3), (BOB, 2)),
        ((ALICE, -BALANCE_MINOR_MAX - 1), (BOB, BALANCE_MINOR_MAX + 1)),
        ((ALICE, -1.0), (BOB, 1.0)),
        ((ALICE, -1), (BOB, True)),
    ],
)
def test_what_is_no_balanced_set_of_whole_amounts_is_a_defect(entries: Any) -> None:
    with pytest.raises(Defect):
        posting(*entries)


@pytest.mark.parametrize(
    ("currency", "minimum_minor"),
    [("usd", 0), ("XXX", 0), ("", 0), ("USD", 1), ("USD", NO_MINIMUM_MINOR - 1)],
)
def test_an_account_that_could_not_hold_zero_is_a_defect(currency: str, minimum_minor: int) -> None:
    with pytest.raises(Defect):
        AccountOpening(ALICE, currency, minimum_minor)


def test_an_opening_repeats_the_first_or_is_a_defect() -> None:
    first = Opened(ALICE, "USD", 0, NOW)
    assert opened_or_defect(first, AccountOpening(ALICE, "USD")) == first
    for other in (AccountOpening(ALICE, "EUR"), AccountOpening(ALICE, "USD", -1)):
        with pytest.raises(Defect):
            opened_or_defect(first, other)


@pytest.mark.parametrize(
    ("before", "amount_minor", "code"),
    [
        ({}, 1, LedgerRefusal.UNKNOWN_ACCOUNT),
        ({"currency": "EUR"}, 1, LedgerRefusal.CURRENCY_MISMATCH),
        ({"is_frozen": True}, 1, LedgerRefusal.ACCOUNT_FROZEN),
        ({"balance_minor": 99}, 100, LedgerRefusal.INSUFFICIENT_FUNDS),
        ({"balance_minor": 100, "held_minor": 1}, 100, LedgerRefusal.INSUFFICIENT_FUNDS),
        ({"minimum_minor": -100, "held_minor": 1}, 100, LedgerRefusal.INSUFFICIENT_FUNDS),
        ({"balance_minor": 100}, 100, None),
        ({"minimum_minor": -100}, 100, None),
    ],
)
def test_a_debit_is_refused_for_one_named_reason(
    before: Mapping[str, Any], amount_minor: int, code: LedgerRefusal | None
) -> None:
    known = accounts(account(BOB), *([account(ALICE, **before)] if before else []))
    outcome = apply_posting(posting((ALICE, -amount_minor), (BOB, amount_minor)), known)
    assert (outcome if isinstance(outcome, LedgerRefusal) else None) == code
    assert known[BOB].balance_minor == (0 if code else amount_minor)


def test_a_credit_past_64_bits_is_refused_and_moves_nothing() -> None:
    known = accounts(account(ALICE, 1), account(BOB, BALANCE_MINOR_MAX))
    before = dict(known)
    outcome = apply_posting(posting((ALICE, -1), (BOB, 1)), known)
    assert outcome is LedgerRefusal.BALANCE_OVERFLOW
    assert known == before


def test_a_debit_below_64_bits_is_refused_as_lack_of_funds() -> None:
    lowest = account(ALICE, NO_MINIMUM_MINOR, minimum_minor=NO_MINIMUM_MINOR)
    known = accounts(lowest, account(BOB))
    outcome = apply_posting(posting((ALICE, -1), (BOB, 1)), known)
    assert outcome is LedgerRefusal.INSUFFICIENT_FUNDS


def test_each_posting_sees_what_those_before_it_did() -> None:
    batch = [
        posting((BOB, -100), (CAROL, 100), number=10),
        posting((ALICE, -100), (BOB, 100), number=11),
        posting((BOB, -100), (CAROL, 100), number=12),
    ]
    known = accounts(account(ALICE, 100), account(BOB), account(CAROL))
    decisions = decide_postings(batch, accounts=known, known={}, now=NOW)
    assert decisions.results[0] == Refused(UUID(int=10), LedgerRefusal.INSUFFICIENT_FUNDS)
    assert decisions.results[1:] == decisions.fresh
    assert {one.account_id: (one.balance_minor, one.entry_count) for one in decisions.accounts} == {
        ALICE: (0, 1),
        BOB: (0, 2),
        CAROL: (100, 1),
    }


def test_the_decision_leaves_what_it_was_given_as_it_was() -> None:
    known = accounts(account(ALICE, 100), account(BOB))
    before = dict(known)
    decide_postings([posting((ALICE, -1), (BOB, 1))], accounts=known, known={}, now=NOW)
    assert known == before


def test_a_repeat_gives_the_first_result_and_moves_nothing() -> None:
    known = accounts(account(ALICE, 100), account(BOB))
    one = posting((ALICE, -1), (BOB, 1))
    turned = posting((BOB, 1), (ALICE, -1))
    decisions = decide_postings([one, one, turned], accounts=known, known={}, now=NOW)
    [first] = decisions.fresh
    assert decisions.results == [first, first, first]
    again = decide_postings([one], accounts=known, known={first.posting_id: first}, now=NOW)
    assert (again.results, again.fresh, again.accounts) == ([first], [], [])


@pytest.mark.parametrize(
    "other",
    [
        posting((ALICE, -2), (BOB, 2)),
        posting((ALICE, -1), (CAROL, 1)),
        posting((ALICE, 1), (BOB, -1)),
        posting((ALICE, -1), (BOB, 1), currency="EUR"),
    ],
)
def test_a_known_id_with_other_contents_is_a_defect(other: Posting) -> None:
    known = accounts(account(ALICE, 100), account(BOB, 100), account(CAROL))
    with pytest.raises(Defect):
        decide_postings([posting((ALICE, -1), (BOB, 1)), other], accounts=known, known={}, now=NOW)


transfers = st.tuples(st.permutations([ALICE, BOB, CAROL]), st.integers(1, 300), st.integers(0, 20))


@given(moves=st.lists(transfers, max_size=30), opening_minor=st.integers(0, 500))
def test_money_is_neither_made_nor_lost_and_nobody_falls_below_the_minimum(
    moves: list[tuple[list[UUID], int, int]], opening_minor: int
) -> None:
    known = accounts(*(account(one, opening_minor) for one in (ALICE, BOB, CAROL)))
    batch = []
    for number, ((payer, payee, third), amount_minor, fee_minor) in enumerate(moves):
        fee = [(third, fee_minor)] if fee_minor else []
        entries = ((payer, -amount_minor - fee_minor), (payee, amount_minor), *fee)
        batch.append(posting(*entries, number=100 + number))
    decisions = decide_postings(batch, accounts=known, known={}, now=NOW)

    final = known | accounts(*decisions.accounts)
    assert sum(one.balance_minor for one in final.values()) == 3 * opening_minor
    assert all(one.available_minor >= 0 for one in final.values())
    for one in final.values():
        history = [
            entry
            for posted in decisions.fresh
            for entry in posted.entries
            if entry.account_id == one.account_id
        ]
        assert [entry.sequence for entry in history] == list(range(1, one.entry_count + 1))
        running_minor = opening_minor
        for entry in history:
            running_minor += entry.amount_minor
            assert entry.balance_after_minor == running_minor
        assert one.balance_minor == running_minor
    assert len(decisions.results) == len(batch)
    assert decisions.fresh == [one for one in decisions.results if isinstance(one, Posted)]
