"""What every ledger promises to those who move money through it."""

from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest

from domain.account import BALANCE_MINOR_MAX, NO_MINIMUM_MINOR, AccountOpening
from domain.errors import Defect
from domain.posting import Posted, PostedEntry, Posting, Refused
from ledger_adapter.ports import AccountEntry
from tests.contracts.ledger_place import NOW, Place, codes, entries, transfer

pytestmark = pytest.mark.parametrize(
    "place_dsn", ["memory", pytest.param("postgres", marks=pytest.mark.real)], indirect=True
)


async def test_a_posting_says_where_each_entry_stands_and_what_it_left(place: Place) -> None:
    alice, bob = await place.open_with(500), await place.open()
    sent = transfer(alice, bob, 120)
    assert await place.post(sent) == [
        Posted(
            sent.posting_id,
            "USD",
            NOW,
            (PostedEntry(alice, -120, 2, 380), PostedEntry(bob, 120, 1, 120)),
        )
    ]
    assert await place.balances_minor(alice, bob) == [380, 120]


async def test_a_repeat_is_answered_with_the_first_result_and_moves_nothing(place: Place) -> None:
    alice, bob, carol = await place.open_with(500), await place.open(), await place.open()
    moved = entries((alice, -100), (bob, 90), (carol, 10))
    sent = Posting(uuid4(), "USD", moved)
    first = await place.post(sent)
    place.time.pass_by(days=90)
    await place.post(transfer(bob, carol, 5))
    await place.freeze(alice)

    turned = replace(sent, entries=moved[::-1])
    assert await place.post(sent, turned, sent) == first * 3
    assert await place.balances_minor(alice, bob, carol) == [400, 85, 15]


async def test_a_known_id_with_other_contents_is_a_defect(place: Place) -> None:
    alice, bob, carol = await place.open_with(500), await place.open(), await place.open()
    sent = transfer(alice, bob, 100)
    await place.post(sent)
    for other in (
        transfer(alice, bob, 101, posting_id=sent.posting_id),
        transfer(alice, carol, 100, posting_id=sent.posting_id),
        transfer(bob, alice, 100, posting_id=sent.posting_id),
        transfer(alice, bob, 100, posting_id=sent.posting_id, currency="EUR"),
    ):
        with pytest.raises(Defect):
            await place.post(transfer(alice, carol, 1), other)
    assert await place.balances_minor(alice, bob, carol) == [400, 100, 0]


async def test_each_refusal_has_its_code(place: Place) -> None:
    alice, bob = await place.open_with(100), await place.open()
    frozen, euro = await place.open_with(100), await place.open(currency="EUR")
    await place.freeze(frozen)
    refused = await place.post(
        transfer(alice, bob, 101),
        transfer(bob, alice, 1),
        transfer(frozen, bob, 1),
        transfer(alice, frozen, 1),
        transfer(alice, uuid4(), 1),
        transfer(uuid4(), alice, 1),
        transfer(alice, euro, 1),
        transfer(alice, bob, 1, currency="EUR"),
    )
    assert codes(refused) == [
        "insufficient_funds",
        "insufficient_funds",
        "account_frozen",
        "account_frozen",
        "unknown_account",
        "unknown_account",
        "currency_mismatch",
        "currency_mismatch",
    ]
    assert await place.balances_minor(alice, bob, frozen, euro) == [100, 0, 100, 0]


async def test_a_refused_posting_leaves_no_trace_and_its_id_stays_free(place: Place) -> None:
    alice, bob = await place.open_with(100), await place.open()
    sent = transfer(bob, alice, 40)
    [refused] = await place.post(sent)
    assert isinstance(refused, Refused)
    assert refused.posting_id == sent.posting_id
    assert await place.reader.postings([sent.posting_id]) == {}
    assert await place.reader.entries(bob, limit=10) == []

    other = transfer(alice, bob, 60, posting_id=sent.posting_id)
    assert codes(await place.post(other)) == [None]
    assert await place.balances_minor(alice, bob) == [40, 60]


async def test_a_batch_is_decided_in_order_each_seeing_those_before(place: Place) -> None:
    alice, bob, carol = await place.open_with(100), await place.open(), await place.open()
    results = await place.post(
        transfer(bob, carol, 100),
        transfer(alice, bob, 100),
        transfer(bob, carol, 100),
        transfer(alice, bob, 1),
    )
    assert codes(results) == ["insufficient_funds", None, None, "insufficient_funds"]
    assert await place.balances_minor(alice, bob, carol) == [0, 0, 100]


async def test_one_account_may_be_in_every_posting_of_a_large_batch(place: Place) -> None:
    alice, bob = await place.open_with(1_000), await place.open()
    results = await place.post(*(transfer(alice, bob, 1) for _ in range(1_001)))
    assert codes(results) == [None] * 1_000 + ["insufficient_funds"]
    lines = await place.reader.entries(bob, limit=2_000)
    assert [line.balance_after_minor for line in lines] == list(range(1_000, 0, -1))
    assert [line.sequence for line in lines] == list(range(1_000, 0, -1))


async def test_a_unit_that_fails_leaves_nothing(place: Place) -> None:
    alice, bob = await place.open_with(100), await place.open()
    sent, opening = transfer(alice, bob, 10), AccountOpening(uuid4(), "USD")
    async with place.unit_that_fails() as unit:
        assert codes(await place.ledger.post([sent], unit=unit)) == [None]
        await place.ledger.open([opening], unit=unit)
        await place.ledger.freeze([bob], unit=unit)
    balances = await place.reader.balances([alice, bob, opening.account_id])
    assert {one.account_id: one.balance_minor for one in balances.values()} == {alice: 100, bob: 0}
    assert not balances[bob].is_frozen
    assert await place.reader.postings([sent.posting_id]) == {}
    assert codes(await place.post(sent)) == [None]


