import pytest

from consumers.account_opening.decide import decide_batch, opening_of, properties_of
from domain.account import NO_MINIMUM_MINOR
from schemas.account import (
    AccountKind,
    AccountOpened,
    AccountOpeningRefused,
    AccountRefusalCode,
    Tier,
)
from tests.support.directory_events import opening_requested
from tests.support.events import BOB


def test_opens_each_account_once() -> None:
    decisions = decide_batch(
        [opening_requested(1), opening_requested(2), opening_requested(3, account_id=BOB)], {}
    )

    assert [type(outcome) for outcome in decisions.outcomes] == [AccountOpened] * 3
    assert [event.request_id for event in decisions.opened] == [
        opening_requested(1).request_id,
        opening_requested(3).request_id,
    ]


@pytest.mark.parametrize(
    "changes",
    [{"client_id": "stranger"}, {"currency": "EUR"}, {"tier": Tier.BUSINESS}],
)
def test_an_id_names_one_account_for_ever(changes: dict[str, object]) -> None:
    first, other = opening_requested(1), opening_requested(2, **changes)
    known = {first.account_id: properties_of(first)}

    for outcomes in (
        decide_batch([first, other], {}).outcomes[1:],
        decide_batch([other], known).outcomes,
    ):
        [outcome] = outcomes
        assert isinstance(outcome, AccountOpeningRefused)
        assert outcome.code is AccountRefusalCode.ACCOUNT_EXISTS


def test_refuses_a_currency_that_money_is_not_held_in() -> None:
    [outcome] = decide_batch([opening_requested(currency="ZZZ")], {}).outcomes

    assert isinstance(outcome, AccountOpeningRefused)
    assert outcome.code is AccountRefusalCode.UNKNOWN_CURRENCY


@pytest.mark.parametrize(
    ("kind", "minimum_minor"), [(AccountKind.WALLET, 0), (AccountKind.SYSTEM, NO_MINIMUM_MINOR)]
)
def test_a_wallet_never_falls_below_zero(kind: AccountKind, minimum_minor: int) -> None:
    [opened] = decide_batch([opening_requested(kind=kind)], {}).opened

    assert opening_of(opened).minimum_minor == minimum_minor
