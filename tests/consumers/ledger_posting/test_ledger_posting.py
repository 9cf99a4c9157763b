from functools import partial

from hypothesis import given
from hypothesis import strategies as st

from consumers.ledger_posting.decide import outcome_of, posting_id_of, posting_of
from consumers.ledger_posting.handler import on_payments_screened
from domain.account import NO_MINIMUM_MINOR, AccountOpening
from domain.payment import RefusalCode
from domain.posting import (
    Entry,
    LedgerRefusal,
    Posted,
    Posting,
    Refused,
)
from ledger_adapter.memory import MemoryLedger
from runtime.stage import Stage
from runtime.unit import MemoryUnit, MemoryUnits
from schemas.payment import PaymentPosted, PaymentRefused
from tests.support.events import ALICE, BOB, payment_id, screened
from tests.support.memory_stage import NOW, ROOT, MemoryStage

TREASURY = ROOT


def test_the_posting_debits_the_payer_and_credits_the_payee() -> None:
    posting = posting_of(screened(amount_minor=250))

    assert posting.entries == (Entry(ALICE, -250), Entry(BOB, 250))
    assert posting.posting_id == posting_id_of(payment_id())


def test_every_refusal_of_a_posting_has_its_word_in_the_events() -> None:
    about_postings = set(LedgerRefusal) - {
        LedgerRefusal.UNKNOWN_HOLD,
        LedgerRefusal.HOLD_ENDED,
        LedgerRefusal.HOLD_EXCEEDED,
    }
    for code in about_postings:
        outcome = outcome_of(screened(), Refused(posting_id_of(payment_id()), code))
        assert isinstance(outcome, PaymentRefused)
        assert outcome.code.value == code.value


class Bench:
    """The stage on the memory ledger, with a treasury to fund accounts from."""

    def __init__(self) -> None:
        self.ledger = MemoryLedger(now=lambda: NOW)
        self.stage = MemoryStage(
            Stage("ledger_posting", partial(on_payments_screened, ledger=self.ledger))
        )
        self._top_ups = 0

    async def open(self) -> None:
        async with MemoryUnits().begin() as unit:
            await self.ledger.open(
                [
                    AccountOpening(TREASURY, "USD", NO_MINIMUM_MINOR),
                    AccountOpening(ALICE, "USD", 0),
                    AccountOpening(BOB, "USD", 0),
                ],
                unit=unit,
            )

    async def top_up(self, amount_minor: int) -> None:
        self._top_ups += 1
        posting = Posting(
            payment_id(f"top up {self._top_ups}"),
            "USD",
            (Entry(TREASURY, -amount_minor), Entry(ALICE, amount_minor)),
        )
        async with MemoryUnits().begin() as unit:
            assert isinstance(unit, MemoryUnit)
            [result] = await self.ledger.post([posting], unit=unit)
            assert isinstance(result, Posted)

    async def balance_minor(self, account: object) -> int:
        balances = await self.ledger.balances([ALICE, BOB, TREASURY])
        return balances[account].balance_minor  # type: ignore[index]


@given(deliveries=st.lists(st.tuples(st.booleans(), st.integers(0, 3000)), max_size=6))
async def test_money_moves_once_and_only_if_we_say_so(deliveries: list[tuple[bool, int]]) -> None:
    """Redeliver at will: a delivery may crash before its commit, and funds may arrive between."""
    bench = Bench()
    await bench.open()

    for crash, top_up_minor in [*deliveries, (False, 0)]:
        if top_up_minor:
            await bench.top_up(top_up_minor)
        await bench.stage.deliver(screened(amount_minor=2500), crash_before_commit=crash)

    [event] = bench.stage.distinct_published()
    moved_minor = await bench.balance_minor(BOB)
    assert moved_minor == (2500 if isinstance(event, PaymentPosted) else 0)


async def test_in_one_batch_the_second_payment_sees_what_the_first_left() -> None:
    bench = Bench()
    await bench.open()
    await bench.top_up(1500)

    await bench.stage.deliver(
        screened(payment_id=payment_id("one")), screened(payment_id=payment_id("two"))
    )

    first, second = bench.stage.distinct_published()
    assert isinstance(first, PaymentPosted)
    assert isinstance(second, PaymentRefused)
    assert second.code is RefusalCode.INSUFFICIENT_FUNDS


async def test_a_frozen_account_neither_pays_nor_receives() -> None:
    bench = Bench()
    await bench.open()
    await bench.top_up(5000)
    async with MemoryUnits().begin() as unit:
        await bench.ledger.freeze([BOB], unit=unit)

    await bench.stage.deliver(screened())

    [event] = bench.stage.distinct_published()
    assert isinstance(event, PaymentRefused)
    assert event.code is RefusalCode.ACCOUNT_FROZEN


async def test_a_forged_account_is_refused_and_stops_nobody() -> None:
    bench = Bench()
    await bench.open()
    await bench.top_up(5000)

    await bench.stage.deliver(
        screened(payment_id=payment_id("forged"), payer_account_id=payment_id("nobody")),
        screened(),
    )

    forged, good = bench.stage.distinct_published()
    assert isinstance(forged, PaymentRefused)
    assert forged.code is RefusalCode.UNKNOWN_ACCOUNT
    assert isinstance(good, PaymentPosted)