async def test_a_unit_sees_what_it_did_itself(place: Place) -> None:
    alice, bob = await place.open_with(100), await place.open()
    sent = transfer(alice, bob, 100)
    async with place.units.begin() as unit:
        first = await place.ledger.post([sent], unit=unit)
        assert await place.ledger.post([sent], unit=unit) == first
        assert codes(await place.ledger.post([transfer(alice, bob, 1)], unit=unit)) == [
            "insufficient_funds"
        ]


async def test_an_account_may_go_as_low_as_its_minimum_and_no_lower(place: Place) -> None:
    alice, bob = await place.open(-50), await place.open()
    assert codes(await place.post(transfer(alice, bob, 51), transfer(alice, bob, 50))) == [
        "insufficient_funds",
        None,
    ]
    account = await place.account(alice)
    assert (account.available_minor, account.minimum_minor) == (-50, -50)


async def test_what_64_bits_do_not_hold_is_refused(place: Place) -> None:
    first, second = await place.open(NO_MINIMUM_MINOR), await place.open(NO_MINIMUM_MINOR)
    alice = await place.open()
    results = await place.post(
        transfer(first, alice, BALANCE_MINOR_MAX),
        transfer(second, alice, 1),
        transfer(first, second, 1),
        transfer(first, second, 1),
    )
    assert codes(results) == [None, "balance_overflow", None, "insufficient_funds"]
    assert await place.balances_minor(first, second, alice) == [
        NO_MINIMUM_MINOR,
        1,
        BALANCE_MINOR_MAX,
    ]


async def test_an_opening_is_repeated_with_the_first_answer(place: Place) -> None:
    opening = AccountOpening(uuid4(), "USD", -10)
    async with place.units.begin() as unit:
        first = await place.ledger.open([opening, opening], unit=unit)
    place.time.pass_by(days=1)
    async with place.units.begin() as unit:
        assert await place.ledger.open([opening], unit=unit) == first[:1]
    assert first[0] == first[1]
    assert (first[0].currency, first[0].minimum_minor, first[0].opened_at) == ("USD", -10, NOW)


async def test_an_opening_with_other_contents_is_a_defect(place: Place) -> None:
    opening = AccountOpening(await place.open(), "USD")
    for other in (replace(opening, currency="EUR"), replace(opening, minimum_minor=-1)):
        for batch in ([other], [opening, other]):
            with pytest.raises(Defect):
                async with place.units.begin() as unit:
                    await place.ledger.open(batch, unit=unit)


async def test_a_freeze_can_be_lifted_and_names_the_ids_it_does_not_know(place: Place) -> None:
    alice, bob, nobody = await place.open_with(10), await place.open(), uuid4()
    assert await place.freeze(alice, nobody) == {nobody}
    assert await place.freeze(alice) == frozenset()
    assert codes(await place.post(transfer(alice, bob, 10))) == ["account_frozen"]
    assert await place.unfreeze(alice, nobody) == {nobody}
    assert codes(await place.post(transfer(alice, bob, 10))) == [None]


async def test_nothing_asked_is_nothing_answered(place: Place) -> None:
    async with place.units.begin() as unit:
        assert await place.ledger.open([], unit=unit) == []
        assert await place.ledger.freeze([], unit=unit) == frozenset()
    assert (await place.post(), await place.hold(), await place.capture()) == ([], [], [])
    assert await place.void() == []
    assert await place.reader.balances([]) == {}
    assert await place.reader.postings([]) == {}


async def test_a_unit_of_another_kind_is_a_defect(place: Place) -> None:
    with pytest.raises(Defect):
        await place.ledger.post([], unit=object())  # type: ignore[arg-type]


async def test_an_account_is_read_page_by_page_while_money_moves(place: Place) -> None:
    alice, bob = await place.open_with(100), await place.open()
    sent = [transfer(alice, bob, amount_minor) for amount_minor in range(1, 8)]
    for one in sent:
        await place.post(one)
        place.time.pass_by(minutes=1)

    page = await place.reader.entries(bob, limit=3)
    read = list(page)
    while page:
        await place.post(transfer(alice, bob, 1))
        page = await place.reader.entries(bob, before_sequence=page[-1].sequence, limit=3)
        read += page
    assert [line.posting_id for line in read] == [one.posting_id for one in reversed(sent)]
    assert read[0] == AccountEntry(7, sent[6].posting_id, 7, 28, NOW + timedelta(minutes=6))
    assert read[-1] == AccountEntry(1, sent[0].posting_id, 1, 1, NOW)
    assert await place.reader.entries(uuid4(), limit=3) == []
    everything = await place.reader.entries(bob, limit=100)
    assert await place.reader.entries(bob, before_sequence=1_000, limit=100) == everything
    assert await place.reader.entries(bob, before_sequence=1, limit=100) == []


async def test_postings_are_read_as_they_were_answered(place: Place) -> None:
    alice, bob = await place.open_with(100), await place.open()
    one, two = transfer(alice, bob, 1), transfer(bob, alice, 1)
    first = await place.post(one, two)
    ids = [two.posting_id, uuid4(), one.posting_id]
    assert await place.reader.postings(ids) == {
        posted.posting_id: posted for posted in first if isinstance(posted, Posted)
    }
