"""What every ledger promises about money that is held."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from domain.account import BALANCE_MINOR_MAX, NO_MINIMUM_MINOR
from domain.errors import Defect
from domain.hold import Capture, Ended, Held, HoldEnd, HoldRefused
from domain.posting import LedgerRefusal, Posted, Refused
from tests.contracts.ledger_place import NOW, Place, codes, hold_on, transfer

pytestmark = pytest.mark.parametrize(
    "place_dsn", ["memory", pytest.param("postgres", marks=pytest.mark.real)], indirect=True
)


async def stands(place: Place, account_id: UUID) -> tuple[int, int]:
    """The balance and what of it is held."""
    account = await place.account(account_id)
    return account.balance_minor, account.held_minor


async def test_a_hold_lowers_what_is_available_and_writes_no_entry(place: Place) -> None:
    alice, bob = await place.open_with(100), await place.open()
    wanted = hold_on(alice, 70)
    assert await place.hold(wanted) == [Held(wanted, NOW)]
    assert await stands(place, alice) == (100, 70)
    assert len(await place.reader.entries(alice, limit=10)) == 1
    assert codes(await place.post(transfer(alice, bob, 31), transfer(alice, bob, 30))) == [
        "insufficient_funds",
        None,
    ]


async def test_a_hold_is_placed_once_whatever_came_after(place: Place) -> None:
    alice = await place.open_with(100)
    wanted = hold_on(alice, 70, NOW + timedelta(minutes=5))
    first = await place.hold(wanted, wanted)
    assert await stands(place, alice) == (100, 70)
    await place.void(wanted.hold_id)
    place.time.pass_by(minutes=1)
    assert await place.hold(wanted) == first[:1]
    assert await stands(place, alice) == (100, 0)


async def test_a_known_hold_with_other_contents_is_a_defect(place: Place) -> None:
    alice, bob = await place.open_with(100), await place.open_with(100)
    wanted = hold_on(alice, 10)
    await place.hold(wanted)
    for other in (
        replace(wanted, amount_minor=11),
        replace(wanted, account_id=bob),
        replace(wanted, currency="EUR"),
        replace(wanted, expires_at=NOW),
    ):
        with pytest.raises(Defect):
            await place.hold(other)
    assert await stands(place, alice) == (100, 10)


async def test_each_refused_hold_has_its_code_and_its_id_stays_free(place: Place) -> None:
    alice, frozen = await place.open_with(100), await place.open_with(100)
    await place.freeze(frozen)
    deep, rich = await place.open(NO_MINIMUM_MINOR), await place.open_with(1)
    wide = await place.open(-BALANCE_MINOR_MAX)
    await place.post(transfer(deep, wide, BALANCE_MINOR_MAX))
    batch = [
        hold_on(alice, 101),
        hold_on(frozen, 1),
        hold_on(uuid4(), 1),
        replace(hold_on(rich, 1), currency="EUR"),
        hold_on(wide, BALANCE_MINOR_MAX),
        hold_on(wide, 1),
    ]
    results = await place.hold(*batch)
    assert codes(results) == [
        "insufficient_funds",
        "account_frozen",
        "unknown_account",
        "currency_mismatch",
        None,
        "balance_overflow",
    ]
    assert isinstance(results[0], HoldRefused)
    assert results[0].hold_id == batch[0].hold_id
    assert codes(await place.hold(replace(batch[0], amount_minor=100))) == [None]


@pytest.mark.parametrize("taken_minor", [1, 70])
async def test_a_capture_takes_its_part_once_and_releases_the_rest(
    place: Place, taken_minor: int
) -> None:
    alice, bank = await place.open_with(100), await place.open()
    wanted = hold_on(alice, 70)
    await place.hold(wanted)
    taking = Capture(wanted.hold_id, transfer(alice, bank, taken_minor))
    first = await place.capture(taking)
    assert codes(first) == [None]
    place.time.pass_by(days=1)
    assert await place.capture(taking, taking) == first * 2
    assert await stands(place, alice) == (100 - taken_minor, 0)
    assert await stands(place, bank) == (taken_minor, 0)

    [posted] = (await place.reader.postings([taking.posting.posting_id])).values()
    assert [posted] == first
    assert posted.hold_id == wanted.hold_id


async def test_a_hold_ends_once(place: Place) -> None:
    alice, bank = await place.open_with(100), await place.open()
    captured, voided = hold_on(alice, 40), hold_on(alice, 40)
    await place.hold(captured, voided)
    await place.capture(Capture(captured.hold_id, transfer(alice, bank, 10)))
    released = Ended(voided.hold_id, HoldEnd.VOIDED, NOW)
    assert await place.void(voided.hold_id, voided.hold_id) == [released, released]

    place.time.pass_by(minutes=1)
    assert await place.void(captured.hold_id, voided.hold_id, unknown := uuid4()) == [
        HoldRefused(captured.hold_id, LedgerRefusal.HOLD_ENDED),
        released,
        HoldRefused(unknown, LedgerRefusal.UNKNOWN_HOLD),
    ]
    again = await place.capture(
        Capture(captured.hold_id, transfer(alice, bank, 10)),
        Capture(voided.hold_id, transfer(alice, bank, 10)),
        Capture(uuid4(), transfer(alice, bank, 10)),
    )
    assert codes(again) == ["hold_ended", "hold_ended", "unknown_hold"]
    assert await stands(place, alice) == (90, 0)


async def test_a_capture_takes_no_more_than_was_held(place: Place) -> None:
    alice, bank = await place.open_with(100), await place.open()
    wanted = hold_on(alice, 40)
    await place.hold(wanted)
    too_much = Capture(wanted.hold_id, transfer(alice, bank, 41))
    [refused] = await place.capture(too_much)
    assert refused == Refused(too_much.posting.posting_id, LedgerRefusal.HOLD_EXCEEDED)
    assert await stands(place, alice) == (100, 40)


async def test_a_capture_that_is_none_is_a_defect(place: Place) -> None:
    alice, bank = await place.open_with(100), await place.open_with(100)
    wanted, other = hold_on(alice, 40), hold_on(alice, 40)
    await place.hold(wanted, other)
    with pytest.raises(Defect):
        await place.capture(Capture(wanted.hold_id, transfer(bank, alice, 40)))

    plain = transfer(alice, bank, 10)
    await place.post(plain)
    with pytest.raises(Defect):
        await place.capture(Capture(wanted.hold_id, plain))

    taking = Capture(wanted.hold_id, transfer(alice, bank, 40))
    await place.capture(taking)
    with pytest.raises(Defect):
        await place.capture(replace(taking, hold_id=other.hold_id))
    with pytest.raises(Defect):
        await place.post(taking.posting)
    assert await stands(place, alice) == (50, 40)


async def test_captures_of_one_batch_see_each_other(place: Place) -> None:
    alice, bank = await place.open_with(100), await place.open()
    wanted = hold_on(alice, 100)
    await place.hold(wanted)
    results = await place.capture(
        Capture(wanted.hold_id, transfer(alice, bank, 30)),
        Capture(wanted.hold_id, transfer(alice, bank, 30)),
    )
    assert codes(results) == [None, "hold_ended"]
    assert await stands(place, alice) == (70, 0)


async def test_a_freeze_stops_neither_capture_nor_void_of_earlier_holds(place: Place) -> None:
    alice, bank = await place.open_with(100), await place.open()
    captured, voided = hold_on(alice, 40), hold_on(alice, 40)
    await place.hold(captured, voided)
    await place.freeze(alice, bank)
    assert codes(await place.capture(Capture(captured.hold_id, transfer(alice, bank, 40)))) == [
        None
    ]
    [ended] = await place.void(voided.hold_id)
    assert isinstance(ended, Ended)
    assert await stands(place, alice) == (60, 0)
    assert await stands(place, bank) == (40, 0)


async def test_what_is_due_expires_oldest_first_and_nothing_else(place: Place) -> None:
    alice = await place.open_with(100)
    endless = hold_on(alice, 1)
    due = [hold_on(alice, 2, NOW + timedelta(minutes=minutes)) for minutes in (3, 1, 2)]
    later = hold_on(alice, 4, NOW + timedelta(minutes=4))
    gone = hold_on(alice, 8, NOW + timedelta(minutes=1))
    await place.hold(endless, *due, later, gone)
    await place.void(gone.hold_id)
    place.time.pass_by(minutes=3)

    oldest = [due[1].hold_id, due[2].hold_id]
    assert [end.hold_id for end in await place.expire(limit=2)] == oldest
    assert await stands(place, alice) == (100, 7)
    ended = Ended(due[0].hold_id, HoldEnd.EXPIRED, NOW + timedelta(minutes=3))
    assert await place.expire(limit=2) == [ended]
    assert await place.expire(limit=2) == []
    assert await stands(place, alice) == (100, 5)


async def test_a_hold_can_be_captured_until_it_has_expired(place: Place) -> None:
    alice, bank = await place.open_with(100), await place.open()
    early, late = hold_on(alice, 40, NOW), hold_on(alice, 40, NOW)
    await place.hold(early, late)
    place.time.pass_by(hours=1)
    first = await place.capture(Capture(early.hold_id, transfer(alice, bank, 40)))
    assert isinstance(first[0], Posted)
    await place.expire()
    refused = await place.capture(Capture(late.hold_id, transfer(alice, bank, 40)))
    assert codes(refused) == ["hold_ended"]
    [outcome] = await place.void(late.hold_id)
    assert isinstance(outcome, HoldRefused)
    assert await stands(place, alice) == (60, 0)


async def test_a_hold_of_a_unit_that_fails_is_not_placed(place: Place) -> None:
    alice, bank = await place.open_with(100), await place.open()
    kept, lost = hold_on(alice, 40), hold_on(alice, 40)
    await place.hold(kept)
    async with place.unit_that_fails() as unit:
        assert codes(await place.ledger.hold([lost], unit=unit)) == [None]
        taking = Capture(kept.hold_id, transfer(alice, bank, 40))
        assert codes(await place.ledger.capture([taking], unit=unit)) == [None]
    assert await stands(place, alice) == (100, 40)
    assert isinstance((await place.void(kept.hold_id))[0], Ended)
    assert isinstance((await place.void(lost.hold_id))[0], HoldRefused)
