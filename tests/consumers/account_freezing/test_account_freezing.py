from functools import partial
from itertools import pairwise
from uuid import UUID, uuid5

from hypothesis import given
from hypothesis import strategies as st

from consumers.account_freezing.decide import wishes_of
from consumers.account_freezing.handler import on_freezes_requested
from domain.account import AccountOpening
from ledger_adapter.memory import MemoryLedger
from runtime.stage import Stage
from runtime.unit import MemoryUnits
from schemas.account import (
    AccountFreezeRefused,
    AccountFreezeRequested,
    AccountFrozen,
    AccountUnfrozen,
    FreezeReason,
)
from tests.support.events import ALICE, BOB
from tests.support.memory_stage import NOW, ROOT, MemoryStage

NOBODY = uuid5(ROOT, "nobody")


def order(number: int, account_id: UUID, *, is_frozen: bool) -> AccountFreezeRequested:
    return AccountFreezeRequested(
        request_id=uuid5(ROOT, str(number)),
        requested_at=NOW,
        account_id=account_id,
        is_frozen=is_frozen,
        reason=FreezeReason.SUSPECTED_FRAUD,
        actor="user:staff",
        client_id="user:holder",
    )


class Bench:
    """The stage on the memory ledger."""

    def __init__(self) -> None:
        self.ledger = MemoryLedger(now=lambda: NOW)
        self.stage = MemoryStage(
            Stage("account_freezing", partial(on_freezes_requested, ledger=self.ledger))
        )

    async def open(self) -> None:
        async with MemoryUnits().begin() as unit:
            await self.ledger.open(
                [AccountOpening(ALICE, "USD"), AccountOpening(BOB, "USD")], unit=unit
            )

    async def frozen(self) -> set[UUID]:
        accounts = await self.ledger.balances([ALICE, BOB])
        return {id_ for id_, account in accounts.items() if account.is_frozen}


orders = st.lists(st.tuples(st.sampled_from([ALICE, BOB]), st.booleans()), max_size=8)


@given(asked=orders, cuts=st.sets(st.integers(0, 8)), crashes=st.sets(st.integers(0, 8)))
async def test_the_last_order_stands_however_they_are_batched_and_delivered(
    asked: list[tuple[UUID, bool]], cuts: set[int], crashes: set[int]
) -> None:
    bench = Bench()
    await bench.open()
    events = [
        order(number, account_id, is_frozen=is_frozen)
        for number, (account_id, is_frozen) in enumerate(asked)
    ]
    places = sorted({0, len(events), *(cut for cut in cuts if cut <= len(events))})
    for begin, end in pairwise(places):
        if begin in crashes:
            await bench.stage.deliver(*events[begin:end], crash_before_commit=True)
        await bench.stage.deliver(*events[begin:end])
    # Once more the first: a redelivered freeze must not undo what came after it.
    if events:
        await bench.stage.deliver(events[0])

    wanted = dict(asked)
    assert await bench.frozen() == {id_ for id_, is_frozen in wanted.items() if is_frozen}
    told = bench.stage.distinct_published()
    assert [isinstance(each, AccountFrozen) for each in told] == [frozen for _, frozen in asked]


async def test_each_order_has_its_outcome_and_an_unknown_account_is_refused() -> None:
    bench = Bench()
    await bench.open()

    await bench.stage.deliver(
        order(1, ALICE, is_frozen=True),
        order(2, NOBODY, is_frozen=True),
        order(3, BOB, is_frozen=False),
        order(4, NOBODY, is_frozen=False),
    )

    kinds = [type(event) for event in bench.stage.distinct_published()]
    assert kinds == [AccountFrozen, AccountFreezeRefused, AccountUnfrozen, AccountFreezeRefused]
    assert await bench.frozen() == {ALICE}
    # Whoever tells clients what happened knows from the event whose account it is.
    told = bench.stage.distinct_published()
    assert [getattr(event, "client_id", None) for event in told] == [
        *("user:holder", None),
        *("user:holder", None),
    ]


def test_no_account_is_wished_both_ways() -> None:
    wishes = wishes_of([order(1, ALICE, is_frozen=True), order(2, ALICE, is_frozen=False)])
    assert (wishes.freeze, wishes.unfreeze) == (frozenset(), frozenset({ALICE}))
